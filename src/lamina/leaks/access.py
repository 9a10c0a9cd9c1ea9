"""Who may read a file inside a container: by the permission bits, as the kernel checks them.  Pure.

Root may read everything and is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lamina.explain.stack import Stack
from lamina.layer.entry import Entry
from lamina.layer.union import Union

_NOBODY = -1
_MOST_BYTES = 1_000_000


class User(msgspec.Struct, frozen=True):
    """A user and all groups that it is in."""

    uid: int
    gids: frozenset[int]


def plain_users(stack: Stack) -> set[User]:
    """The users other than root in the image's /etc/passwd and /etc/group, and one that is in
    neither and owns nothing."""
    groups: dict[str, set[int]] = {}
    for fields in _lines(stack, "etc/group"):
        if len(fields) >= 4 and fields[2].isdecimal():
            for member in fields[3].split(","):
                groups.setdefault(member, set()).add(int(fields[2]))
    users = {User(_NOBODY, frozenset())}
    for fields in _lines(stack, "etc/passwd"):
        if len(fields) >= 4 and fields[2].isdecimal() and fields[3].isdecimal() and int(fields[2]):
            gids = groups.get(fields[0], set()) | {int(fields[3])}
            users.add(User(int(fields[2]), frozenset(gids)))
    return users


def _lines(stack: Stack, path: str) -> Iterator[list[str]]:
    found = stack.union.content(stack.union.resolve(path))
    if found is not None and found.entry.size <= _MOST_BYTES:
        for line in (stack.read(path) or b"").decode("utf-8", "replace").splitlines():
            yield line.split(":")


def may_read(union: Union, path: str, users: set[User]) -> bool:
    """Whether any of the users, or the file's owner unless it is root, can read the file at a
    clean path: it, and every directory above."""
    found = union.content(path)
    if found is None:
        return False
    file = found.entry
    parts = path.split("/")
    above = [union.get("/".join(parts[:depth])) for depth in range(len(parts))]
    directories = [each.entry for each in above if each is not None]
    owner = {User(file.uid, frozenset({file.gid}))} if file.uid else set()
    return any(
        _may(file, user, 0o4) and all(_may(each, user, 0o1) for each in directories)
        for user in users | owner
    )


def _may(entry: Entry, user: User, bit: int) -> bool:
    if user.uid == entry.uid:
        return bool(entry.mode >> 6 & bit)
    return bool((entry.mode >> 3 if entry.gid in user.gids else entry.mode) & bit)
