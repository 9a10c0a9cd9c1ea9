"""What a script's first line asks for: an interpreter, and the command that `env` finds.  Pure."""

from __future__ import annotations

import shlex

import msgspec

LONGEST = 256
"""Bytes of a first line that Linux reads (BINPRM_BUF_SIZE)."""


class Shebang(msgspec.Struct, frozen=True):
    """A first line, `#!/usr/bin/env -S python3 -u`."""

    interpreter: str
    """The program that the kernel starts, as written."""
    command: str = ""
    """The command that `env` looks for along PATH; empty where there is no env."""

    @property
    def words(self) -> tuple[str, ...]:
        """The programs in it, as written."""
        return (self.interpreter, self.command) if self.command else (self.interpreter,)


def read_shebang(head: bytes) -> Shebang | None:
    """What the first bytes of a file ask for; None for what has no such line (execve(2)).

    `env`'s options and its settings of variables are passed over; with `-S` the rest of the
    line is split as env(1) of coreutils does.
    """
    if head[:2] != b"#!":
        return None
    line = head[2:LONGEST].split(b"\n", 1)[0].strip(b" \t\r")
    if not line or b"\0" in line:
        return None
    program, _, rest = line.replace(b"\t", b" ").decode("utf-8", "surrogateescape").partition(" ")
    command = _command(rest.strip()) if program.rpartition("/")[2] == "env" else ""
    return Shebang(program, command)


def _command(argument: str) -> str:
    """What env starts, told the one argument that the kernel makes of the rest of the line."""
    for option in ("-S", "--split-string=", "-vS", "-iS"):
        if argument.startswith(option):
            return _first(_split(argument.removeprefix(option)))
    # Without -S all of it is one word for env; people write `env python3 -u` all the same,
    # and what they want is python3.
    return _first(argument.split())


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote without an end
        return text.split()


def _first(words: list[str]) -> str:
    """The first word that is neither an option nor a setting."""
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ("-u", "-C", "--unset", "--chdir"):
            skip = True
        elif not word.startswith("-") and "=" not in word:
            return word
    return ""
