"""Containers on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import DirContainers
from lamina.store.errors import NameTaken
from lamina.store.trash import delete_tree
from tests.contract.container_store import ContainerStoreContract
from tests.fakes.images import make_record


class TestDirContainers(ContainerStoreContract):
    @pytest.fixture
    def containers(self, tmp_path: Path) -> DirContainers:
        return DirContainers(tmp_path)

    def test_a_damaged_record_is_skipped_and_told(
        self, containers: DirContainers, tmp_path: Path
    ) -> None:
        place = containers.create(make_record("a", number=1))
        containers.create(make_record("b", number=2))
        record = place / "record.json"
        record.write_bytes(record.read_bytes().replace(b'"a"', b'"c"'))
        assert [each.name for each in containers] == ["b"]
        assert containers.damaged() == [place.name]

    def test_one_of_many_gets_the_name(self, containers: DirContainers) -> None:
        def create(number: int) -> bool:
            try:
                containers.create(make_record("same", number=number))
            except NameTaken:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(create, range(1, 25))) == 1
        assert len(list(containers)) == 1

    def test_concurrent_updates_are_all_kept(self, containers: DirContainers) -> None:
        record = make_record("a")
        containers.create(record)

        def update(number: int) -> None:
            containers.update(record.id, **{f"{'exit_status' if number else 'pid'}": number + 1})

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(update, (0, 1)))
        assert (containers.find("a").pid, containers.find("a").exit_status) == (1, 2)

    def test_a_container_that_is_finished_while_it_is_looked_at_is_not_lost(
        self, tmp_path: Path
    ) -> None:
        class Slow(DirContainers):
            """Between reading records and looking at processes their containers end."""

            def records(self) -> Iterator[ContainerRecord]:
                before = list(super().records())
                for record in before:
                    self.update(record.id, status="exited", exit_status=3, pid=0)
                return iter(before)

        containers = Slow(tmp_path)
        containers.create(record := make_record("a"))
        containers.update(record.id, status="running", pid=1 << 30, pid_started=1)
        assert [each.exit_status for each in containers] == [3]

    def test_sweep_takes_what_a_crash_left(self, containers: DirContainers, tmp_path: Path) -> None:
        place = containers.create(make_record("a"))
        (place / ".tmp-dead").write_bytes(b"x" * 5000)
        for name in (".new-" + "0" * 64, ".gone-" + "1" * 64):
            (tmp_path / name / "upper").mkdir(parents=True)
            (tmp_path / name / "upper" / "file").write_bytes(b"x" * 5000)
        assert containers.sweep() >= 15000
        assert sorted(each.name for each in tmp_path.iterdir()) == [place.name]
        assert containers.find("a") == make_record("a")


def test_delete_tree_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"x")
    place = tmp_path / "place"
    place.mkdir()
    (place / "link").symlink_to(outside)
    os.mkfifo(place / "fifo")
    delete_tree(place)
    assert (outside / "file").exists()
    assert not place.exists()
    place.symlink_to(outside)
    with pytest.raises(OSError, match="directory"):
        delete_tree(place)
    assert (outside / "file").exists()


def test_delete_tree_of_a_tree_deeper_than_a_path_may_be(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    fd = os.open(place, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 20, dir_fd=fd)
        inner = os.open("d" * 20, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    delete_tree(place)
    assert not place.exists()


def test_delete_tree_counts_a_file_with_two_names_once(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "sub").mkdir(parents=True)
    (place / "a").write_bytes(b"x" * 100_000)
    os.link(place / "a", place / "sub" / "b")
    os.link(place / "a", tmp_path / "kept")
    assert delete_tree(place) < 100_000
    (place / "sub").mkdir(parents=True)
    os.link(tmp_path / "kept", place / "a")
    os.link(tmp_path / "kept", place / "sub" / "b")
    (tmp_path / "kept").unlink()
    assert 100_000 <= delete_tree(place) < 200_000
    assert delete_tree(place) == 0
