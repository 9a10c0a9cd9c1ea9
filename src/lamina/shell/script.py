"""A shell script as values: statements, commands, words, and where each stands.  Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

Connector = Literal["&&", "||", ";", "&", ""]
"""What stands behind a statement; a new line is `;`, and nothing is behind the last."""
Around = Literal[
    "pipeline", "negation", "subshell", "group", "substitution", "if", "loop", "case", "function"
]
"""What a command can be part of."""


class Word(msgspec.Struct, frozen=True):
    """One word; places are offsets in the script's text."""

    text: str
    """As it is written."""
    start: int
    end: int
    value: str | None
    """What the command is given; None when that is known only as it runs: a variable, a
    pattern of file names, a tilde."""


class Redirect(msgspec.Struct, frozen=True):
    """`> file`, `2>&1`, `<<EOF`."""

    operator: str
    target: Word | None
    start: int
    end: int


class Command(msgspec.Struct, frozen=True):
    """A simple command: assignments, words, redirections."""

    words: tuple[Word, ...]
    """The first is its name; none when it only assigns."""
    assignments: tuple[str, ...]
    """Names of variables that are set in front of it, or by it alone."""
    redirects: tuple[Redirect, ...]
    around: tuple[Around, ...]
    """What it is part of, the outermost first."""
    start: int
    end: int

    @property
    def name(self) -> str:
        """The program without its directory; empty when it is not known."""
        if not self.words or self.words[0].value is None:
            return ""
        return self.words[0].value.rpartition("/")[2]

    @property
    def arguments(self) -> tuple[Word, ...]:
        """The words behind its name."""
        return self.words[1:]


class Statement(msgspec.Struct, frozen=True):
    """A command, pipeline or compound of the script's top row, and what stands behind it."""

    start: int
    end: int
    is_simple: bool
    """Whether it is one simple command, or a pipeline of such."""
    connector: Connector


class Script(msgspec.Struct, frozen=True):
    """A script that was read to its end."""

    text: str
    statements: tuple[Statement, ...]
    commands: tuple[Command, ...]
    """All of them, those within compounds and substitutions too, in the order of the text."""
    functions: frozenset[str]
    has_comment: bool
    has_heredoc: bool
    has_background: bool
    """Whether anything in it is left to run by itself (`&`)."""
    sets_by_expansion: bool
    """Whether expanding its words may set variables: `${a:=b}`, `$((a = 1))`."""

    @property
    def is_chain(self) -> bool:
        """Whether it is statements with `&&` between them, and nothing else."""
        return bool(self.statements) and all(
            each.connector == ("&&" if place < len(self.statements) - 1 else "")
            for place, each in enumerate(self.statements)
        )

    def named(self, *names: str) -> tuple[Command, ...]:
        """The commands of these names."""
        return tuple(each for each in self.commands if each.name in names)


class Unread(msgspec.Struct, frozen=True):
    """A script that is no shell, or more of it than is understood here."""

    offset: int
    """Where it was lost."""
