"""The flags of COPY and ADD.  Pure."""

from __future__ import annotations

import msgspec

from lamina.dockerfile.ignore import Ignore
from lamina.dockerfile.instruction import Flag, Instruction
from lamina.dockerfile.source import DockerfileError
from lamina.dockerfile.wildcard import BadPattern
from lamina.plan.mode import BadMode, Mode
from lamina.plan.stage import Stage, unknown_flag

_COPY = ("from", "chown", "chmod", "link", "parents", "exclude")
_ADD = ("chown", "chmod", "link", "exclude", "keep-git-dir", "checksum", "unpack")
_SWITCHES = frozenset(("link", "parents", "keep-git-dir", "unpack"))
_EXPANDED = frozenset(("chown", "chmod", "checksum"))


class CopyFlags(msgspec.Struct, frozen=True):
    """What the flags of one instruction say."""

    given: dict[str, Flag]
    """Each flag by its name, for messages; the last one of those that may be repeated."""
    source: str = ""
    """`--from`."""
    owner: str = ""
    mode: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    keep_git_dir: bool | None = None
    checksum: str = ""
    unpack: bool | None = None
    """None: not said."""


def copy_flags(stage: Stage, line: Instruction) -> CopyFlags:
    """Read the flags of COPY or ADD.  Raises DockerfileError, pointing at the flag."""
    given: dict[str, Flag] = {}
    values: dict[str, str] = {}
    exclude: list[str] = []
    for flag in line.flags:
        known = _COPY if line.keyword == "COPY" else _ADD
        if flag.name not in known:
            raise unknown_flag(stage.source, line, flag, known)
        if flag.name in given and flag.name != "exclude":
            raise _error(stage, flag, f"--{flag.name} is given twice")
        given[flag.name] = flag
        if flag.name in _SWITCHES:
            values[flag.name] = _switch(stage, flag)
        elif flag.value is None:
            raise _error(stage, flag, f"--{flag.name} needs a value")
        elif flag.name == "exclude":
            exclude.append(_pattern(stage, flag, flag.value))
        else:
            expands = flag.name in _EXPANDED
            values[flag.name] = stage.expand(line, flag.value) if expands else flag.value
    found = CopyFlags(
        given,
        values.get("from", ""),
        values.get("chown", ""),
        values.get("chmod", ""),
        values.get("link") == "true",
        values.get("parents") == "true",
        tuple(exclude),
        _truth(values.get("keep-git-dir")),
        values.get("checksum", ""),
        _truth(values.get("unpack")),
    )
    _check(stage, found)
    return found


def _check(stage: Stage, flags: CopyFlags) -> None:
    if "$" in flags.source:
        raise _error(stage, flags.given["from"], "--from cannot have a variable")
    if flags.mode:
        try:
            Mode.parse(flags.mode)
        except BadMode as error:
            raise _error(stage, flags.given["chmod"], str(error), note=error.hint) from None
    if flags.link and not flags.mode and flags.owner and not _has_numbers(flags.owner):
        raise _error(
            stage,
            flags.given["chown"],
            f"with --link there is no /etc/passwd to find {flags.owner} in",
            note="give numbers, as in --chown=1000:1000",
        )


def _has_numbers(owner: str) -> bool:
    return all(part == "root" or (part.isascii() and part.isdigit()) for part in owner.split(":"))


def _switch(stage: Stage, flag: Flag) -> str:
    value = (flag.value or "true").lower()
    if value not in ("true", "false"):
        raise _error(stage, flag, f"--{flag.name} is true or false, not {flag.value}")
    return value


def _truth(value: str | None) -> bool | None:
    return None if value is None else value == "true"


def _pattern(stage: Stage, flag: Flag, pattern: str) -> str:
    try:
        Ignore.of([pattern])
    except BadPattern as error:
        raise _error(stage, flag, str(error)) from None
    return pattern


def _error(stage: Stage, flag: Flag, problem: str, *, note: str = "") -> DockerfileError:
    return DockerfileError(stage.source, flag.span, problem, note=note)
