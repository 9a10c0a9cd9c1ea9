"""A walk through the stages of a Dockerfile with the variables that are set at each step.  Pure.

This is planning without a build: nothing is resolved or refused, and what cannot
be known is known to be unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import msgspec

from lamina.dockerfile.expand import BadSubstitution, expand
from lamina.dockerfile.instruction import Dockerfile, Instruction
from lamina.dockerfile.lookups import Lookups
from lamina.dockerfile.source import DockerfileError, Span
from lamina.dockerfile.words import name_values, quoted_words


class Surroundings(msgspec.Struct, frozen=True):
    """What the checks know beside the Dockerfile."""

    platform: str
    """What is built for: `linux/arm64/v8`."""
    build_platform: str
    """Where it is built."""
    is_image_name: Callable[[str], bool]
    build_args: Mapping[str, str] = {}
    environment: Callable[[str], Mapping[str, str] | None] = lambda _: None
    """The variables of a base image by its name; None when they are not known."""
    image_platform: Callable[[str], str | None] = lambda _: None
    """The platform of a base image by its name; None when it is not known."""
    hidden: Callable[[str], bool] | None = None
    """Whether an ignore file hides a path of the context with all that is below it."""


class Stage:
    """One FROM and what follows it; its state is that of the walk."""

    def __init__(self, line: Instruction, base: str) -> None:
        words = line.words()
        self.line = line
        self.lines: list[Instruction] = []
        self.image = words[0]
        """As FROM has it."""
        self.base = base
        """With its variables replaced; empty when that failed."""
        self.name = words[2].lower() if len(words) == 3 else ""
        self.values: dict[str, str] = {}
        """The variables that are set now."""
        self.declared: set[str] = set()
        """Arguments, with a value or without."""
        self.certain = False
        """Whether `values` has them all."""
        self.has_shell = False
        self.has_workdir = False

    def begin(self, parent: Stage | None, environment: Mapping[str, str] | None) -> None:
        """Take over what an earlier stage left, or the variables of an image."""
        if parent is not None:
            self.values = dict(parent.values)
            self.declared = set(parent.declared)
            self.certain = parent.certain
            self.has_shell = parent.has_shell
            self.has_workdir = parent.has_workdir
            return
        self.certain = self.base == "scratch" or environment is not None
        self.values = {"PATH": "", **(environment or {})}


class Scene:
    """A Dockerfile with its stages, as the rules look at it."""

    def __init__(self, dockerfile: Dockerfile, around: Surroundings) -> None:
        self.dockerfile = dockerfile
        self.around = around
        self.default_globals = self._globals({})
        """Arguments above the first FROM when no build argument is given."""
        self.globals = self._globals(around.build_args)
        self.global_names = {name for line in self._heads() for name in arguments(self, line)}
        self.stages: list[Stage] = []
        for line in dockerfile.instructions:
            if line.keyword == "FROM":
                base = self.expand(line.words()[0], self.globals)
                self.stages.append(Stage(line, base[0] if base else ""))
            elif self.stages:
                self.stages[-1].lines.append(line)

    def _heads(self) -> Iterator[Instruction]:
        """The ARGs above the first FROM."""
        for line in self.dockerfile.instructions:
            if line.keyword != "ARG":
                return
            yield line

    def _globals(self, build_args: Mapping[str, str]) -> dict[str, str]:
        values = {"TARGETSTAGE": "default"}
        for prefix in ("BUILD", "TARGET"):
            platform = self.around.platform if prefix == "TARGET" else self.around.build_platform
            os, arch, variant = (*platform.split("/"), "", "")[:3]
            values |= {
                f"{prefix}PLATFORM": platform,
                f"{prefix}OS": os,
                f"{prefix}ARCH": arch,
                f"{prefix}VARIANT": variant,
                f"{prefix}OSVERSION": "",
            }
        values |= {name: build_args[name] for name in values.keys() & build_args.keys()}
        for line in self._heads():
            for name, default in arguments(self, line).items():
                if name in build_args:
                    values[name] = build_args[name]
                elif default is not None and (found := self.expand(default, values)) is not None:
                    values[name] = found[0]
        return values

    def expand(self, text: str, values: Mapping[str, str]) -> tuple[str, Lookups] | None:
        """`text` as one word, and what it asked for; None when it cannot be expanded."""
        lookups = Lookups(values)
        try:
            return expand(text, lookups, escape=self.dockerfile.escape), lookups
        except BadSubstitution:
            return None

    def place(self, line: Instruction, pattern: str) -> Span:
        """Where a regular expression first fits in the lines of an instruction; its keyword
        when it fits nowhere."""
        first = line.offsets[0][1] if line.offsets else line.span.line
        compiled = re.compile(pattern)
        for number in range(first, max(line.span.last_line, first) + 1):
            if match := compiled.search(self.dockerfile.source.lines[number - 1]):
                return Span(number, match.start() + 1, max(len(match[0]), 1))
        return line.span

    def walk(self) -> Iterator[tuple[Stage, Instruction]]:
        """Every instruction of every stage, with the stage as it stands before it."""
        known: dict[str, Stage] = {}
        for stage in self.stages:
            parent = known.get(stage.base.lower())
            outside = parent is None and stage.base and stage.base != "scratch"
            stage.begin(parent, self.around.environment(stage.base) if outside else None)
            for line in stage.lines:
                yield stage, line
                self._take(stage, line)
            if stage.name:
                known[stage.name] = stage

    def _take(self, stage: Stage, line: Instruction) -> None:
        """Let an instruction change the stage."""
        if line.keyword == "ENV":
            stage.values |= self._pairs(stage, line)
        elif line.keyword == "ARG":
            self._declare(stage, line)
        elif line.keyword == "SHELL":
            stage.has_shell = True
        elif line.keyword == "WORKDIR":
            stage.has_workdir = True

    def _pairs(self, stage: Stage, line: Instruction) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in pairs(self, line):
            expanded = [self.expand(each, stage.values) for each in (name, value)]
            if expanded[0] and expanded[1]:
                found[expanded[0][0]] = expanded[1][0]
        return found

    def _declare(self, stage: Stage, line: Instruction) -> None:
        for name, default in arguments(self, line).items():
            stage.declared.add(name)
            if name in self.around.build_args:
                stage.values[name] = self.around.build_args[name]
            elif default is not None:
                found = self.expand(default, stage.values)
                stage.values[name] = found[0] if found else ""
            elif name in self.globals:
                stage.values[name] = self.globals[name]


def arguments(scene: Scene, line: Instruction) -> dict[str, str | None]:
    """The names of an ARG with their defaults as they are written."""
    words = quoted_words(line.text, scene.dockerfile.escape)
    parts = [word.partition("=") for word in words]
    return {name: default if equals else None for name, equals, default in parts}


def pairs(scene: Scene, line: Instruction) -> list[tuple[str, str]]:
    """The names and values of ENV or LABEL as they are written; none when they are wrong."""
    try:
        return name_values(scene.dockerfile.source, line, scene.dockerfile.escape)
    except DockerfileError:
        return []
