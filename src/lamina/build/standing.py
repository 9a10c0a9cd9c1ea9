"""Where one command stands while it runs, and the layer that is made of what it changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from lamina.build.plain_root import PlainRoot
from lamina.build.workshop import Workshop
from lamina.errors import Unsupported
from lamina.layer.contract import LayerInfo
from lamina.layer.whiteout import NAMED, Whiteouts, here
from lamina.linux.syscall import MNT_DETACH, umount2
from lamina.oci.digest import Digest
from lamina.run.launch import Running, start
from lamina.run.spec import ContainerSpec, Overlay, Streams

if TYPE_CHECKING:
    from lamina.run.isolation import Way

Start: TypeAlias = Callable[[Streams], Running]
Output: TypeAlias = Callable[[bytes], None]


class NoFuse(Unsupported):
    """The program that makes an overlay did not make one."""


class Standing(Protocol):
    """A root file system for one command."""

    @property
    def rootfs(self) -> Overlay:
        """What a container's specification says of it."""
        ...

    def ready(self, spec: ContainerSpec, output: Output) -> AbstractContextManager[Start]:
        """Everything in its place for the length of a block; what starts the command.

        `output` hears what the command prints past its streams, maybe in another thread.
        """
        ...

    def layer(self, look: Callable[[Path], None]) -> LayerInfo:
        """The layer of what the command changed; `look` is shown its upper directory first."""
        ...


@contextmanager
def standing(shop: Workshop, place: Path, chain: Sequence[Digest]) -> Iterator[Standing]:
    """Stand on the layers of `chain`, the lowest first; `place` is the step's own directory.

    Raises NoWay, LayerNotFound, NotMounted.
    """
    if shop.ground.is_mountable(chain):
        from lamina.run.lowers import lowers

        with lowers(shop.store.layers, chain) as below:
            yield _OnLayers(shop, place, below, chain)
        return
    way = shop.ground.way
    with shop.ground.copy(chain) as root:
        if way.layers == "copies":
            yield _OnCopy(shop, place, root, way)
        elif way.layers == "fuse":
            yield _OverFuse(shop, place, root, way)
        else:
            with _upper_elsewhere(place, way) as upper:
                yield _OverCopy(shop, root, upper)


class _OnLayers:
    """A kernel's overlay over the layers themselves: the upper directory becomes the layer."""

    def __init__(
        self, shop: Workshop, place: Path, below: tuple[Path, ...], chain: Sequence[Digest]
    ) -> None:
        self._shop = shop
        self._place = place
        self._chain = chain
        self.rootfs = Overlay(below, place / "upper", place / "work", volatile=True)

    @contextmanager
    def ready(self, spec: ContainerSpec, output: Output) -> Iterator[Start]:
        yield partial(start, spec)

    def layer(self, look: Callable[[Path], None]) -> LayerInfo:
        look(self._place / "upper")
        if self._shop.epoch is not None:
            from lamina.copying.least import drop_unchanged

            view, marks = self._shop.views.of(self._chain), self._shop.store.layers.whiteouts
            drop_unchanged(self._place / "upper", view, marks)
        return self._shop.adopt(self._place)


class _OverCopy:
    """A kernel's overlay over a copy of the layers, with its upper directory elsewhere."""

    def __init__(self, shop: Workshop, root: PlainRoot, place: Path) -> None:
        self._shop = shop
        self._root = root
        self._upper = place / "upper"
        self.rootfs = Overlay((root.directory,), self._upper, place / "work", volatile=True)

    @contextmanager
    def ready(self, spec: ContainerSpec, output: Output) -> Iterator[Start]:
        yield partial(start, spec)

    def layer(self, look: Callable[[Path], None]) -> LayerInfo:
        look(self._upper)
        return _stored(self._shop, self._upper, here(os.geteuid()), self._root)


class _OnCopy:
    """A copy of the layers, in which the command works in place."""

    def __init__(self, shop: Workshop, place: Path, root: PlainRoot, way: Way) -> None:
        self._shop = shop
        self._place = place
        self._root = root
        self._way = way
        self.rootfs = Overlay((), place / "upper", place / "work", whole=root.directory)

    @contextmanager
    def ready(self, spec: ContainerSpec, output: Output) -> Iterator[Start]:
        scratch = self._place / "scratch"
        scratch.mkdir(mode=0o700)
        if self._way.isolation == "chroot":
            from lamina.run import chrooted

            with chrooted.furnished(self._root.directory, spec, scratch, output):
                yield partial(chrooted.start, self._root.directory, spec)
            return
        with _pointed(self._root, spec, scratch):
            yield partial(start, spec)

    def layer(self, look: Callable[[Path], None]) -> LayerInfo:
        upper = self._place / "upper"
        self._root.put_changes(upper, self._shop.now)
        look(upper)
        info = _stored(self._shop, upper, NAMED)
        shutil.rmtree(upper)
        chain = (*self._root.chain, info.diff_id)
        self._root.accept(chain, self._shop.views.of(chain))
        return info


class _OverFuse:
    """fuse-overlayfs over a copy of the layers."""

    def __init__(self, shop: Workshop, place: Path, root: PlainRoot, way: Way) -> None:
        self._shop = shop
        self._place = place
        self._root = root
        self._program = way.place
        self._merged = place / "fuse"
        self._merged.mkdir(mode=0o755)
        self.rootfs = Overlay((), place / "upper", place / "work", whole=self._merged)

    @contextmanager
    def ready(self, spec: ContainerSpec, output: Output) -> Iterator[Start]:
        scratch = self._place / "scratch"
        scratch.mkdir(mode=0o700)
        with _pointed(self._root, spec, scratch):
            self._mount()
            try:
                yield partial(start, spec)
            finally:
                umount2(str(self._merged), MNT_DETACH)

    def _mount(self) -> None:
        upper, work = self.rootfs.upper, self.rootfs.work
        options = f"lowerdir={self._root.directory},upperdir={upper},workdir={work}"
        done = subprocess.run(
            [str(self._program), "-o", options, str(self._merged)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise NoFuse(f"fuse-overlayfs cannot mount: {said}")

    def layer(self, look: Callable[[Path], None]) -> LayerInfo:
        look(self.rootfs.upper)
        return _stored(self._shop, self.rootfs.upper, NAMED, self._root)


def _stored(
    shop: Workshop, upper: Path, whiteouts: Whiteouts, below: PlainRoot | None = None
) -> LayerInfo:
    """The layer of an upper directory, which stays; `below` is what it lies over, unless
    nothing in it is known to be as it was there."""
    if shop.epoch is not None and below is not None:
        from lamina.copying.least import drop_unchanged

        drop_unchanged(upper, shop.views.of(below.chain), whiteouts)
    shop.clamp(upper)
    return shop.store.layers.snapshot(upper, whiteouts=whiteouts)


@contextmanager
def _upper_elsewhere(place: Path, way: Way) -> Iterator[Path]:
    """An empty directory with `upper` and `work` where an overlay may have them."""
    directory = Path(tempfile.mkdtemp(prefix="lamina-", dir=way.place or place))
    try:
        for name in ("upper", "work"):
            (directory / name).mkdir(mode=0o755)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _pointed(root: PlainRoot, spec: ContainerSpec, scratch: Path) -> Iterator[None]:
    """The mount points that a copy lacks, there for the length of a block."""
    from lamina.run.furnish import Furnishing
    from lamina.run.layout import missing_mount_points

    furnishing = Furnishing(root.directory, scratch)
    try:
        for number, (target, directory) in enumerate(missing_mount_points(root.directory, spec)):
            place = scratch / f"point-{number}"
            place.mkdir() if directory else place.touch()
            place.chmod(0o755 if directory else 0o644)
            furnishing.put(place, target)
        furnishing.complete()
        yield
    finally:
        furnishing.clear()
