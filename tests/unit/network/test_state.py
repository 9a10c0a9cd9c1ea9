"""Networks and members on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.network.state import (
    DamagedNetwork,
    Member,
    Network,
    State,
    Subnet,
    boot_id,
    is_alive,
    started,
    token,
)

NETWORK = Network(
    "a" * 64, "lan", "2026-01-01T00:00:00Z", "lm-a", (Subnet("10.0.0.0/24", "10.0.0.1"),)
)
MEMBER = Member("c" * 64, "web", "web", os.getpid(), started(os.getpid()), boot_id())


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


def test_what_is_kept_is_read(state: State) -> None:
    with state.lock():
        state.keep_network(NETWORK)
        state.keep_member(MEMBER)
    assert state.networks() == [NETWORK]
    assert state.members() == [MEMBER]
    assert state.member(MEMBER.container) == MEMBER
    state.drop_member(MEMBER.container)
    state.drop_member(MEMBER.container)
    assert state.member(MEMBER.container) is None


def test_a_store_without_networks_has_none(state: State) -> None:
    assert state.networks() == []
    assert state.members() == []


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b'{"checksum":"' + b"0" * 64 + b'"}'])
def test_a_damaged_network_is_told_and_a_damaged_member_is_nobodys(
    state: State, damage: bytes
) -> None:
    with state.lock():
        state.keep_network(NETWORK)
        state.keep_member(MEMBER)
    (state.member_directory / f"{MEMBER.container}.json").write_bytes(damage)
    assert state.members() == []
    state.sweep()
    assert list(state.member_directory.iterdir()) == []
    (state.directory / f"{NETWORK.id}.json").write_bytes(damage)
    with pytest.raises(DamagedNetwork):
        state.networks()


def test_a_directory_in_the_place_of_a_file_is_damage_as_well(state: State) -> None:
    (state.member_directory / f"{MEMBER.container}.json" / "inside").mkdir(parents=True)
    assert state.members() == []
    assert state.member(MEMBER.container) is None
    state.sweep()
    assert list(state.member_directory.iterdir()) == []
    (state.directory / f"{NETWORK.id}.json").mkdir()
    with pytest.raises(DamagedNetwork):
        state.networks()


def test_who_lives() -> None:
    boot = boot_id()
    assert is_alive(MEMBER, boot)
    assert not is_alive(MEMBER, "another boot")
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    dead = Member("d", "d", "d", child, MEMBER.pid_started, boot)
    assert started(child) == 0, "it has ended, though nobody has waited for it"
    assert not is_alive(dead, boot)
    os.waitpid(child, 0)
    assert not is_alive(dead, boot)


def test_two_stores_have_two_tokens(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert token(one) == token(one)
    assert token(one) != token(other)
    assert len(token(one)) == 12
