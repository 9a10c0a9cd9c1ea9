"""The file system of a container that does not run, with its volumes and binds in their places.

They are mounted in a mount namespace that this thread is in for the length of a block, so
that nobody else sees them and nothing is left of them, however the block ends.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lamina.linux import mounts, syscall
from lamina.linux.rooted import open_in
from lamina.run.spec import Mount
from lamina.run.stubs import make_stubs

_FLAGS = ("nodev", "nosuid", "noexec")


@contextmanager
def root_with_volumes(
    directory: Path, lowers: Sequence[str], binds: Sequence[Mount]
) -> Iterator[int]:
    """The root directory of the container in `directory`, as a descriptor.

    `lowers` are its layers, the topmost first; a bind whose source is gone is left out.
    Raises OSError.
    """
    with _own_mounts():
        root = _mount(directory, lowers, [each for each in binds if _is_there(each)])
        try:
            yield root
        finally:
            os.close(root)


@contextmanager
def _own_mounts() -> Iterator[None]:
    """A mount namespace of this thread's, left again at the end."""
    before = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscall.unshare(syscall.CLONE_NEWNS)
        try:
            syscall.mount("", "/", "", syscall.MS_REC | syscall.MS_PRIVATE)
            yield
        finally:
            syscall.setns(before, syscall.CLONE_NEWNS)
            os.fchdir(here)  # entering a mount namespace leads to its root
    finally:
        os.close(before)
        os.close(here)


def _is_there(bind: Mount) -> bool:
    return bind.source is not None and bind.source.exists()


def _mount(directory: Path, lowers: Sequence[str], binds: Sequence[Mount]) -> int:
    private = str(directory / "merged")
    place = os.open(private, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mounts.attach(mounts.new_filesystem("tmpfs", (("mode", "755"),)), place)
    os.close(place)
    merged, stubs = f"{private}/root", f"{private}/stubs"
    os.mkdir(merged)
    upper, work = str(directory / "upper"), str(directory / "work")
    mounts.mount_overlay(merged, [upper, *lowers, private], flags=("ro",))
    image = os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    syscall.umount2(merged, syscall.MNT_DETACH)
    try:
        made = make_stubs(image, [_target(each) for each in binds], stubs)
    finally:
        os.close(image)
    below = [stubs, *lowers] if made else [*lowers] or [merged]
    mounts.mount_overlay(merged, below, upper, work, flags=_FLAGS)
    root = os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for bind in sorted(binds, key=lambda each: each.target.count("/")):
            _bind(root, bind)
    except BaseException:
        os.close(root)
        raise
    return root


def _target(bind: Mount) -> tuple[str, bool]:
    return bind.target, os.path.isdir(_inside(bind))


def _inside(bind: Mount) -> str:
    return f"{bind.source}/{bind.subpath}" if bind.subpath else str(bind.source)


def _bind(root: int, bind: Mount) -> None:
    if bind.subpath:
        source = os.open(str(bind.source), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            inside = open_in(source, bind.subpath)
        finally:
            os.close(source)
        try:
            mount = mounts.clone(inside, "", recursive=bind.recursive)
        finally:
            os.close(inside)
    else:
        mount = mounts.clone(syscall.AT_FDCWD, str(bind.source), recursive=bind.recursive)
    is_directory = stat.S_ISDIR(os.fstat(mount).st_mode)
    try:
        mounts.restrict(mount, ("ro", *_FLAGS) if bind.read_only else _FLAGS, recursive=True)
        kind = os.O_DIRECTORY if is_directory else 0
        target = open_in(root, bind.target, os.O_PATH | kind)
    except BaseException:
        os.close(mount)
        raise
    try:
        mounts.attach(mount, target)
    finally:
        os.close(target)
