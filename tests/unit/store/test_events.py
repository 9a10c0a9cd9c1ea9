"""The journal of events: whole lines, rotation, following, never in the way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lamina.store.events import Event, Journal
from lamina.store.journal import NAME

NOW = "2026-01-01T00:00:00.000000000Z"


def ids(journal: Journal) -> list[str]:
    return [event.id for event in journal.read()]


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events")
    assert list(journal.read()) == []
    journal.append("container", "die", "c1", {"exitCode": "3"}, NOW)
    journal.append("image", "pull", "bb:latest", {}, NOW)
    first, second = journal.read()
    assert first == Event(NOW, "container", "die", "c1", {"exitCode": "3"})
    assert (second.kind, second.attributes) == ("image", {})


def test_a_full_journal_is_begun_anew_and_one_before_it_is_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, largest=300)
    for number in range(20):
        journal.append("volume", "create", f"{number:03}", {}, NOW)
    assert {path.name for path in tmp_path.iterdir()} == {NAME, f"{NAME}.1"}
    found = ids(journal)
    assert found == [f"{number:03}" for number in range(20)][-len(found) :]
    assert 3 < len(found) < 20


def test_appending_from_many_threads_keeps_every_line_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path)

    def work(name: str) -> None:
        for number in range(50):
            journal.append("container", "start", f"{name}{number}", {"x": "y" * 500}, NOW)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids(journal)) == sorted(f"{name}{n}" for name in "abcd" for n in range(50))


def test_a_broken_line_is_skipped(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("network", "create", "n1", {}, NOW)
    with (tmp_path / NAME).open("ab") as stream:
        stream.write(b"{half\n")
    journal.append("network", "create", "n2", {}, NOW)
    assert ids(journal) == ["n1", "n2"]


def test_following_goes_on_through_rotation(tmp_path: Path) -> None:
    journal = Journal(tmp_path, largest=300)
    turns = iter(range(20))

    def wait(_: float) -> bool:
        number = next(turns, None)
        if number is not None:
            journal.append("container", "start", f"{number:03}", {}, NOW)
        return number is not None

    journal.append("container", "start", "before", {}, NOW)
    assert [event.id for event in journal.follow(wait)] == [
        "before",
        *(f"{number:03}" for number in range(20)),
    ]


@pytest.mark.parametrize("there", ["a file", "nothing that can be made"])
def test_a_journal_that_cannot_be_written_stops_nobody(tmp_path: Path, there: str) -> None:
    place = tmp_path / "events"
    if there == "a file":
        place.write_text("")
    else:
        place = tmp_path / "no" / "such" / "place"
    journal = Journal(place)
    journal.append("container", "start", "c", {}, NOW)
    assert list(journal.read()) == []
