"""The text of `RUN --mount=…` as a value: its options, and which kind of mount takes which.  Pure.

The text is one record of comma-separated values (RFC 4180), each `key=value` or a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeVar, get_args

import msgspec

from lamina.errors import Invalid
from lamina.plan.sizes import BadSize, size_in_bytes

_Name = TypeVar("_Name", bound=str)
MountKind = Literal["bind", "cache", "tmpfs", "secret", "ssh"]
Sharing = Literal["shared", "private", "locked"]
KINDS: tuple[MountKind, ...] = get_args(MountKind)
_SHARING: tuple[Sharing, ...] = get_args(Sharing)
_NAMES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "rw": "readwrite",
}
_KEYS = (
    *("type", "from", "source", "target", "readonly", "readwrite", "id", "sharing"),
    *("required", "size", "mode", "uid", "gid", "env"),
)
_WORDS = ("readonly", "readwrite", "required")
"""Keys that stand for true without a value."""
_ONLY: dict[str, tuple[MountKind, ...]] = {
    "sharing": ("cache",),
    "required": ("secret", "ssh"),
    "size": ("tmpfs",),
    **dict.fromkeys(("mode", "uid", "gid"), ("cache", "secret", "ssh")),
    "from": ("bind", "cache", "tmpfs", "ssh"),
    "source": ("bind", "cache", "tmpfs", "secret"),
}
"""Keys that not every kind of mount takes."""
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_OCTAL = re.compile(r"[0-7]+")
_LARGEST_ID = (1 << 32) - 1


class BadMountFlag(Invalid):
    """A `--mount` that breaks a rule; `fragment` is the part of it that does."""

    def __init__(self, fragment: str, problem: str, note: str = "") -> None:
        super().__init__(problem, hint=note)
        self.fragment = fragment


class MountFlag(msgspec.Struct, frozen=True):
    """The options as they were given; None and empty where they were not."""

    kind: MountKind = "bind"
    origin: str = ""
    """`from`: a stage, a named context or an image."""
    source: str = ""
    target: str = ""
    id: str = ""
    sharing: Sharing = "shared"
    read_only: bool = True
    required: bool = False
    size: int = 0
    """Bytes; 0 for no limit."""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str | None = None


def parse_mount(text: str, expand: Callable[[str], str]) -> MountFlag:
    """Read one `--mount`; `expand` replaces variables in values, but in that of `from`.

    Raises BadMountFlag, and what `expand` raises.
    """
    given: dict[str, _Option] = {}
    for key, field, value in _options(text):
        given.pop(key, None)  # the last one counts, in its place
        given[key] = _Option(key, field, value, expand)
    kind = given["type"].one_of(KINDS) if "type" in given else "bind"
    _check(kind, given)
    flag = MountFlag(
        kind,
        origin=_text(given, "from"),
        source=_text(given, "source"),
        target=_text(given, "target"),
        id=_text(given, "id"),
        sharing=given["sharing"].one_of(_SHARING) if "sharing" in given else "shared",
        read_only=_read_only(kind, given),
        required="required" in given and given["required"].truth(),
        size=given["size"].size() if "size" in given else 0,
        mode=given["mode"].mode() if "mode" in given else None,
        uid=given["uid"].number() if "uid" in given else None,
        gid=given["gid"].number() if "gid" in given else None,
        env=given["env"].value if "env" in given else None,
    )
    if kind == "secret":
        _check_secret(text, flag)
    return flag


def _text(given: Mapping[str, _Option], key: str) -> str:
    return given[key].value if key in given else ""


def _check(kind: MountKind, given: Mapping[str, _Option]) -> None:
    for key, option in given.items():
        kinds = _ONLY.get(key, KINDS)
        if kind not in kinds:
            raise BadMountFlag(
                option.field,
                f"a mount of type {kind} has no {key}",
                f"{key} is for {', '.join(kinds)}",
            )


def _check_secret(text: str, flag: MountFlag) -> None:
    if not (flag.source or flag.target or flag.id):
        raise BadMountFlag(text, "a secret mount needs an id or a target", "id=NAME")
    if flag.source and flag.id:
        raise BadMountFlag(text, "a secret mount has an id or a source, not both")
    if flag.env == "":
        raise BadMountFlag("env", "env needs the name of a variable", "env=NAME")


def _read_only(kind: MountKind, given: Mapping[str, _Option]) -> bool:
    """Who says it last is right; without a word, caches and tmpfs can be written."""
    found = kind not in ("cache", "tmpfs")
    for key, option in given.items():
        if key in ("readonly", "readwrite"):
            found = option.truth() == (key == "readonly")
    return found


class _Option:
    """One `key=value` of the text."""

    def __init__(self, key: str, field: str, value: str | None, expand: Callable[[str], str]):
        self.key = key
        self.field = field
        self.value = self._value(value, expand)

    def _value(self, value: str | None, expand: Callable[[str], str]) -> str:
        if value is None:
            if self.key not in _WORDS:
                raise BadMountFlag(self.field, f"{self.field} needs a value", f"{self.field}=…")
            return "true"
        if self.key != "from":
            return expand(value)
        if re.search(r"\$.", value):
            note = "give the image a name with FROM … AS, and use that"
            raise BadMountFlag(self.field, "from cannot have a variable", note)
        return value

    def one_of(self, known: tuple[_Name, ...]) -> _Name:
        import difflib

        for each in known:
            if self.value.lower() == each:
                return each
        near = difflib.get_close_matches(self.value.lower(), known, 1)
        note = f"did you mean {near[0]}?" if near else ", ".join(known)
        raise BadMountFlag(self.field, f"no {self.key} of mounts is called {self.value}", note)

    def truth(self) -> bool:
        if self.value in _TRUE:
            return True
        if self.value in _FALSE:
            return False
        raise BadMountFlag(self.field, f"{self.key} is true or false, not {self.value}")

    def mode(self) -> int:
        if not _OCTAL.fullmatch(self.value) or int(self.value, 8) > _LARGEST_ID:
            raise BadMountFlag(self.field, f"not a mode: {self.value}", "octal digits: 0400")
        return int(self.value, 8)

    def number(self) -> int:
        if not self.value.isascii() or not self.value.isdigit() or int(self.value) > _LARGEST_ID:
            raise BadMountFlag(self.field, f"not a {self.key}: {self.value}", "a number")
        return int(self.value)

    def size(self) -> int:
        try:
            return size_in_bytes(self.value)
        except BadSize as error:
            raise BadMountFlag(self.field, str(error), error.hint) from None


def _options(text: str) -> Iterator[tuple[str, str, str | None]]:
    """(key, the field it stands in, value)."""
    import difflib

    for field in _fields(text):
        word, equals, value = field.partition("=")
        key = _NAMES.get(word.lower(), word.lower())
        if key not in _KEYS:
            near = difflib.get_close_matches(key, (*_KEYS, *_NAMES), 1)
            note = f"did you mean {near[0]}?" if near else ""
            problem = f"mounts have no option {word}" if word else "an option of the mount is empty"
            raise BadMountFlag(field or text, problem, note)
        yield key, field, value if equals else None


def _fields(text: str) -> Iterator[str]:
    """The values of one record; one in quotes may have commas, and doubled quotes."""
    place = 0
    while place <= len(text):
        if text.startswith('"', place):
            found = re.compile(r'"((?:[^"]|"")*)"(?=,|$)').match(text, place)
            if found is None:
                raise BadMountFlag(text[place:], "a quote of the mount is not closed")
            yield found[1].replace('""', '"')
            place = found.end() + 1
            continue
        end = text.find(",", place)
        end = len(text) if end < 0 else end
        field = text[place:end]
        if '"' in field:
            raise BadMountFlag(
                field, "a quote stands inside an option of the mount", "quote all of it"
            )
        yield field
        place = end + 1
