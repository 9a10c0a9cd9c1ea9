"""Cache mounts on their way: everything in them arrives, and a hostile archive writes nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

import pytest

from lamina.cache.mount_moves import (
    MEDIA_TYPE,
    NoCacheMounts,
    choose,
    export_mounts,
    import_mounts,
)
from lamina.cache.mounts import CacheMount, CacheMounts
from lamina.errors import EngineError, Invalid
from lamina.oci import mediatype
from lamina.oci.document import encode
from lamina.oci.manifest import Manifest
from lamina.transfer.progress import Silent
from tests.fakes.archives import Member, archive, device, file, folder, hardlink, symlink
from tests.fakes.transfer import MemoryPlace
from tests.rights import needs_rights
from tests.unit.transfer.material import put

pytestmark = needs_rights
NOW = "2026-01-02T03:04:05Z"
PIP = "/root/.cache/pip"


@pytest.fixture
def here(tmp_path: Path) -> CacheMounts:
    (tmp_path / "here").mkdir()
    return CacheMounts(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> CacheMounts:
    (tmp_path / "there" / "builds").mkdir(parents=True)
    return CacheMounts(tmp_path / "there")


def fill(mounts: CacheMounts, identity: str = PIP, **more: int) -> Path:
    with mounts.use(identity, now=NOW, **more) as place:  # type: ignore[arg-type]
        (place / "d").mkdir(exist_ok=True)
        (place / "d" / "f").write_text(identity)
        return place


def exported(mounts: CacheMounts, *ids: str) -> MemoryPlace:
    place = MemoryPlace()
    chosen = choose(mounts, ids)
    export_mounts(mounts, chosen, place, tag="v1", progress=Silent(), waiting=lambda mount: None)
    return place


class Failures(dict[str, EngineError]):
    """What went wrong, by id."""


def imported(
    place: MemoryPlace,
    mounts: CacheMounts,
    ids: Collection[str] = (),
    failures: Failures | None = None,
) -> list[str]:
    directory = mounts.directory.parent / "builds" / os.urandom(4).hex()
    directory.mkdir(parents=True)
    problems = failures if failures is not None else Failures()
    done = import_mounts(
        place,
        mounts,
        directory,
        ids=ids,
        now=NOW,
        progress=Silent(),
        failed=problems.__setitem__,
    )
    if failures is None:
        assert problems == {}
    return done


def only(mounts: CacheMounts) -> CacheMount:
    (found,) = mounts
    return found


def test_everything_in_it_arrives(here: CacheMounts, there: CacheMounts) -> None:
    place = fill(here, mode=0o700)
    (place / "empty").mkdir(0o750)
    (place / "link").symlink_to("/outside")
    os.link(place / "d" / "f", place / "again")
    os.setxattr(place / "d" / "f", "user.note", b"kept")
    (place / "d" / "f").chmod(0o640)
    if os.geteuid() == 0:
        os.chown(place / "d" / "f", 1234, 99)
    os.utime(place / "d" / "f", ns=(5, 1_700_000_000_123_456_789))
    os.utime(place / "d", ns=(5, 1_600_000_000_000_000_001))
    os.mknod(place / "s", stat.S_IFSOCK | 0o600)  # has no place in a tar, nor a meaning elsewhere
    assert imported(exported(here), there) == [PIP]
    found = only(there)
    new = found.path
    assert {path.relative_to(new).as_posix() for path in new.rglob("*")} == {
        "again",
        "d",
        "d/f",
        "empty",
        "link",
    }
    before, after = (place / "d" / "f").stat(), (new / "d" / "f").stat()
    kept = ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_size", "st_nlink")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert os.getxattr(new / "d" / "f", "user.note") == b"kept"
    assert (new / "again").samefile(new / "d" / "f")
    assert os.readlink(new / "link") == "/outside"
    assert (new / "d").stat().st_mtime_ns == 1_600_000_000_000_000_001
    assert (found.mode, new.stat().st_mode & 0o7777) == (0o700, 0o700)


def test_it_takes_the_place_of_what_is_there(here: CacheMounts, there: CacheMounts) -> None:
    fill(here)
    (fill(there) / "old").write_text("gone after it")
    fill(there, "/other")
    imported(exported(here), there)
    by_id = {mount.id: mount for mount in there}
    assert set(by_id) == {PIP, "/other"}
    assert sorted(os.listdir(by_id[PIP].path)) == ["d"]
    assert list((there.directory.parent / "builds").iterdir()) != []
    assert all(not list(each.iterdir()) for each in (there.directory.parent / "builds").iterdir())


def test_one_that_is_in_use_stays(here: CacheMounts, there: CacheMounts) -> None:
    fill(here)
    fill(here, "/other")
    failures = Failures()
    with there.use(PIP, now=NOW) as place:
        (place / "mine").write_text("x")
        assert imported(exported(here), there, failures=failures) == ["/other"]
        assert (place / "mine").exists()
    assert "in use" in str(failures[PIP])


def test_some_of_them(here: CacheMounts, there: CacheMounts) -> None:
    for identity in ("a", "b", "c"):
        fill(here, identity)
    place = exported(here, "a", "b")
    assert imported(place, there, ["b"]) == ["b"]
    assert [mount.id for mount in there] == ["b"]
    with pytest.raises(NoCacheMounts, match="no cache mount c in it"):
        imported(place, there, ["c"])
    with pytest.raises(NoCacheMounts, match="no cache mount d"):
        choose(here, ["d"])


def test_there_is_none(here: CacheMounts) -> None:
    with pytest.raises(NoCacheMounts):
        choose(here, [])


def test_one_id_with_several_owners_is_several(here: CacheMounts, there: CacheMounts) -> None:
    fill(here, mode=0o755)
    fill(here, mode=0o700)
    imported(exported(here), there)
    assert sorted(mount.mode for mount in there) == [0o700, 0o755]


def test_a_second_private_one_is_left_out(here: CacheMounts) -> None:
    with here.use(PIP, "private", now=NOW), here.use(PIP, "private", now=NOW):
        pass
    assert len(list(here)) == 2
    assert len(choose(here, [])) == 1


def hostile(*members: Member, mount: dict[str, object] | None = None) -> MemoryPlace:
    place = MemoryPlace()
    known_by = {"id": "x", "base": "", "mode": 0o755, "uid": 0, "gid": 0, **(mount or {})}
    config = put(place, encode({"mounts": [known_by]}), MEDIA_TYPE)
    layer = put(place, archive(*members), mediatype.OCI_LAYER)
    manifest = Manifest.build(config, [layer])
    place.put_document(manifest.descriptor, manifest.raw, tag="v1")
    return place


@pytest.mark.parametrize(
    "members",
    [
        (file("../escape", b"x"),),
        (file("/escape", b"x"), symlink("out", "/"), file("out/escape", b"x")),
        (symlink("out", "../.."), file("out/escape", b"x")),
        (hardlink("passwd", "/etc/passwd"),),
        (hardlink("passwd", "../../../../etc/passwd"),),
        (device("disk", 8, 0, block=True),),
        (folder("d"), file("d/.wh.x", b"")),
    ],
)
def test_a_hostile_archive_brings_nothing(
    there: CacheMounts, tmp_path: Path, members: tuple[Member, ...]
) -> None:
    failures = Failures()
    assert imported(hostile(*members), there, failures=failures) == []
    assert isinstance(failures["x"], Invalid)
    assert list(there) == []
    assert not list(tmp_path.rglob("escape"))
    assert not Path("/escape").exists()


@pytest.mark.parametrize("change", [{"mode": -1}, {"mode": 0o10000}, {"uid": -1}, {"gid": 1 << 40}])
def test_impossible_owners_and_modes(there: CacheMounts, change: dict[str, object]) -> None:
    with pytest.raises(Invalid, match="impossible"):
        imported(hostile(mount=change), there)


def test_a_damaged_blob_leaves_the_old_one(here: CacheMounts, there: CacheMounts) -> None:
    fill(here)
    (fill(there) / "old").write_text("x")
    place = exported(here)
    manifest = Manifest.parse(place.document(place.resolve()))
    digest = manifest.layers[0].digest
    place.blobs[digest] = place.blobs[digest][:-1] + b"\0"
    failures = Failures()
    assert imported(place, there, failures=failures) == []
    assert set(failures) == {PIP}
    assert (only(there).path / "old").exists()


def test_what_is_something_else(there: CacheMounts) -> None:
    place = MemoryPlace()
    manifest = Manifest.build(put(place, b"{}", mediatype.OCI_CONFIG), [])
    place.put_document(manifest.descriptor, manifest.raw, tag="v1")
    with pytest.raises(NoCacheMounts, match="no export of cache mounts"):
        imported(place, there)
