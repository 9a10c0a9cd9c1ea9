"""What every `ContainerStore` keeps of its contract."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.store.container_contract import ContainerStore
from lamina.store.errors import AmbiguousName, ContainerNotFound, NameTaken
from tests.fakes.images import make_record


def start_of(pid: int) -> int:
    """Field 22 of /proc/PID/stat."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


class ContainerStoreContract:
    """Inherit, and give a fixture `containers`: an empty store."""

    def test_create_makes_the_directories(self, containers: ContainerStore) -> None:
        record = make_record("a")
        place = containers.create(record)
        assert place == containers.directory(record.id)
        assert {each.name for each in place.iterdir()} >= {"upper", "work", "merged"}
        assert (place / "upper").stat().st_mode & 0o7777 == 0o755
        assert containers.find("a") == record

    def test_find_by_name_id_and_prefix(self, containers: ContainerStore) -> None:
        first = make_record("first", number=0x10 << 240)
        second = make_record("second", number=0x11 << 240)
        containers.create(first)
        containers.create(second)
        assert containers.find("first") == containers.find("/first") == first
        assert containers.find(second.id) == second
        assert containers.find(second.id[:12]) == second
        with pytest.raises(AmbiguousName):
            containers.find("001")

    def test_a_name_wins_over_a_prefix(self, containers: ContainerStore) -> None:
        first = make_record("first", number=0xABC << 244)
        named = make_record(first.id[:3], number=5)
        containers.create(first)
        containers.create(named)
        assert containers.find(first.id[:3]) == named

    @pytest.mark.parametrize("text", ["", "nobody", "../..", "0" * 64])
    def test_unknown(self, containers: ContainerStore, text: str) -> None:
        containers.create(make_record("a"))
        with pytest.raises(ContainerNotFound):
            containers.find(text)
        for act in (containers.directory, containers.remove, containers.update):
            with pytest.raises(ContainerNotFound):
                act(text)

    def test_a_name_is_taken_once(self, containers: ContainerStore) -> None:
        containers.create(make_record("a", number=1))
        with pytest.raises(NameTaken) as caught:
            containers.create(make_record("a", number=2))
        assert "a belongs to container 000000000000" in str(caught.value)
        assert len(list(containers)) == 1
        containers.remove(f"{1:064x}")
        containers.create(make_record("a", number=2))

    def test_a_record_is_read_as_it_was_written(self, containers: ContainerStore) -> None:
        record = make_record("a", status="running", pid=1, pid_started=1)
        containers.create(record)
        assert containers.written(record.id) == record
        assert containers.find(record.id).status == "exited"
        for other in ("a", record.id[:12], "0" * 64):
            with pytest.raises(ContainerNotFound):
                containers.written(other)

    def test_update_changes_the_record(self, containers: ContainerStore) -> None:
        record = make_record("a")
        containers.create(record)
        changed = containers.update(record.id, exit_status=3, status="exited")
        assert (changed.exit_status, changed.status, changed.name) == (3, "exited", "a")
        assert containers.find("a") == changed

    def test_running_is_believed_while_the_process_lives(self, containers: ContainerStore) -> None:
        record = make_record("a")
        containers.create(record)
        me = os.getpid()
        containers.update(record.id, status="running", pid=me, pid_started=start_of(me))
        assert containers.find("a").status == "running"
        assert [each.status for each in containers] == ["running"]

    @pytest.mark.parametrize("pid", [1 << 30, os.getpid()], ids=["nobody", "reused"])
    def test_running_without_its_process_is_exited(
        self, containers: ContainerStore, pid: int
    ) -> None:
        record = make_record("a")
        containers.create(record)
        containers.update(record.id, status="running", pid=pid, pid_started=1)
        assert containers.find("a").status == "exited"
        assert containers.find("a").exit_status == 255
        assert [each.status for each in containers] == ["exited"]

    def test_remove_deletes_everything(self, containers: ContainerStore) -> None:
        record = make_record("a")
        place = containers.create(record)
        (place / "upper" / "file").write_bytes(b"x" * 10000)
        assert containers.remove(record.id) >= 10000
        assert not place.exists()
        assert list(containers) == []
        with pytest.raises(ContainerNotFound):
            containers.find("a")

    def test_the_oldest_is_first(self, containers: ContainerStore) -> None:
        containers.create(make_record("new", number=1, created="2024-02-01T00:00:00Z"))
        containers.create(make_record("old", number=2, created="2024-01-01T00:00:00Z"))
        assert [each.name for each in containers] == ["old", "new"]

    def test_sweep_takes_no_container(self, containers: ContainerStore) -> None:
        containers.create(make_record("a"))
        assert containers.sweep() == 0
        assert containers.damaged() == []
        assert containers.find("a") == make_record("a")
