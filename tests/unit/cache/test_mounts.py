"""Cache mounts as directories with locks."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lamina.cache.mounts import CacheMount, CacheMountInUse, CacheMounts, Sharing
from tests.rights import needs_rights

pytestmark = needs_rights
NOW = "2026-01-01T00:00:00Z"
LATER = "2026-02-02T00:00:00Z"


class Enough(Exception):
    """The test has waited long enough."""


def enough() -> None:
    raise Enough


@pytest.fixture
def mounts(tmp_path: Path) -> CacheMounts:
    """Those of a store without any."""
    return CacheMounts(tmp_path)


def only(mounts: CacheMounts) -> CacheMount:
    (found,) = mounts
    return found


def test_there_are_none(mounts: CacheMounts) -> None:
    assert list(mounts) == []


def test_what_is_written_stays(mounts: CacheMounts) -> None:
    with mounts.use("/c", now=NOW, mode=0o1777, uid=3, gid=4) as place:
        (place / "f").write_text("x")
        status = place.stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o1777, 3, 4)
        assert only(mounts).in_use
    with mounts.use("/c", now=LATER, mode=0o1777, uid=3, gid=4) as place:
        assert (place / "f").read_text() == "x"
    found = only(mounts)
    assert (found.id, found.created, found.used, found.in_use) == ("/c", NOW, LATER, False)
    assert (found.mode, found.uid, found.gid) == (0o1777, 3, 4)


@pytest.mark.parametrize(
    "other", [{"id": "d"}, {"base": "sha256:1"}, {"mode": 0o700}, {"uid": 1}, {"gid": 1}]
)
def test_whoever_asks_for_something_else_gets_another(
    mounts: CacheMounts, other: dict[str, object]
) -> None:
    with mounts.use("c", now=NOW) as first:
        arguments = {"id": "c", "now": NOW, **other}
        with mounts.use(**arguments) as second:  # type: ignore[arg-type]
            assert first != second
    assert len(list(mounts)) == 2


def test_it_is_filled_once_and_wholly(mounts: CacheMounts) -> None:
    def fill(place: Path) -> None:
        (place / "f").write_text("x")

    def fail(place: Path) -> None:
        fill(place)
        raise Enough

    with pytest.raises(Enough), mounts.use("c", now=NOW, populate=fail):
        pass
    assert list(mounts) == []
    with mounts.use("c", now=NOW, populate=fill) as place:
        assert [each.name for each in place.iterdir()] == ["f"]
        (place / "f").unlink()
    with mounts.use("c", now=NOW, populate=fill) as place:
        assert list(place.iterdir()) == []


def test_shared_beside_shared(mounts: CacheMounts) -> None:
    with mounts.use("c", now=NOW) as one, mounts.use("c", now=NOW) as other:
        assert one == other


@pytest.mark.parametrize(
    ("first", "second"),
    [("locked", "locked"), ("locked", "shared"), ("shared", "locked"), ("private", "shared")],
)
def test_those_that_exclude_each_other_wait(
    mounts: CacheMounts, first: Sharing, second: Sharing
) -> None:
    with (
        mounts.use("c", first, now=NOW) as place,
        pytest.raises(Enough),
        mounts.use("c", second, now=NOW, waiting=enough),
    ):
        pass
    with mounts.use("c", second, now=NOW, waiting=enough) as again:
        assert again == place


def test_who_waits_gets_it_in_the_end(mounts: CacheMounts) -> None:
    waits = threading.Event()
    got: list[str] = []

    def other() -> None:
        with mounts.use("c", "locked", now=NOW, waiting=waits.set) as place:
            got.append((place / "f").read_text())

    thread = threading.Thread(target=other)
    with mounts.use("c", "locked", now=NOW) as place:
        thread.start()
        assert waits.wait(10)
        (place / "f").write_text("x")
        assert got == []
    thread.join()
    assert got == ["x"]


def test_private_takes_one_that_is_free(mounts: CacheMounts) -> None:
    with (
        mounts.use("c", "private", now=NOW) as one,
        mounts.use("c", "private", now=NOW) as other,
    ):
        assert one != other
    with mounts.use("c", "private", now=NOW) as again:
        assert again == one
    assert len(list(mounts)) == 2


def test_size_and_removal(mounts: CacheMounts) -> None:
    with mounts.use("c", now=NOW) as place:
        (place / "d").mkdir()
        (place / "d" / "f").write_bytes(bytes(100_000))
        (place / "d" / "g").hardlink_to(place / "d" / "f")
        with pytest.raises(CacheMountInUse, match="cache mount c is in use"):
            mounts.remove(only(mounts))
    found = only(mounts)
    size = mounts.size(found)
    assert 100_000 <= size < 130_000
    assert mounts.remove(found) >= size
    assert list(mounts) == []
    assert mounts.remove(found) == 0


def test_removed_while_somebody_waits(mounts: CacheMounts) -> None:
    with mounts.use("c", now=NOW) as place:
        (place / "old").write_text("")
    found = only(mounts)

    def removed() -> None:
        if not threads:
            threads.append(threading.Thread(target=release.set))
            threads[0].start()

    threads: list[threading.Thread] = []
    release = threading.Event()
    seen: list[list[str]] = []

    def other() -> None:
        with mounts.use("c", "locked", now=NOW, waiting=removed) as place:
            seen.append([each.name for each in place.iterdir()])

    with mounts.use("c", "locked", now=NOW):
        thread = threading.Thread(target=other)
        thread.start()
        assert release.wait(10)
        # What removal does, by the one who holds the lock.
        found.path.parent.rename(mounts.directory / "gone")
    thread.join()
    assert seen == [[]]
