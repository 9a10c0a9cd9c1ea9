"""Which ids a container with users of its own gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.errors import Conflict
from lamina.lifecycle.user_namespace import COUNT, NoIdsOfItsOwn, free_range, opened, starts
from lamina.linux.initial import is_initial
from lamina.run.settings import Settings
from lamina.run.spec import Namespaces, Process

STARTS = range(1_000_000, 1_000_000 + 3 * COUNT, COUNT)
FIRST, SECOND, THIRD = STARTS


def test_the_range_follows_from_the_container() -> None:
    assert free_range(STARTS, (), "00000000") == FIRST
    assert free_range(STARTS, (), "00000001ffff") == SECOND
    assert free_range(STARTS, (), "00000003") == FIRST


def test_the_next_one_when_somebody_has_it() -> None:
    assert free_range(STARTS, [(SECOND, COUNT)], "00000001") == THIRD
    assert free_range(STARTS, [(SECOND, COUNT), (THIRD, COUNT)], "00000001") == FIRST


def test_none_is_given_of_which_somebody_has_a_part() -> None:
    assert free_range(STARTS, [(SECOND - 1, 2)], "00000000") == THIRD
    assert free_range(STARTS, [(FIRST, 3 * COUNT)], "00000000") is None
    assert free_range((), (), "00000000") is None


def test_where_ranges_may_begin(tmp_path: Path) -> None:
    subuid = tmp_path / "subuid"
    assert starts(str(subuid)) == range(0x70000000, 0x7FFE0000, COUNT)
    subuid.write_text("alice:100000:65536\ncontainers:2147483647:2147483648\n")
    assert starts(str(subuid)) == range(0x70000000, 0x7FFE0000, COUNT)
    subuid.write_text(f"lamina:200000:{2 * COUNT + 1}\nlamina:900000:{COUNT - 1}\n")
    assert starts(str(subuid)) == [200000, 200000 + COUNT]
    subuid.write_text("lamina:200000:1000\n")
    assert starts(str(subuid)) == []


def test_root_has_no_container_of_an_ordinary_users_with_all_ids_of_the_host() -> None:
    settings = Settings(Process(("true",), ()), namespaces=Namespaces(user="private"))
    if is_initial():
        with pytest.raises(NoIdsOfItsOwn):
            opened(settings, "private")


def test_the_users_around_it_are_nothing_of_its_own() -> None:
    settings = Settings(Process(("true",), ()), namespaces=Namespaces(user="container:web"))
    assert opened(settings, f"/proc/{os.getpid()}/ns/user") is None
    with pytest.raises(Conflict, match="container web has just ended"):
        opened(settings, "/proc/4194305/ns/user")
