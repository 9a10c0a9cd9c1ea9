"""Layers in tree form: the contract, and what is particular to directories."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.layer.whiteout import here
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store import layers as layers_module
from lamina.store import tree_form
from lamina.store.contract import LayerStore
from lamina.store.errors import LayerDamaged
from lamina.store.layers import DirLayers
from lamina.store.trash import delete_tree
from tests.contract.layer_store import BIG, MARKED, PLAIN, LayerStoreContract
from tests.fakes.archives import Member, archive, cut, file, folder, hardlink, symlink
from tests.rights import needs_rights

pytestmark = needs_rights


def new_layers(root: Path) -> DirLayers:
    for name in ("layers", "objects"):
        (root / name).mkdir(parents=True)
    return DirLayers(root, form="tree")


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here, and the disk is everybody's."""
    monkeypatch.setattr(tree_form, "syncfs", lambda _: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def layers(root: Path) -> DirLayers:
    return new_layers(root)


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


class TestTreeForm(LayerStoreContract):
    @pytest.fixture
    def second(self, tmp_path: Path) -> LayerStore:
        return new_layers(tmp_path / "second")

    @pytest.fixture
    def new_upper(self, root: Path, layers: DirLayers) -> Callable[[], Path]:
        made = iter(range(100))

        def new() -> Path:
            upper = root / f"upper{next(made)}"
            upper.mkdir()
            return upper

        return new

    @pytest.fixture
    def residue(self, root: Path, layers: DirLayers) -> Callable[[], list[str]]:
        return lambda: tree(root)


# sharing


def inode(layers: DirLayers, diff_id: Digest, path: str) -> int:
    return (fs(layers, diff_id) / path).stat().st_ino


def fs(layers: DirLayers, diff_id: Digest) -> Path:
    return layers.directory(diff_id) / "fs"


def ingest(layers: DirLayers, tar: bytes) -> Digest:
    return layers.ingest(cut(tar, 1 << 16), expected=None).diff_id


def test_one_file_in_two_layers_is_one_inode(layers: DirLayers) -> None:
    same = [file("usr/small", b"small", xattr="x"), file("usr/large", BIG, mode=0o755)]
    first = ingest(layers, archive(*same, file("usr/a", b"a")))
    other = ingest(layers, archive(*same, file("usr/b", b"b")))
    for path in ("usr/small", "usr/large"):
        assert inode(layers, first, path) == inode(layers, other, path)
    assert layers.verify(first) == layers.verify(other) == []


def test_what_two_layers_share_is_freed_with_the_last(layers: DirLayers) -> None:
    first = ingest(layers, archive(file("usr/same", BIG), file("usr/one", b"1" * 9000)))
    other = ingest(layers, archive(file("usr/same", BIG), file("usr/two", b"2" * 9000)))
    assert layers.remove(first) < len(BIG) < layers.remove(other)


@pytest.mark.parametrize(
    "other",
    [
        file("usr/f", b"data."),
        file("usr/f", b"data", mode=0o600),
        file("usr/f", b"data", mtime=1),
        file("usr/f", b"data", xattr="x"),
        file("usr/g", b"data"),
        file("opt/f", b"data"),
    ],
)
def test_a_file_that_differs_in_anything_is_another_inode(layers: DirLayers, other: Member) -> None:
    first = ingest(layers, archive(file("usr/f", b"data")))
    second = ingest(layers, archive(other))
    assert inode(layers, first, "usr/f") != inode(layers, second, other.name)


@pytest.mark.parametrize("path", ["etc/crontab", "var/spool/cron/root", "usr/empty"])
def test_what_is_never_shared(layers: DirLayers, root: Path, path: str) -> None:
    content = b"" if path == "usr/empty" else b"data"
    first = ingest(layers, archive(file(path, content)))
    second = ingest(layers, archive(file(path, content), file("other")))
    assert inode(layers, first, path) != inode(layers, second, path)
    assert (fs(layers, first) / path).stat().st_nlink == 1
    assert os.listdir(root / "objects") == []


def test_an_inode_with_two_names_in_a_layer_is_in_no_other(layers: DirLayers) -> None:
    plain = ingest(layers, archive(file("usr/f", b"data")))
    linked = ingest(layers, archive(file("usr/f", b"data"), hardlink("usr/g", "usr/f")))
    again = ingest(layers, archive(file("usr/f", b"data"), file("usr/h")))
    assert inode(layers, linked, "usr/f") == inode(layers, linked, "usr/g")
    assert inode(layers, plain, "usr/f") == inode(layers, again, "usr/f")
    assert inode(layers, plain, "usr/f") != inode(layers, linked, "usr/f")
    assert (fs(layers, linked) / "usr/f").stat().st_nlink == 2
    assert layers.verify(linked) == []


def test_an_adopted_file_is_shared_both_ways(layers: DirLayers, root: Path) -> None:
    def adopt(name: str) -> Digest:
        upper = root / name
        (upper / "usr").mkdir(parents=True)
        (upper / "usr/f").write_bytes(b"data")
        (upper / "usr/f").chmod(0o644)
        (upper / name).touch()
        os.utime(upper / "usr/f", (1_700_000_000, 1_700_000_000))
        return layers.adopt(upper).diff_id

    first, second = adopt("one"), adopt("two")
    third = ingest(layers, archive(file("usr/f", b"data")))
    assert len({inode(layers, each, "usr/f") for each in (first, second, third)}) == 1
    assert layers.verify(first) == layers.verify(second) == []


def test_a_file_that_is_shared_already_is_taken_once(layers: DirLayers, root: Path) -> None:
    first = ingest(layers, archive(file("usr/f", b"data"), file("usr/g", b"more")))
    upper = root / "upper"
    (upper / "usr").mkdir(parents=True)
    for name in ("f", "g"):
        (upper / "usr" / name).hardlink_to(fs(layers, first) / "usr" / name)
    second = layers.adopt(upper).diff_id
    assert sorted(os.listdir(fs(layers, second) / "usr")) == ["f", "g"]
    assert layers.verify(second) == []


def test_a_known_file_that_lost_its_object_is_written(layers: DirLayers, root: Path) -> None:
    first = ingest(layers, archive(file("usr/f", b"data")))
    for name in os.listdir(root / "objects"):
        (root / "objects" / name).unlink()
    second = ingest(layers, archive(file("usr/f", b"data"), file("usr/g")))
    assert layers.verify(first) == layers.verify(second) == []


# crashes


@pytest.fixture
def abandoned(layers: DirLayers, root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a process leaves that is killed while it writes a layer."""
    with monkeypatch.context() as killed:
        killed.setattr(layers_module, "delete_tree", lambda _: 0)

        def stream() -> Iterator[bytes]:
            yield PLAIN[:-2048]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            layers.ingest(stream(), expected=None)
    return tree(root)


def test_a_dead_writers_leftover_is_no_layer_and_is_swept(
    layers: DirLayers, root: Path, abandoned: list[str]
) -> None:
    assert any("usr/bin/tool" in name for name in abandoned)
    assert list(layers) == []
    kept = ingest(layers, MARKED)
    assert layers.sweep() > len(BIG)
    assert tree(root) == sorted(name for name in tree(root) if ".tmp-" not in name)
    assert list(layers) == [kept]
    assert layers.sweep() == 0


def test_a_living_writers_directory_is_spared(layers: DirLayers) -> None:
    def stream() -> Iterator[bytes]:
        yield PLAIN[:3000]
        layers.sweep()
        yield PLAIN[3000:]
        layers.sweep()

    diff_id = layers.ingest(stream(), expected=None).diff_id
    assert layers.verify(diff_id) == []


def test_a_layer_under_removal_is_not_swept_from_under_the_remover(
    layers: DirLayers, monkeypatch: pytest.MonkeyPatch
) -> None:
    diff_id = ingest(layers, PLAIN)
    swept: list[int] = []

    def delete(path: Path) -> int:
        if not swept:
            swept.append(-1)
            swept.append(layers.sweep())
        return delete_tree(path)

    monkeypatch.setattr(layers_module, "delete_tree", delete)
    assert layers.remove(diff_id) > len(BIG)
    assert swept == [-1, 0]


def test_an_interrupted_removal_is_finished_by_sweep(
    layers: DirLayers, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(root)
    diff_id = ingest(layers, PLAIN)

    def delete(_: Path) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(layers_module, "delete_tree", delete)
        with pytest.raises(KeyboardInterrupt):
            layers.remove(diff_id)
    assert not layers.has(diff_id)
    assert list(layers) == []
    assert layers.sweep() > len(BIG)
    assert tree(root) == before


def test_writers_hold_their_lock_until_the_layer_has_its_name(
    layers: DirLayers, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renaming = os.rename
    held: list[bool] = []

    def rename(source: object, target: object) -> None:
        if ".tmp-" in str(source):
            fd = os.open(str(source), os.O_RDONLY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.append(False)
            except BlockingIOError:
                held.append(True)
            finally:
                os.close(fd)
        renaming(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "rename", rename)
    ingest(layers, MARKED)
    assert held == [True]


# damage


@pytest.fixture
def stored(layers: DirLayers) -> tuple[Path, Digest]:
    """A layer with something of everything, and where it lies."""
    diff_id = ingest(
        layers,
        archive(
            folder("./", mode=0o755),
            folder("usr"),
            file("usr/f", b"content", xattr="x"),
            file("usr/f2", b"replaced"),
            file("usr/f2", b"content2"),
            hardlink("usr/hard", "usr/f"),
            symlink("usr/soft", "f"),
            file("usr/.wh.gone"),
            folder("opaque"),
            file("opaque/.wh..wh..opq"),
            folder("plain"),
            file("implied/deep/f", b"1"),
        ),
    )
    assert layers.verify(diff_id) == []
    return fs(layers, diff_id), diff_id


def _utime(path: Path) -> None:
    os.utime(path, (1, 1), follow_symlinks=False)


def _same_time(path: Path, change: Callable[[], object]) -> None:
    """Make a change as a failing disk would: no timestamp tells of it."""
    status = path.lstat() if os.path.lexists(path) else None
    parent = path.parent.lstat()
    change()
    if status is not None and os.path.lexists(path):
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(path, ns=times, follow_symlinks=False)
    os.utime(path.parent, ns=(parent.st_atime_ns, parent.st_mtime_ns))


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "content": ("usr/f", lambda p: p.write_bytes(b"conTent")),
    "length": ("usr/f2", lambda p: p.write_bytes(b"content2 and more")),
    "mode": ("usr/f", lambda p: p.chmod(0o600)),
    "mode of a directory": ("usr", lambda p: p.chmod(0o700)),
    "time": ("usr/f", _utime),
    "time of a directory": ("plain", _utime),
    "time of a link": ("usr/soft", _utime),
    "attribute changed": ("usr/f", lambda p: os.setxattr(p, "user.note", b"y")),
    "attribute gone": ("usr/f", lambda p: os.removexattr(p, "user.note")),
    "attribute added": ("usr/f2", lambda p: os.setxattr(p, "user.more", b"y")),
    "link": ("usr/soft", lambda p: _replace(p, lambda q: os.symlink("g", q))),
    "hard link": ("usr/hard", lambda p: _replace(p, lambda q: q.write_bytes(b"content"))),
    "missing": ("usr/f2", Path.unlink),
    "missing directory": ("plain", Path.rmdir),
    "missing whiteout": ("usr/gone", Path.unlink),
    "whiteout now a file": ("usr/gone", lambda p: _replace(p, Path.touch)),
    "extra": ("usr/more", Path.touch),
    "extra directory": ("usr/more", Path.mkdir),
    "extra whiteout": ("plain/more", lambda p: here(0).delete(os.fsencode(p))),
    "no longer opaque": (
        "opaque",
        lambda p: os.removexattr(p, here(os.geteuid()).prefix + "opaque"),
    ),
    "opaque now": ("plain", lambda p: here(os.geteuid()).hide_lower(os.fsencode(p))),
    "an implied directory opaque": (
        "implied",
        lambda p: here(os.geteuid()).hide_lower(os.fsencode(p)),
    ),
    "an implied directory's mode": ("implied/deep", lambda p: p.chmod(0o700)),
    "the root's mode": ("", lambda p: p.chmod(0o700)),
    "another type": ("usr/f2", lambda p: _replace(p, os.mkfifo)),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_verify_names_what_is_damaged(
    layers: DirLayers, stored: tuple[Path, Digest], what: str
) -> None:
    fs, diff_id = stored
    path, change = DAMAGE[what]
    if "time" in what:
        change(fs / path)
    else:
        _same_time(fs / path, lambda: change(fs / path))
    problems = layers.verify(diff_id)
    assert any(repr(path) in problem or (not path and "root" in problem) for problem in problems)
    assert all(diff_id.short in problem for problem in problems)


@needs_rights
def test_verify_names_a_file_with_another_owner(
    layers: DirLayers, stored: tuple[Path, Digest]
) -> None:
    fs, diff_id = stored
    os.chown(fs / "usr/f", 5, 6)
    assert any("'usr/f'" in problem and "5:6" in problem for problem in layers.verify(diff_id))


@pytest.mark.parametrize("name", ["listing", "headers", "layer.json", "extra", "compressed.json"])
def test_verify_sees_every_flipped_bit_of_its_own_files(
    layers: DirLayers, stored: tuple[Path, Digest], name: str
) -> None:
    fs, diff_id = stored
    layers.remember_compressed(diff_id, Descriptor("application/gzip", Digest.of(b"x"), 7))
    place = fs.parent / name
    raw = place.read_bytes()
    unseen = []
    for at in range(len(raw)):
        place.write_bytes(bytes([*raw[:at], raw[at] ^ 1 << at % 8, *raw[at + 1 :]]))
        if not layers.verify(diff_id):
            unseen.append(at)
    assert unseen == []


@pytest.mark.parametrize("name", ["listing", "headers", "layer.json", "extra", "compressed.json"])
@pytest.mark.parametrize("change", ["cut", "longer", "empty"])
def test_verify_sees_files_of_another_length(
    layers: DirLayers, stored: tuple[Path, Digest], name: str, change: str
) -> None:
    fs, diff_id = stored
    layers.remember_compressed(diff_id, Descriptor("application/gzip", Digest.of(b"x"), 7))
    place = fs.parent / name
    raw = place.read_bytes()
    place.write_bytes({"cut": raw[:-1], "longer": raw + b"\0", "empty": b""}[change])
    assert layers.verify(diff_id)


@pytest.mark.parametrize("name", ["listing", "headers", "layer.json", "extra", "fs"])
def test_verify_sees_a_missing_file(
    layers: DirLayers, stored: tuple[Path, Digest], name: str
) -> None:
    fs, diff_id = stored
    (fs.parent / name).rename(fs.parent.parent / ".tmp-elsewhere")
    problems = layers.verify(diff_id)
    assert problems
    assert all(diff_id.short in problem for problem in problems)


def test_a_damaged_layer_can_be_removed(layers: DirLayers, stored: tuple[Path, Digest]) -> None:
    fs, diff_id = stored
    (fs.parent / "listing").write_bytes(b"junk")
    assert layers.remove(diff_id) > 0
    assert list(layers) == []


def test_reading_a_file_that_changed_its_length_names_it(
    layers: DirLayers, stored: tuple[Path, Digest]
) -> None:
    fs, diff_id = stored
    for content in (b"", b"content and more"):
        (fs / "usr/f").write_bytes(content)
        with pytest.raises(LayerDamaged, match="'usr/f'"):
            list(layers.tar(diff_id))
    (fs / "usr/f").unlink()
    with pytest.raises(LayerDamaged, match="'usr/f'"):
        list(layers.tar(diff_id))
