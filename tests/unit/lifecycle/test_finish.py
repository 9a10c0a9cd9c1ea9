"""What is left of containers whose watchers are gone."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lamina.lifecycle.finish import finish, finish_lost
from lamina.lifecycle.remove import remove
from lamina.lifecycle.stop import wait
from lamina.linux.processes import started
from lamina.network.state import State
from lamina.store.container_contract import End
from lamina.store.containers import END, DirContainers
from lamina.store.contract import Store
from lamina.store.prune import Scope, prune
from lamina.store.root import open_store
from tests.fakes.images import make_record

NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(tmp_path)
    store.containers.create(make_record("a"))
    return store


def lost(store: Store) -> tuple[str, int]:
    identity = store.containers.find("a").id
    finish_lost(store, identity, lambda: NOW)
    record = next(iter(store.containers.records()))
    return record.status, record.exit_status


def test_an_end_that_was_noted_is_told(store: Store) -> None:
    identity = store.containers.find("a").id
    store.containers.update(identity, status="running", pid=1 << 30, pid_started=1)
    note = msgspec.json.encode(End(3, NOW))
    (store.containers.directory(identity) / END).write_bytes(note)
    assert lost(store) == ("exited", 3)


def test_an_end_that_nobody_saw_is_255(store: Store) -> None:
    identity = store.containers.find("a").id
    store.containers.update(identity, status="running", pid=1 << 30, pid_started=1)
    assert lost(store) == ("exited", 255)


def test_what_another_finished_stays_as_it_is(store: Store) -> None:
    # Its note is gone by then: taken for lost, the container would have ended with 255.
    store.containers.update(store.containers.find("a").id, status="exited", exit_status=3)
    assert lost(store) == ("exited", 3)


def test_an_end_is_told_though_something_cannot_be_taken_away(store: Store) -> None:
    identity = store.containers.find("a").id
    store.containers.update(identity, status="running", pid=1 << 30, pid_started=1)
    (store.containers.directory(identity) / END).write_bytes(msgspec.json.encode(End(3, NOW)))
    block_network(store, identity)
    finish(store, identity, lambda: NOW)
    record = store.containers.written(identity)
    assert (record.status, record.exit_status) == ("exited", 3)
    assert record.error.startswith("its network could not be taken away after its end: ")
    assert not (store.containers.directory(identity) / END).exists()


def test_an_end_is_told_though_the_container_cannot_be_removed(store: Store) -> None:
    class Held(DirContainers):
        def remove(self, identity: str, gone: Callable[[], None] | None = None) -> int:
            raise OSError(errno.EBUSY, "Device or resource busy")

    held = msgspec.structs.replace(store, containers=Held(store.root / "containers"))
    identity = store.containers.find("a").id
    remove = {"remove": True}
    store.containers.update(identity, status="running", pid=1 << 30, pid_started=1, settings=remove)
    (store.containers.directory(identity) / END).write_bytes(msgspec.json.encode(End(3, NOW)))
    finish(held, identity, lambda: NOW)
    record = store.containers.written(identity)
    assert (record.status, record.exit_status) == ("exited", 3)
    assert "it could not be taken away after its end: " in record.error
    assert "Device or resource busy" in record.error


def block_network(store: Store, identity: str) -> None:
    """A member of a network that cannot be looked at."""
    state = State(store.root)
    (state.member_directory / f"{identity}.json").mkdir(parents=True)


def test_a_container_that_is_gone_is_fine(store: Store) -> None:
    finish_lost(store, "f" * 64, lambda: NOW)


def about_to_be_finished(store: Store) -> int:
    """A container that has ended; its watcher, a child of ours, notes so a moment later."""
    identity = store.containers.find("a").id
    watcher = os.fork()
    if watcher == 0:
        time.sleep(0.1)
        finish(store, identity, lambda: NOW)
        os._exit(0)
    store.containers.update(
        identity,
        status="running",
        pid=1 << 30,
        pid_started=1,
        watcher=watcher,
        watcher_started=started(watcher),
    )
    note = msgspec.json.encode(End(3, NOW))
    (store.containers.directory(identity) / END).write_bytes(note)
    assert store.containers.find("a").status == "exited"
    return watcher


def test_a_container_is_removed_when_its_watcher_is_done_with_it(store: Store) -> None:
    # Who is removed earlier leaves groups that nobody knows of any more.
    watcher = about_to_be_finished(store)
    remove(store, store.containers.find("a"), lambda: NOW)
    assert [event.action for event in store.events.read()][-2:] == ["die", "destroy"]
    os.waitpid(watcher, 0)


def test_who_waits_for_the_end_waits_for_all_that_was_printed(store: Store) -> None:
    # Its watcher notes the end at once, and reads on what is in the pipes.
    watcher = about_to_be_finished(store)
    assert wait(store, store.containers.find("a")) == 3
    assert [record.status for record in store.containers.records()] == ["exited"]
    os.waitpid(watcher, 0)


def test_nobody_prunes_what_is_not_in_order_yet(store: Store) -> None:
    watcher = about_to_be_finished(store)
    prune(store, Scope(containers=True))
    assert [record.name for record in store.containers.records()] == ["a"]
    os.waitpid(watcher, 0)
    prune(store, Scope(containers=True))
    assert list(store.containers.records()) == []
