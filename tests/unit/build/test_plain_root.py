"""A command's changes to a plain copy, as a layer: laid out anew, the layers show what it left."""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.build.plain_root import PlainRoot
from lamina.copying.merged import Views
from lamina.layer.errors import BadLayer
from lamina.layer.whiteout import NAMED
from lamina.oci.digest import Digest
from lamina.store.root import open_store
from tests.rights import needs_rights

pytestmark = needs_rights
NOW = 1_700_000_000_000_000_000


class Copies:
    """A store, and one copy of a chain of layers in it that grows step by step."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.layers = open_store(place / "store").layers
        self.views = Views(self.layers)
        self.chain: tuple[Digest, ...] = ()
        self.count = 0
        self.root = self.new()

    def new(self) -> PlainRoot:
        """Another copy of the chain as it is now."""
        self.count += 1
        directory = self.place / f"copy-{self.count}"
        directory.mkdir()
        root = PlainRoot(directory)
        root.bring(self.chain, self.views.of(self.chain))
        return root

    @property
    def tree(self) -> Path:
        return self.root.directory

    def step(self, change: Callable[[Path], object]) -> list[str]:
        """Let a command change the copy; the paths of the layer that this makes."""
        change(self.tree)
        upper = self.place / "upper"
        upper.mkdir()
        self.root.put_changes(upper, NOW)
        info = self.layers.snapshot(upper, whiteouts=NAMED)
        shutil.rmtree(upper)
        self.chain += (info.diff_id,)
        self.root.accept(self.chain, self.views.of(self.chain))
        return [entry.path for entry in self.layers.listing(info.diff_id).entries]


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    found = Copies(tmp_path)

    def base(root: Path) -> None:
        for name in ("a/b/c", "a/d", "e", "f/g", "f/h/i"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
        os.link(root / "e", root / "f" / "e2")
        (root / "l").symlink_to("a/d")

    found.step(base)
    return found


def contents(root: Path) -> dict[str, tuple[object, ...]]:
    """All that can be seen of a tree, and which names are one file."""
    found: dict[str, tuple[object, ...]] = {}
    names: dict[int, str] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        name = str(path.relative_to(root))
        found[name] = (
            kind,
            stat.S_IMODE(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_mtime_ns // 10**9,
            path.read_bytes() if kind == stat.S_IFREG else b"",
            os.readlink(path) if kind == stat.S_IFLNK else "",
            names.setdefault(status.st_ino, name) if kind != stat.S_IFDIR else "",
        )
    return found


def test_what_is_as_it_was_is_in_no_layer(copies: Copies) -> None:
    def touch(root: Path) -> None:
        before = (root / "e").stat()
        (root / "e").chmod(0o600)
        (root / "e").chmod(0o644)
        (root / "a/d").write_text("a/d")
        for name in ("e", "a/d"):
            os.utime(root / name, ns=(before.st_mtime_ns, before.st_mtime_ns))

    times = {(copies.tree / name).stat().st_mtime_ns for name in ("e", "a/d")}
    assert len(times) == 1
    assert copies.step(touch) == []


def test_a_directory_made_anew_hides_what_was_in_the_old_one(copies: Copies) -> None:
    def anew(root: Path) -> None:
        shutil.rmtree(root / "f")
        (root / "f").mkdir()
        (root / "f/new").touch()

    assert copies.step(anew) == ["f", "f/.wh..wh..opq", "f/new"]
    assert contents(copies.new().directory) == contents(copies.tree)


def test_what_is_deleted_is_told_once(copies: Copies) -> None:
    assert copies.step(lambda root: shutil.rmtree(root / "a")) == [".wh.a"]
    assert contents(copies.new().directory) == contents(copies.tree)


def test_a_new_name_brings_the_others(copies: Copies) -> None:
    paths = copies.step(lambda root: os.link(root / "e", root / "a" / "e3"))
    assert paths == ["a", "a/e3", "e", "f", "f/e2"]
    assert contents(copies.new().directory) == contents(copies.tree)


def test_a_name_that_goes_takes_no_other_along(copies: Copies) -> None:
    assert copies.step(lambda root: (root / "f/e2").unlink()) == ["f", "f/.wh.e2"]


def test_sockets_are_left_out(copies: Copies) -> None:
    import socket

    def listen(root: Path) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(root / "a" / "s"))

    assert "a/s" not in copies.step(listen)
    assert not (copies.tree / "a/s").exists()


def test_a_name_that_means_a_deletion_is_refused(copies: Copies) -> None:
    with pytest.raises(BadLayer, match="means a deletion"):
        copies.step(lambda root: (root / ".wh.x").touch())


def test_another_chain_is_laid_over(copies: Copies) -> None:
    def to_file(root: Path) -> None:
        shutil.rmtree(root / "f")
        (root / "f").write_text("file")

    def to_directory(root: Path) -> None:
        (root / "f").unlink()
        (root / "f").mkdir(mode=0o700)

    other = copies.new()
    copies.step(to_file)
    copies.step(to_directory)
    other.bring(copies.chain, copies.views.of(copies.chain))
    assert contents(other.directory) == contents(copies.tree)


class Hand:
    """Does something at random to a tree."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def __call__(self, root: Path) -> None:
        for _ in range(self.chance.randint(1, 12)):
            try:
                self.chance.choice(self.acts)(self, root)
            except OSError:
                continue  # a directory into itself, a name that is taken

    def some(self, root: Path) -> Path:
        found = sorted(root.rglob("*"))
        return self.chance.choice(found) if found else root / "first"

    def new(self, root: Path) -> Path:
        place = self.some(root)
        directory = place if place.is_dir() and not place.is_symlink() else place.parent
        return directory / self.chance.choice("abcdefghij")

    def write(self, root: Path) -> None:
        place = self.new(root)
        if not os.path.lexists(place) or (place.is_file() and not place.is_symlink()):
            place.write_text(str(self.chance.random()))

    def append(self, root: Path) -> None:
        place = self.some(root)
        if place.is_file() and not place.is_symlink():
            with place.open("a") as file:
                file.write("+")

    def make(self, root: Path) -> None:
        self.new(root).mkdir()

    def delete(self, root: Path) -> None:
        place = self.some(root)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()

    def move(self, root: Path) -> None:
        self.some(root).rename(self.new(root))

    def link(self, root: Path) -> None:
        os.link(self.some(root), self.new(root), follow_symlinks=False)

    def point(self, root: Path) -> None:
        self.new(root).symlink_to(self.chance.choice(["..", "/a", "nowhere"]))

    def own(self, root: Path) -> None:
        os.chown(self.some(root), self.chance.randint(0, 2), 0, follow_symlinks=False)

    def mode(self, root: Path) -> None:
        place = self.some(root)
        if not place.is_symlink():
            place.chmod(self.chance.choice([0o644, 0o4755, 0o600, 0o1777]))

    def pipe(self, root: Path) -> None:
        os.mkfifo(self.new(root))

    acts = (write, write, append, make, delete, move, move, link, point, own, mode, pipe)


@pytest.mark.parametrize("seed", range(25))
def test_layers_show_what_commands_left(tmp_path: Path, seed: int) -> None:
    copies = Copies(tmp_path)
    hand = Hand(seed)
    behind = copies.new()
    for number in range(5):
        copies.step(hand)
        assert contents(copies.new().directory) == contents(copies.tree)
        if number == 2:
            behind.bring(copies.chain, copies.views.of(copies.chain))
    behind.bring(copies.chain, copies.views.of(copies.chain))
    assert contents(behind.directory) == contents(copies.tree)
