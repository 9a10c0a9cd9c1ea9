"""The names of users and groups, from the image's own files.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lamina.errors import EngineError
from lamina.explain.stack import Stack


class Owners(msgspec.Struct, frozen=True):
    """Names of users and groups by number."""

    users: Mapping[int, str]
    groups: Mapping[int, str]

    @classmethod
    def of(cls, stack: Stack) -> Owners:
        """What /etc/passwd and /etc/group say; nothing when they are missing or unreadable."""
        return cls(_names(stack, "etc/passwd"), _names(stack, "etc/group"))

    def user(self, uid: int) -> str:
        """A user's name, else the number."""
        return self.users.get(uid) or str(uid)

    def group(self, gid: int) -> str:
        """A group's name, else the number."""
        return self.groups.get(gid) or str(gid)


def _names(stack: Stack, path: str) -> dict[int, str]:
    """`name:x:number:…` lines; the first name of a number counts, as for getpwuid(3)."""
    try:
        raw = stack.read(path) or b""
    except EngineError:
        return {}
    names: dict[int, str] = {}
    for line in raw.decode("utf-8", "surrogateescape").splitlines():
        name, _, rest = line.partition(":")
        number = rest.split(":")[1:2]
        if name and number and number[0].isascii() and number[0].isdigit():
            names.setdefault(int(number[0]), name)
    return names
