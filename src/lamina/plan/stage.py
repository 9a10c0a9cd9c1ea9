"""A stage while it is planned: its configuration, variables, history and file system.  Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from lamina.dockerfile.expand import BadSubstitution, expand, expand_words
from lamina.dockerfile.instruction import Flag, Instruction
from lamina.dockerfile.source import DockerfileError, Source
from lamina.oci.config import Execution
from lamina.oci.platform import Platform
from lamina.plan.graph import Graph, Vertex

DEFAULT_SHELL = ("/bin/sh", "-c")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Line(msgspec.Struct, frozen=True):
    """One line of the history to be: who made it, and the vertex of its layer, if any."""

    created_by: str
    vertex: Vertex | None = None


class Settings(msgspec.Struct, frozen=True):
    """What one build is asked for, beside the Dockerfile."""

    host: Platform
    """Where RUN runs."""
    platform: Platform
    """What the image is for."""
    build_args: Mapping[str, str] = {}
    target: str = ""
    network: str = "default"
    labels: Mapping[str, str] = {}
    hosts: tuple[str, ...] = ()
    """`name:address` lines for /etc/hosts of every RUN."""
    contexts: frozenset[str] = frozenset()
    """Names of `--build-context` that are trees of files."""
    images: frozenset[str] = frozenset()
    """Names of `--build-context` that are images: stages of those names give way to them."""
    insecure: bool = False
    """Whether RUN --security=insecure is granted."""
    epoch: int | None = None
    """Seconds since 1970: SOURCE_DATE_EPOCH, or what `--reproducible` found."""


class Stage(msgspec.Struct, eq=False):
    """One FROM and what follows it."""

    source: Source
    escape: str
    graph: Graph
    settings: Settings
    tip: Vertex
    execution: Execution
    label: str = ""
    """Its name, else its number."""
    platform: Platform | None = None
    """What its base is made for, when that is not the target's platform."""
    author: str = ""
    history: list[Line] = []
    variables: dict[str, str] = {}
    """What `$name` means now: ENV of the base and of this stage, and declared ARGs."""
    declared: dict[str, str | None] = {}
    """ARGs of this stage, in order."""
    has_command: bool = False

    def change(self, **fields: Any) -> None:
        """Set fields of the configuration."""
        self.execution = msgspec.structs.replace(self.execution, **fields)

    def record(self, created_by: str, vertex: Vertex | None = None) -> None:
        """Add a line to the history; with a vertex it is a layer, and the new tip."""
        self.history.append(Line(created_by, vertex))
        if vertex is not None:
            self.tip = vertex

    @property
    def shell(self) -> tuple[str, ...]:
        """What runs the shell form of instructions."""
        return self.execution.shell or DEFAULT_SHELL

    @property
    def cwd(self) -> str:
        """WORKDIR as it stands."""
        return posixpath.join("/", self.execution.working_dir)

    def expand(self, instruction: Instruction, text: str) -> str:
        """`text` as one word.  Raises DockerfileError at its place."""
        try:
            return expand(text, self.variables, escape=self.escape)
        except BadSubstitution as error:
            raise self.error(instruction, str(error), text) from None

    def expand_words(self, instruction: Instruction, text: str) -> list[str]:
        """`text` as words.  Raises DockerfileError at its place."""
        try:
            return expand_words(text, self.variables, escape=self.escape)
        except BadSubstitution as error:
            raise self.error(instruction, str(error), text) from None

    def error(
        self, instruction: Instruction, problem: str, fragment: str = "", *, note: str = ""
    ) -> DockerfileError:
        """An error that points at `fragment` of the instruction, or at its keyword."""
        return DockerfileError(self.source, instruction.place(fragment), problem, note=note)

    def flags(self, instruction: Instruction, known: tuple[str, ...]) -> dict[str, Flag]:
        """The flags by name.  Raises DockerfileError for one that is not `known`."""
        found: dict[str, Flag] = {}
        for flag in instruction.flags:
            if flag.name not in known:
                raise unknown_flag(self.source, instruction, flag, known)
            if flag.name in found:
                raise DockerfileError(self.source, flag.span, f"--{flag.name} is given twice")
            if flag.value is None:
                raise DockerfileError(self.source, flag.span, f"--{flag.name} needs a value")
            found[flag.name] = flag
        return found


def unknown_flag(
    source: Source, instruction: Instruction, flag: Flag, known: tuple[str, ...]
) -> DockerfileError:
    """The error of a flag that the instruction does not have."""
    import difflib

    near = difflib.get_close_matches(flag.name, known, 1)
    note = f"did you mean --{near[0]}?" if near else ""
    return DockerfileError(
        source, flag.span, f"{instruction.keyword} has no flag --{flag.name}", note=note
    )


_GO_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_GO_ESCAPES |= {"\v": "\\v", '"': '\\"', "\\": "\\\\"}
_CONTROL = re.compile(r'["\\\x00-\x1f\x7f]')


def quoted(text: str) -> str:
    """A Go string literal (`%q`), as Docker writes arguments into a history."""
    return '"' + _CONTROL.sub(lambda m: _GO_ESCAPES.get(m[0], f"\\x{ord(m[0]):02x}"), text) + '"'


def quoted_list(words: tuple[str, ...]) -> str:
    """A Go slice of strings (`%q`): blanks between, no commas."""
    return "[" + " ".join(map(quoted, words)) + "]"
