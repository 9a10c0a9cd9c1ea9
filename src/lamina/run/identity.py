"""Who a process is: `USER` and `-u` looked up in the image's own files, as Docker does.  Pure."""

from __future__ import annotations

from lamina.errors import Invalid, NotFound
from lamina.run.process import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LARGEST = (1 << 31) - 1
"""Docker refuses larger ids, which some programs take for negative ones."""


class UnknownUser(NotFound):
    """The image has no such user or group."""


class BadUser(Invalid):
    """The text is not a user."""


def lookup(
    user: str, passwd: bytes, group: bytes, *, further: Sequence[str] = ()
) -> tuple[Identity, str]:
    """The ids that `user` stands for, and its home directory.

    `user` is empty, `name`, `uid`, `name:group`, `uid:gid` or any mix.  A number
    need not be in the files; a name must be.  Without a group, the primary group
    is the one in passwd (0 for a bare unknown uid), and every group that lists
    the user's name is a supplementary one, beside those of `further` (names or numbers)
    and the primary one itself.
    Home is `/` when passwd does not say.

    Raises UnknownUser, BadUser.
    """
    name_text, colon, group_text = user.partition(":")
    if colon and not group_text:
        raise BadUser(f"not a user: {user!r}", hint="write name, uid, name:group or uid:gid")
    name_text = name_text or "0"
    entry = _find_user(name_text, passwd)
    uid = entry[1] if entry else _number(name_text)
    if uid is None:
        raise UnknownUser(
            f"unable to find user {name_text}: no matching entries in passwd file",
            hint="give a number instead, which need not be listed there",
        )
    home = (entry[3] if entry else "") or "/"
    groups = {_checked(_find_group(text, group), text) for text in further}
    if group_text:
        gid = _find_group(group_text, group)
    else:
        gid = entry[2] if entry else 0
        groups |= set(_memberships(entry[0], group)) if entry else set()
    # The primary group is among them: a setgid program must not shed it, for a file may refuse
    # that very group what it gives to others (CVE-2022-36109).
    return Identity(_checked(uid, user), _checked(gid, user), tuple(sorted(groups | {gid}))), home


def _checked(number: int, user: str) -> int:
    if not 0 <= number <= _LARGEST:
        raise BadUser(f"not a user: {user!r}", hint=f"ids go from 0 to {_LARGEST}")
    return number


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _lines(raw: bytes, columns: int) -> Iterator[list[str]]:
    for line in raw.decode("utf-8", "surrogateescape").splitlines():
        fields = line.strip().split(":")
        if len(fields) >= columns and not line.startswith("#"):
            yield fields


def _find_user(text: str, passwd: bytes) -> tuple[str, int, int, str] | None:
    """Name, uid, gid, home: a name wins over a number, as in Docker."""
    by_number = None
    for fields in _lines(passwd, 4):
        uid, gid = _number(fields[2]), _number(fields[3])
        if uid is None or gid is None:
            continue
        found = (fields[0], uid, gid, fields[5] if len(fields) > 5 else "")
        if fields[0] == text:
            return found
        if by_number is None and uid == _number(text):
            by_number = found
    return by_number


def _find_group(text: str, group: bytes) -> int:
    for fields in _lines(group, 3):
        gid = _number(fields[2])
        if fields[0] == text and gid is not None:
            return gid
    gid = _number(text)
    if gid is None:
        raise UnknownUser(
            f"unable to find group {text}: no matching entries in group file",
            hint="give a number instead, which need not be listed there",
        )
    return gid


def _memberships(name: str, group: bytes) -> Iterator[int]:
    for fields in _lines(group, 4):
        gid = _number(fields[2])
        if gid is not None and name in fields[3].split(","):
            yield gid
