"""Mounts as descriptors: made detached, given their attributes, then put in their place.

A mount goes onto a descriptor (O_PATH), never onto a path that could be
renamed or linked elsewhere between looking and mounting.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence

from lamina.errors import Unsupported
from lamina.linux import syscall
from lamina.linux.userns import is_initial

_FLAGS = {
    "ro": syscall.MOUNT_ATTR_RDONLY,
    "nosuid": syscall.MOUNT_ATTR_NOSUID,
    "nodev": syscall.MOUNT_ATTR_NODEV,
    "noexec": syscall.MOUNT_ATTR_NOEXEC,
}
_PAGE = 4096
_OVERLAY_OPTIONS = (
    # An upper directory must mean the same wherever it is read, whatever the kernel's defaults.
    ("index", "off"),
    ("metacopy", "off"),
    ("redirect_dir", "nofollow"),
    # On, it gives files of other file systems inode numbers over 2^63, which 32-bit programs
    # cannot stat and JavaScript takes for one another.  Off, `du -x` stays in the upper.
    ("xino", "off"),
)
_USER = "userxattr"
"""Marks as attributes that root of a user namespace may set, too (layer/whiteout.py)."""


class OwnersNotMapped(Unsupported):
    """The owners of files cannot be shown as others here."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"the files of {path} cannot be given to other users: no idmapped mount ({why})",
            hint="Linux 5.19 and later have them on ext4, XFS, Btrfs and EROFS; or leave out"
            " --userns",
        )


class TooManyLayers(Unsupported):
    """This kernel takes the names of all layers in one page, and they do not fit."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} layers are more than this kernel can mount at once",
            hint="Linux 6.8 and later take up to 500; squashing the image helps, too",
        )


def attributes(flags: Iterable[str]) -> int:
    """`ro`, `nosuid`, `nodev`, `noexec` as the kernel's bits."""
    return sum(_FLAGS[flag] for flag in set(flags))


def new_filesystem(
    fstype: str, options: Iterable[tuple[str, str]] = (), flags: Iterable[str] = ()
) -> int:
    """A new file system, mounted nowhere yet.  Raises OSError; the caller closes it."""
    context = syscall.fsopen(fstype)
    try:
        syscall.fsconfig(context, syscall.FSCONFIG_SET_STRING, "source", fstype)
        for key, value in options:
            syscall.fsconfig(context, syscall.FSCONFIG_SET_STRING, key, value)
        syscall.fsconfig(context, syscall.FSCONFIG_CMD_CREATE)
        return syscall.fsmount(context, attributes(flags))
    finally:
        os.close(context)


def open_erofs(image: int, data: int, *, directio: bool = False) -> int:
    """A read-only EROFS, mounted nowhere yet, from two open files: its metadata and its data.

    `image` lies on a file system that the kernel takes EROFS from (not overlayfs, not
    tmpfs).  Linux 6.12 and later; root only.  Raises OSError; the caller closes it.
    """
    context = syscall.fsopen("erofs")
    try:
        # By descriptor: the kernel takes names of at most 255 bytes, and nobody can swap them.
        syscall.fsconfig(context, syscall.FSCONFIG_SET_STRING, "source", f"/proc/self/fd/{image}")
        syscall.fsconfig(context, syscall.FSCONFIG_SET_STRING, "device", f"/proc/self/fd/{data}")
        if directio:
            syscall.fsconfig(context, syscall.FSCONFIG_SET_FLAG, "directio")
        syscall.fsconfig(context, syscall.FSCONFIG_CMD_CREATE)
        return syscall.fsmount(context, attributes(("ro",)))
    finally:
        os.close(context)


def clone(directory: int, path: str, *, flags: Iterable[str] = (), recursive: bool = True) -> int:
    """A copy of the mount at `path`, mounted nowhere yet: what a bind mount is made of.

    With an empty `path`, of what the descriptor `directory` is.
    """
    how = syscall.OPEN_TREE_CLONE | syscall.OPEN_TREE_CLOEXEC
    how |= syscall.AT_RECURSIVE if recursive else 0
    how |= 0 if path else syscall.AT_EMPTY_PATH
    fd = syscall.open_tree(directory, path, how)
    if bits := attributes(flags):
        try:
            syscall.mount_setattr(fd, set_flags=bits, recursive=recursive)
        except OSError:
            os.close(fd)
            raise
    return fd


def map_owners(mount: int, namespace: int, path: str) -> None:
    """Let a detached clone of the mount at `path` show each owner that a file has on disk as
    whom it stands for in an open user namespace.  Raises OwnersNotMapped."""
    try:
        syscall.mount_setattr(mount, set_flags=syscall.MOUNT_ATTR_IDMAP, userns=namespace)
    except OSError as error:
        raise OwnersNotMapped(path, os.strerror(error.errno or 0)) from None


_PROPAGATION = {
    "private": syscall.MS_PRIVATE,
    "slave": syscall.MS_SLAVE,
    "shared": syscall.MS_SHARED,
}


def propagate(mount: int, propagation: str) -> None:
    """Give a mount and those below it `private`, `slave` or `shared` propagation."""
    syscall.mount_setattr(mount, propagation=_PROPAGATION[propagation], recursive=True)


def attach(mount: int, target: int) -> None:
    """Put a detached mount in its place and close its descriptor."""
    try:
        syscall.move_mount(mount, target)
    finally:
        os.close(mount)


def restrict(fd: int, flags: Iterable[str], *, recursive: bool = False) -> None:
    """Add attributes to the mount that `fd` is the root of, and to those below it if
    `recursive`."""
    if bits := attributes(flags):
        syscall.mount_setattr(fd, set_flags=bits, recursive=recursive)


def mount_overlay(
    target: str,
    lowers: Sequence[str],
    upper: str = "",
    work: str = "",
    *,
    volatile: bool = False,
    flags: Iterable[str] = (),
) -> None:
    """Mount overlayfs at `target`; `lowers` has the topmost layer first.

    Without `upper` it is read-only and needs two lowers.  Raises OSError, TooManyLayers.
    """
    try:
        mount = _overlay(lowers, upper, work, volatile=volatile, flags=flags)
    except OSError as error:
        if error.errno != errno.EINVAL or "lowerdir+" not in (error.strerror or ""):
            raise
        mount_overlay_by_page(target, lowers, upper, work, volatile=volatile, flags=flags)
        return
    place = os.open(target, os.O_PATH | os.O_CLOEXEC)
    try:
        attach(mount, place)
    finally:
        os.close(place)


def _overlay(
    lowers: Sequence[str], upper: str, work: str, *, volatile: bool, flags: Iterable[str]
) -> int:
    context = syscall.fsopen("overlay")
    try:
        syscall.fsconfig(context, syscall.FSCONFIG_SET_STRING, "source", "overlay")
        for lower in lowers:
            syscall.fsconfig(context, syscall.FSCONFIG_SET_STRING, "lowerdir+", lower)
        if upper:
            syscall.fsconfig(context, syscall.FSCONFIG_SET_STRING, "upperdir", upper)
            syscall.fsconfig(context, syscall.FSCONFIG_SET_STRING, "workdir", work)
        for key, value in _OVERLAY_OPTIONS:
            syscall.fsconfig(context, syscall.FSCONFIG_SET_STRING, key, value)
        if not is_initial():
            syscall.fsconfig(context, syscall.FSCONFIG_SET_FLAG, _USER)
        if volatile:
            syscall.fsconfig(context, syscall.FSCONFIG_SET_FLAG, "volatile")
        syscall.fsconfig(context, syscall.FSCONFIG_CMD_CREATE)
        return syscall.fsmount(context, attributes(flags))
    finally:
        os.close(context)


def open_overlay(
    place: str,
    lowers: Sequence[str],
    upper: str = "",
    work: str = "",
    *,
    flags: Iterable[str] = (),
) -> int:
    """The root directory of an overlay that is mounted nowhere and ends with the descriptor.

    `place` is a directory that kernels before 6.8 need for a moment.  Without `upper`
    it is read-only and needs two lowers.  Raises OSError, TooManyLayers.
    """
    try:
        return _overlay(lowers, upper, work, volatile=False, flags=flags)
    except OSError as error:
        if error.errno != errno.EINVAL or "lowerdir+" not in (error.strerror or ""):
            raise
    mount_overlay_by_page(place, lowers, upper, work, flags=flags)
    try:
        return os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        syscall.umount2(place, syscall.MNT_DETACH)


def mount_overlay_by_page(
    target: str,
    lowers: Sequence[str],
    upper: str = "",
    work: str = "",
    *,
    volatile: bool = False,
    flags: Iterable[str] = (),
) -> None:
    """`mount_overlay` for kernels before 6.8, by mount(2): all options in one page.

    Changes the working directory of this process for a moment, so that the names can be short.
    """
    common = os.path.commonpath([*lowers, *([upper, work] if upper else [])])
    short = [_escape(os.path.relpath(lower, common)) for lower in lowers]
    options = ["lowerdir=" + ":".join(short), *(f"{k}={v}" for k, v in _OVERLAY_OPTIONS)]
    if upper:
        options += [
            f"upperdir={_escape(os.path.relpath(upper, common))}",
            f"workdir={_escape(os.path.relpath(work, common))}",
        ]
    options += [_USER] if not is_initial() else []
    options += ["volatile"] if volatile else []
    data = ",".join(options)
    if len(os.fsencode(data)) >= _PAGE:
        raise TooManyLayers(len(lowers))
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(common)
        syscall.mount("overlay", target, "overlay", 0, data)
    finally:
        os.fchdir(before)
        os.close(before)
    place = os.open(target, os.O_PATH | os.O_CLOEXEC)
    try:
        restrict(place, flags)
    finally:
        os.close(place)


def _escape(path: str) -> str:
    for special in "\\:,":
        path = path.replace(special, "\\" + special)
    return path
