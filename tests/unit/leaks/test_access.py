"""Who may read a file inside a container."""

from __future__ import annotations

import pytest

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Union
from lamina.leaks.access import User, may_read, plain_users
from lamina.oci.digest import Digest
from tests.fakes.stacks import stack_of_files

NOBODY = User(-1, frozenset())
APP = User(1000, frozenset({1000, 7}))


def directory(path: str, mode: int, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, Kind.DIRECTORY, mode, uid, gid, 0, 0)


def file(path: str, mode: int, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, Kind.FILE, mode, uid, gid, 1, 0)


@pytest.mark.parametrize(
    ("entries", "users", "readable"),
    [
        ([file("a/f", 0o644)], {NOBODY}, True),
        ([file("a/f", 0o600)], {NOBODY, APP}, False),
        ([file("a/f", 0o600, 1000)], {NOBODY}, True),
        ([file("a/f", 0o200, 1000)], {APP}, False),
        ([file("a/f", 0o640, 0, 7)], {NOBODY}, False),
        ([file("a/f", 0o640, 0, 7)], {NOBODY, APP}, True),
        ([file("a/f", 0o604, 0, 7)], {APP}, False),
        ([directory("a", 0o700), file("a/f", 0o644)], {NOBODY, APP}, False),
        ([directory("a", 0o711), file("a/f", 0o644)], {NOBODY}, True),
        ([directory("a", 0o700, 1000), file("a/f", 0o644)], {NOBODY}, False),
        ([directory("a", 0o700, 1000), file("a/f", 0o644)], {APP}, True),
        ([directory("", 0o700), file("a/f", 0o644)], {APP}, False),
        ([directory("a/f", 0o755)], {APP}, False),
    ],
)
def test_the_bits_decide(entries: list[Entry], users: set[User], readable: bool) -> None:
    assert may_read(Union.of([Listing(Digest.of(b""), entries, 0)]), "a/f", users) is readable


def test_users_are_read_from_the_image() -> None:
    stack = stack_of_files(
        [
            {
                "etc/passwd": b"root:x:0:0::/:\napp:x:1000:1000::\nbroken\nx:x:y:z::\n\xff:x:5:5\n",
                "etc/group": b"root:x:0:\nlogs:x:7:other,app\nbroken\nbad:x:no:app\n",
            }
        ]
    )
    assert plain_users(stack) == {NOBODY, APP, User(5, frozenset({5}))}


def test_without_users_there_still_is_nobody() -> None:
    assert plain_users(stack_of_files([{"a": b"1"}])) == {NOBODY}
