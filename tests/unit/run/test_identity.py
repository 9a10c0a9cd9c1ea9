"""Docker's rules for users, on passwd and group files as images have them."""

from __future__ import annotations

import pytest

from lamina.run.identity import BadUser, UnknownUser, lookup
from lamina.run.spec import Identity

PASSWD = b"""\
# a comment
root:x:0:0:root:/root:/bin/sh
bob:x:1000:1001:Bob:/home/bob:/bin/sh
7:x:70:71::/seven:/bin/sh
nohome:x:5:5::
broken:x:notanumber:1::/:
short:x
\xff\xfe:x:9:9::/odd:
"""
GROUP = b"root:x:0:\nbob:x:1001:\nwheel:x:10:root,bob\naudio:x:20:bob\n1001:x:77:\nbad:x:y:bob\n"


@pytest.mark.parametrize(
    ("user", "identity", "home"),
    [
        ("", Identity(0, 0, (0, 10)), "/root"),
        ("root", Identity(0, 0, (0, 10)), "/root"),
        ("bob", Identity(1000, 1001, (10, 20, 1001)), "/home/bob"),
        ("1000", Identity(1000, 1001, (10, 20, 1001)), "/home/bob"),
        ("bob:wheel", Identity(1000, 10, (10,)), "/home/bob"),
        ("bob:4", Identity(1000, 4, (4,)), "/home/bob"),
        ("4242", Identity(4242, 0, (0,)), "/"),
        ("4242:99", Identity(4242, 99, (99,)), "/"),
        (":wheel", Identity(0, 10, (10,)), "/root"),
        ("7", Identity(70, 71, (71,)), "/seven"),  # a name wins over a number
        ("0:1001", Identity(0, 77, (77,)), "/root"),
        ("nohome", Identity(5, 5, (5,)), "/"),
        ("2147483647", Identity(2147483647, 0, (0,)), "/"),
    ],
)
def test_lookup(user: str, identity: Identity, home: str) -> None:
    assert lookup(user, PASSWD, GROUP) == (identity, home)


def test_without_files_numbers_still_work() -> None:
    assert lookup("", b"", b"") == (Identity(0, 0, (0,)), "/")
    assert lookup("12:34", b"", b"") == (Identity(12, 34, (34,)), "/")


@pytest.mark.parametrize("user", ["carol", "broken", "short", "carol:wheel", "-1", "１２"])
def test_unknown_users_are_named(user: str) -> None:
    with pytest.raises(UnknownUser, match=user.partition(":")[0]):
        lookup(user, PASSWD, GROUP)


def test_unknown_groups_are_named() -> None:
    with pytest.raises(
        UnknownUser, match="unable to find group bad: no matching entries in group file"
    ):
        lookup("bob:bad", PASSWD, GROUP)


@pytest.mark.parametrize("user", ["bob:", "2147483648", "1:4294967295"])
def test_bad_users(user: str) -> None:
    with pytest.raises(BadUser):
        lookup(user, PASSWD, GROUP)
