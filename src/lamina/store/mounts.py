"""Layers in image form as mounts: each mounted once, when it is first needed, for every process.

A mount lies at `<directory>/<store>/<hex>`, outside of the store, where a reboot takes mount
and name alike.  `<store>` tells stores apart, and its file `root` says whose the mounts are.
No process keeps books: a mount is there or it is not, and it is in use while somebody holds
its root open (the kernel says EBUSY then) or an overlay lies over it (whose own hold on the
file system outlives the mount).
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from lamina.linux import mounts, syscall
from lamina.oci.digest import Digest
from lamina.sha256 import sha256
from lamina.store.form import EROFS, TAR
from lamina.store.place import run_directory

_ROOT = "root"
_LOCK = "lock"
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LayerMounts:
    """The mounts of the layers of one store."""

    def __init__(self, root: Path, *, directory: Path | None = None) -> None:
        self._root = root
        self._all = directory or run_directory(root)

    def place(self, diff_id: Digest) -> Path:
        """Where the layer is mounted, or would be."""
        return self._directory / diff_id.hex

    def hold(self, diff_id: Digest, layer: Path, *, directio: bool) -> int:
        """The root of the layer's mount, open (O_PATH): while it is, nobody unmounts it.

        `layer` has the files `erofs` and `tar`.  Mounts them if they are not mounted.
        Raises OSError; the caller closes the descriptor.
        """
        fd = self._open_mounted(diff_id)
        if fd is not None:
            return fd
        with self._locked():
            fd = self._open_mounted(diff_id)
            return fd if fd is not None else self._mount(diff_id, layer, directio)

    def mounted(self) -> list[Digest]:
        """The layers that are mounted, in no order."""
        return [Digest(f"sha256:{place.name}") for place in self._mount_points()]

    def sweep(self) -> None:
        """Unmount what nobody uses, also what stores that are gone have left."""
        for directory in self._stores():
            try:
                with self._locked(directory):
                    for place in self._mount_points(directory):
                        _unmount(place)
                    if not _is_alive(directory):
                        _forget(directory)
            except FileNotFoundError:
                continue  # another sweep was faster

    def drop(self, diff_id: Digest) -> None:
        """Unmount a layer that is going away, whoever uses it: they keep what they have."""
        if self.place(diff_id).exists():
            with self._locked():
                _unmount(self.place(diff_id), even_busy=True)

    # mounting

    @cached_property
    def _directory(self) -> Path:
        return self._all / _name_of(self._root)

    @cached_property
    def _prefix(self) -> str:
        """What `place` begins with, as text: a start opens the mount of each layer."""
        return f"{self._directory}/"

    @cached_property
    def _device(self) -> int:
        """The file system that the mount points are on."""
        return os.stat(self._directory).st_dev

    def _open_mounted(self, diff_id: Digest) -> int | None:
        try:
            fd = os.open(f"{self._prefix}{diff_id.hex}", _DIRECTORY)
        except FileNotFoundError:
            return None
        # First opened, then looked at: what is held cannot be unmounted any more.
        if os.fstat(fd).st_dev != self._device:
            return fd
        os.close(fd)
        return None

    def _mount(self, diff_id: Digest, layer: Path, directio: bool) -> int:
        place = self.place(diff_id)
        place.mkdir(mode=0o700, exist_ok=True)
        mount = open_layer(layer, directio=directio)
        try:
            target = os.open(place, _DIRECTORY)
            try:
                syscall.move_mount(mount, target)
            finally:
                os.close(target)
            return os.open(place, _DIRECTORY)
        finally:
            os.close(mount)

    @contextmanager
    def _locked(self, directory: Path | None = None) -> Iterator[None]:
        """Alone with the mounts of a store; its directory is made when none is given."""
        place = directory or self._made()
        fd = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _made(self) -> Path:
        directory = self._directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (directory / _ROOT).exists():
            (directory / _ROOT).write_bytes(os.fsencode(self._root.resolve()))
        return directory

    def _stores(self) -> list[Path]:
        if os.geteuid() != 0:
            return []
        try:
            names = sorted(os.listdir(self._all))
        except FileNotFoundError:
            return []
        places = [self._all / name for name in names]
        return [place for place in places if place.is_dir()]  # networks have a file there, too

    def _mount_points(self, directory: Path | None = None) -> Iterator[Path]:
        base = directory or self._directory
        try:
            names = os.listdir(base)
        except FileNotFoundError:
            return
        for name in sorted(names):
            if name not in (_ROOT, _LOCK) and os.path.ismount(base / name):
                yield base / name


def open_layer(layer: Path, *, directio: bool) -> int:
    """A mount of a layer's image, attached nowhere yet.  Raises OSError; the caller closes it."""
    image = os.open(layer / EROFS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.open(layer / TAR, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return mounts.open_erofs(image, data, directio=directio)
        finally:
            os.close(data)
    finally:
        os.close(image)


def _name_of(root: Path) -> str:
    """A name for a store that another one, made at the same path later, does not get."""
    try:
        status = os.stat(root / "oci-layout")  # written once, when the store is made
    except FileNotFoundError:
        status = os.stat(root)  # a damaged store is still cleaned up
    text = f"{os.path.realpath(root)}\0{status.st_dev} {status.st_ino} {status.st_mtime_ns}"
    return sha256(os.fsencode(text)).hex()[:16]


def _is_alive(directory: Path) -> bool:
    """Whether the store whose mounts these are is still there."""
    try:
        return _name_of(Path(os.fsdecode((directory / _ROOT).read_bytes()))) == directory.name
    except (FileNotFoundError, NotADirectoryError):
        return False


def _unmount(place: Path, *, even_busy: bool = False) -> None:
    try:
        syscall.umount2(str(place), syscall.UMOUNT_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.EBUSY and not even_busy:
            return
        if error.errno == errno.EBUSY:
            syscall.umount2(str(place), syscall.UMOUNT_NOFOLLOW | syscall.MNT_DETACH)
        elif error.errno not in (errno.EINVAL, errno.EPERM):
            # It is no mount point, which who may not unmount is not told.
            raise
    os.rmdir(place)


def _forget(directory: Path) -> None:
    """Remove the directory of a store that is gone, if it has no mounts any more."""
    names = set(os.listdir(directory)) - {_ROOT, _LOCK}
    if any(os.path.ismount(directory / name) for name in names):
        return
    for name in names:
        os.rmdir(directory / name)
    for name in (_ROOT, _LOCK):
        (directory / name).unlink(missing_ok=True)
    os.rmdir(directory)
