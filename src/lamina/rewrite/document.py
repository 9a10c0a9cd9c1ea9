"""A Dockerfile as the rules look at it: steps with their state, scripts and offsets.  Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import msgspec

from lamina.dockerfile.instruction import Dockerfile, Instruction
from lamina.dockerfile.parse import parse
from lamina.dockerfile.source import Span
from lamina.dockerfile.spaces import SPACES
from lamina.dockerfile.words import name_values
from lamina.errors import Invalid
from lamina.rewrite.finding import Edit
from lamina.shell.parse import parse as parse_shell
from lamina.shell.script import Command, Script

_LONGEST_LINE = 80
_SHELLS = {"sh", "bash", "ash", "dash"}
DEFAULT_SHELL = ("/bin/sh", "-c")
QUIET = {"LABEL", "EXPOSE", "CMD", "ENTRYPOINT", "STOPSIGNAL", "HEALTHCHECK", "MAINTAINER"}
"""Instructions that no RUN behind them can tell: they change the configuration alone."""


class State(msgspec.Struct, frozen=True):
    """What a step finds set."""

    user: str = ""
    """USER of this file; empty when it is that of the base."""
    cwd: str = ""
    """WORKDIR when it is known, else empty."""
    shell: tuple[str, ...] = DEFAULT_SHELL
    env: Mapping[str, str] = {}
    """ENV of this file as it is written."""


class Step(msgspec.Struct, frozen=True, dict=True):
    """One instruction of a stage."""

    index: int
    """Among all instructions of the file."""
    stage: int
    line: Instruction
    state: State
    start: int
    """Of its keyword, in the file's text."""
    end: int
    """Behind its last character, heredocs included."""
    number: int
    """Its line as its reader knows it: in the file as it was before any edit."""

    @property
    def keyword(self) -> str:
        """In upper case."""
        return self.line.keyword

    @cached_property
    def script(self) -> Script | None:
        """What a RUN gives the shell; None when that is not sh or its kin, or is not understood.

        Raises NoShellParser.
        """
        line = self.line
        is_shell = self.state.shell[0].rpartition("/")[2] in _SHELLS
        if line.keyword != "RUN" or line.json is not None or line.heredocs or not is_shell:
            return None
        read = parse_shell(line.text)
        return read if isinstance(read, Script) else None

    def commands(self, *names: str) -> tuple[Command, ...]:
        """Commands of these names in its script."""
        return self.script.named(*names) if self.script is not None else ()

    def flag(self, name: str) -> str | None:
        """The value of a flag; None when it has none."""
        return next((each.value for each in self.line.flags if each.name == name), None)

    @property
    def has_mounts(self) -> bool:
        """Whether a RUN sees more than the layers."""
        return any(each.name == "mount" for each in self.line.flags)


class Stage(msgspec.Struct, frozen=True):
    """One FROM and what follows it."""

    number: int
    head: Instruction
    name: str
    base: int | None
    """The stage that it starts from, if it is one of this file."""
    steps: tuple[Step, ...]


class Document:
    """A Dockerfile's text, read."""

    def __init__(
        self, text: str, dockerfile: Dockerfile, origin: Callable[[int], int] | None = None
    ) -> None:
        self.text = text
        self.dockerfile = dockerfile
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self._starts = _line_starts(text)
        self.number = origin or self.line_of
        """The line, as the reader knows the file, that an offset in the text is from."""
        self.stages = _stages(self)
        self.steps: tuple[Step, ...] = tuple(step for each in self.stages for step in each.steps)

    @classmethod
    def read(
        cls,
        text: str,
        *,
        name: str = "Dockerfile",
        origin: Callable[[int], int] | None = None,
    ) -> Document:
        """Read a Dockerfile; `origin` gives for an offset of a text that was edited the line
        that it has in the file.  Raises DockerfileError."""
        return cls(text, parse(text, name=name), origin)

    @property
    def escape(self) -> str:
        """The character that continues a line."""
        return self.dockerfile.escape

    @cached_property
    def shipped(self) -> frozenset[int]:
        """The stages whose layers are in the image: the last, and those it starts from."""
        found: set[int] = set()
        place = len(self.stages) - 1 if self.stages else None
        while place is not None:
            found.add(place)
            place = self.stages[place].base
        return frozenset(found)

    @cached_property
    def shipped_steps(self) -> tuple[Step, ...]:
        """Those of the image's own stages, in the order of its history."""
        return tuple(step for step in self.steps if step.stage in self.shipped)

    def later(self, step: Step) -> list[Step]:
        """The steps that stand on what a step leaves: those of its stage, and of stages that
        start from it."""
        stages = {step.stage}
        for stage in self.stages:
            if stage.base in stages:
                stages.add(stage.number)
        return [each for each in self.steps if each.index > step.index and each.stage in stages]

    def span(self, step: Step) -> Span:
        """The place of an instruction."""
        return step.line.span

    def offset(self, line: int, column: int) -> int:
        """A place that counts from 1 as an offset in the text."""
        return self._starts[line - 1] + column - 1

    def line_of(self, offset: int) -> int:
        """The number of the line that an offset is in."""
        from bisect import bisect_right

        return bisect_right(self._starts, offset)

    def place(self, step: Step, offset: int) -> int:
        """A place in an instruction's `text` (a RUN's script) as an offset in the file's text."""
        line = step.line
        original = line.original.rstrip(SPACES)
        at = line.at(len(original) - len(line.text) + offset, 1)
        return self.offset(at.line, at.column)

    def behind(self, step: Step, offset: int) -> int:
        """The place right behind the character that ends at `offset` of the `text`."""
        return self.place(step, offset - 1) + 1

    def insert(self, step: Step, offset: int, text: str) -> Edit:
        """`text` right behind the character that ends at `offset` of the instruction's text."""
        at = self.behind(step, offset)
        return Edit(at, at, text)

    def replace(self, step: Step, start: int, end: int, text: str) -> Edit:
        """`text` for a part of the instruction's text, and for what lies between its lines."""
        return Edit(self.place(step, start), self.behind(step, end), text)

    def append(self, step: Step, command: str) -> Edit:
        """`&& command` behind a RUN's script, on a line of its own when it has several."""
        end = len(step.line.text)
        at = self.behind(step, end)
        first, last = self.line_of(step.start), self.line_of(at)
        begin = self._starts[last - 1]
        row = self.text[begin:at]
        if first == last and len(row) + len(command) + 4 <= _LONGEST_LINE:
            return Edit(at, at, f" && {command}")
        indent = row[: len(row) - len(row.lstrip(SPACES))] if first != last else "    "
        return Edit(at, at, f" {self.escape}{self.newline}{indent}&& {command}")


def _line_starts(text: str) -> list[int]:
    starts = [1 if text.startswith("\ufeff") else 0]
    place = text.find("\n")
    while place >= 0:
        starts.append(place + 1)
        place = text.find("\n", place + 1)
    return starts


def _stages(document: Document) -> list[Stage]:
    stages: list[Stage] = []
    names: dict[str, int] = {}
    head: Instruction | None = None
    found: list[tuple[int, Instruction]] = []

    def close() -> None:
        if head is None:
            return
        words = [each for each in head.words() if not each.startswith("--")]
        base = names.get(words[0].lower())
        name = words[2].lower() if len(words) == 3 else ""
        number = len(stages)
        begin = _last_state(stages[base]) if base is not None else State()
        steps = _steps(document, number, found, begin)
        stages.append(Stage(number, head, name, base, steps))
        if name:
            names[name] = number

    for index, line in enumerate(document.dockerfile.instructions):
        if line.keyword == "FROM":
            close()
            head, found = line, []
        else:
            found.append((index, line))
    close()
    return stages


def _last_state(stage: Stage) -> State:
    if not stage.steps:
        return State()
    return _after(stage.steps[-1].state, stage.steps[-1].line, None)


def _steps(
    document: Document, stage: int, lines: Sequence[tuple[int, Instruction]], state: State
) -> tuple[Step, ...]:
    steps = []
    for index, line in lines:
        start = document.offset(line.span.line, line.span.column)
        end, number = _end(document, line), document.number(start)
        steps.append(Step(index, stage, line, state, start, end, number))
        state = _after(state, line, document)
    return tuple(steps)


def _end(document: Document, line: Instruction) -> int:
    if line.heredocs:
        last = line.span.last_line
        row = document.dockerfile.source.lines[last - 1]
        return document.offset(last, len(row) + 1)
    original = line.original.rstrip(SPACES)
    at = line.at(len(original) - 1, 1)
    return document.offset(at.line, at.column) + 1


def _after(state: State, line: Instruction, document: Document | None) -> State:
    """The state that an instruction leaves."""
    if line.keyword == "USER":
        return msgspec.structs.replace(state, user=line.text)
    if line.keyword == "SHELL" and line.json:
        return msgspec.structs.replace(state, shell=line.json)
    if line.keyword == "WORKDIR":
        known = not set(line.text) & set("$\\`'\"")
        absolute = line.text.startswith("/")
        if not known or not (absolute or state.cwd):
            return msgspec.structs.replace(state, cwd="")
        cwd = posixpath.normpath(posixpath.join(state.cwd or "/", line.text))
        return msgspec.structs.replace(state, cwd=cwd)
    if line.keyword == "ENV" and document is not None:
        try:
            pairs = name_values(document.dockerfile.source, line, document.escape)
        except Invalid:
            return state
        return msgspec.structs.replace(state, env={**state.env, **dict(pairs)})
    return state
