"""Files between a container and the host, by descriptors alone.

Every path of a container's is resolved inside it by the kernel (`linux.rooted`), at the
moment of use: a link cannot lead to the host, and swapping one in the middle of a copy
does not help either (CVE-2018-15664).  No code of the container's is ever loaded, and
nothing is looked up by a name service (CVE-2019-14271).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from lamina.errors import Conflict, EngineError, Invalid, NotFound, Unsupported
from lamina.linux.id_mapping import outside, reverse
from lamina.linux.rooted import open_in, resolve_in
from lamina.run.spec import Ids

_CHUNK = 1 << 20
_HIDDEN = ("trusted.", "user.overlay.", "security.selinux")
"""Attributes that mean something to one file system or host alone."""


Owned = Callable[[int, int], tuple[int, int]]
"""The owner that a copy has, made of the original's."""


class NoSuchPath(NotFound):
    """There is nothing at the path."""

    def __init__(self, where: str, path: str) -> None:
        super().__init__(f"no {path} {where}")


class NotADirectory(Conflict):
    """A directory is needed where something else is."""


class NotCopied(Unsupported):
    """A kind of file that is not copied."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A file system to copy in: a container's root, or the host's."""

    root: int
    """Descriptor of the directory that absolute paths begin at."""
    where: str
    """`in container web`, `on this host`: for messages."""
    confined: bool
    """Whether links must not lead out of `root`."""
    ids: Ids | None = None
    """Of the user namespace that it is seen through: its owners are whom these stand for."""

    def open(self, path: str, flags: int = os.O_PATH) -> int:
        """Open a path, following links.  Raises OSError."""
        if self.confined:
            return open_in(self.root, path, flags)
        return os.open(path, flags | os.O_CLOEXEC)


@contextmanager
def as_root_of(tree: Tree) -> Iterator[None]:
    """What is made in the tree belongs to its root, for the length of a block."""
    if tree.ids is None:
        yield
        return
    from lamina.linux import userns

    with userns.files_of(*tree.ids.root):
        yield


def owner_in(tree: Tree, uid: int, gid: int) -> tuple[int, int]:
    """Who an owner is to be on disk, so that the tree has it; its root if nobody can be."""
    if tree.ids is None:
        return uid, gid
    there = outside(tree.ids.uids, uid), outside(tree.ids.gids, gid)
    root = tree.ids.root
    return (
        root[0] if there[0] is None else there[0],
        root[1] if there[1] is None else there[1],
    )


def owner_of(tree: Tree, uid: int, gid: int) -> tuple[int, int]:
    """Who an owner on disk is in the tree; as it is on disk if it is nobody there."""
    if tree.ids is None:
        return uid, gid
    there = outside(reverse(tree.ids.uids), uid), outside(reverse(tree.ids.gids), gid)
    return uid if there[0] is None else there[0], gid if there[1] is None else there[1]


@contextmanager
def host_tree() -> Iterator[Tree]:
    """The host's own files, with paths as its user writes them."""
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Tree(fd, "on this host", False)
    finally:
        os.close(fd)


def copy(
    source: Tree,
    path: str,
    target: Tree,
    place: str,
    *,
    archive: bool = False,
    follow: bool = False,
) -> None:
    """Copy a file or directory from one tree to another, by `docker cp`'s rules.

    A directory goes into a directory that is there, under its own name, unless `path`
    ends in `/.`; its content becomes `place` if there is nothing.  A link is copied as a
    link, or as what it leads to with `follow`.  With `archive` owners and set-id bits
    stay; without, the copy belongs to root.

    Raises NoSuchPath, NotADirectory, NotCopied (sockets and devices).
    """
    owned = _owned(source, target) if archive else None
    with ExitStack() as stack:
        stack.enter_context(as_root_of(target))
        parent, name = source_of(source, path, follow, stack)
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        is_directory = stat.S_ISDIR(status.st_mode)
        content_only = path.rstrip("/").rpartition("/")[2] == "." and is_directory
        into = open_directory(target, place, stack)
        if into is not None:
            if content_only:
                _copy_content(_step(parent, name, stack), into, owned)
                return
            base = os.path.basename(os.path.normpath(path))
            _copy_one(parent, name, into, base if base not in {"", "/", ".", ".."} else name, owned)
            return
        if place.endswith("/") and not is_directory:
            raise NotADirectory(f"{place} is not a directory {target.where}")
        above, last = _target(target, place, stack)
        if is_directory and _exists(above, last):
            raise NotADirectory(
                f"{place} is not a directory {target.where}, and {path} {source.where} is one"
            )
        _copy_one(parent, name, above, last, owned)


def source_of(tree: Tree, path: str, follow: bool, stack: ExitStack) -> tuple[int, str]:
    """The directory that holds the source, and the source's name in it, never a link to follow."""
    try:
        if follow or path.rstrip("/").rpartition("/")[2] in {"", ".", ".."} or path.endswith("/"):
            fd = tree.open(path)
            stack.callback(os.close, fd)
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                return fd, "."
            path = _canonical(tree, path)
        above, _, name = path.rstrip("/").rpartition("/")
        parent = tree.open(above or ("/" if path.startswith("/") or tree.confined else "."))
        stack.callback(os.close, parent)
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        raise _told(error, tree, path) from None
    return parent, name


def _canonical(tree: Tree, path: str) -> str:
    if tree.confined:
        return "/" + "/".join(resolve_in(tree.root, path))
    return os.path.realpath(path)


def _told(error: OSError, tree: Tree, path: str) -> EngineError:
    if error.errno == errno.ENOENT:
        return NoSuchPath(tree.where, path)
    return NotADirectory(f"{path} {tree.where}: {error.strerror}")


def open_directory(tree: Tree, path: str, stack: ExitStack) -> int | None:
    """Open a directory for reading, until the stack ends; None when there is none."""
    try:
        fd = tree.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    stack.callback(os.close, fd)
    return fd


def _target(tree: Tree, path: str, stack: ExitStack) -> tuple[int, str]:
    """The directory for a target that is no directory yet, and its name in there."""
    clean = path.rstrip("/")
    try:
        if tree.confined:
            components = resolve_in(tree.root, clean)
            above, name = "/" + "/".join(components[:-1]), components[-1] if components else ""
        else:
            # A link to a file is written through, as cp does; one to nothing is replaced.
            clean = os.path.realpath(clean) if os.path.exists(clean) else clean
            above, _, name = clean.rpartition("/")
            above = above or ("/" if clean.startswith("/") else ".")
        parent = tree.open(above, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _told(error, tree, os.path.dirname(clean) or "/") from None
    stack.callback(os.close, parent)
    return parent, name


def _exists(parent: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _step(parent: int, name: str, stack: ExitStack) -> int:
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    stack.callback(os.close, fd)
    return fd


def _owned(source: Tree, target: Tree) -> Owned:
    if source.ids is None and target.ids is None:
        return _same
    return lambda uid, gid: owner_in(target, *owner_of(source, uid, gid))


def _same(uid: int, gid: int) -> tuple[int, int]:
    return uid, gid


def _copy_one(source: int, name: str, target: int, new: str, owned: Owned | None) -> None:
    """Copy `name` of the directory `source` to `new` in `target`; links are not followed."""
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        _copy_directory(source, name, target, new, owned)
        return
    if kind not in {stat.S_IFREG, stat.S_IFLNK, stat.S_IFIFO}:
        raise NotCopied(f"{name} is a device or a socket, which are not copied")
    make_room(target, new)
    if kind == stat.S_IFLNK:
        os.symlink(os.readlink(name, dir_fd=source), new, dir_fd=target)
        if owned is not None:
            owner = owned(status.st_uid, status.st_gid)
            os.chown(new, *owner, dir_fd=target, follow_symlinks=False)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(new, ns=times, dir_fd=target, follow_symlinks=False)
        return
    if kind == stat.S_IFIFO:
        os.mkfifo(new, 0o600, dir_fd=target)
        fd = os.open(new, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target)
    else:
        fd = _copy_file(source, name, target, new, owned)
    try:
        _attributes(fd, status, owned)
    finally:
        os.close(fd)


def make_room(target: int, name: str) -> None:
    """Make room: never write through what is there, which may be a link or a fifo."""
    try:
        os.unlink(name, dir_fd=target)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError):
        raise NotADirectory(f"{name} is a directory where the copy must not be one") from None


def _copy_file(source: int, name: str, target: int, new: str, owned: Owned | None) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    reader = os.open(name, flags, dir_fd=source)
    try:
        if not stat.S_ISREG(os.fstat(reader).st_mode):
            raise NotCopied(f"{name} changed while it was copied")
        create = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writer = os.open(new, create, 0o600, dir_fd=target)
        try:
            while piece := os.read(reader, _CHUNK):
                write_all(writer, piece)
            _copy_xattrs(reader, writer, owned is not None)
        except BaseException:
            os.close(writer)
            os.unlink(new, dir_fd=target)
            raise
        return writer
    finally:
        os.close(reader)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """write(2) until all is written."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def _copy_xattrs(source: int, target: int, archive: bool) -> None:
    hidden = (
        _HIDDEN if archive else (*_HIDDEN, "security.")
    )  # file capabilities are set-id bits, too
    for name in os.listxattr(source):
        if not name.startswith(hidden):
            try:
                os.setxattr(target, name, os.getxattr(source, name))
            except OSError as error:
                if error.errno not in {errno.ENOTSUP, errno.EPERM}:
                    raise


def _attributes(fd: int, status: os.stat_result, owned: Owned | None) -> None:
    if owned is not None:
        os.fchown(fd, *owned(status.st_uid, status.st_gid))
    # Set-id bits would give whoever the copy belongs to away.
    os.fchmod(fd, status.st_mode & (0o1777 if owned is None else 0o7777))
    os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_directory(source: int, name: str, target: int, new: str, owned: Owned | None) -> None:
    with ExitStack() as stack:
        reader = _step(source, name, stack)
        try:
            os.mkdir(new, 0o700, dir_fd=target)
        except FileExistsError:
            pass
        try:
            writer = _step(target, new, stack)
        except (NotADirectoryError, OSError):
            raise NotADirectory(f"{new} is not a directory where the copy must be one") from None
        _copy_content(reader, writer, owned)
        _attributes(writer, os.fstat(reader), owned)


def copy_directory(reader: int, writer: int, *, archive: bool) -> None:
    """Copy all that the directory `reader` holds, and its attributes, to `writer`."""
    owned = _same if archive else None
    _copy_content(reader, writer, owned)
    _attributes(writer, os.fstat(reader), owned)


def _copy_content(reader: int, writer: int, owned: Owned | None) -> None:
    if os.path.samestat(os.fstat(reader), os.fstat(writer)):
        raise Invalid("a directory cannot be copied into itself")
    for name in sorted(os.listdir(reader)):
        _copy_one(reader, name, writer, name, owned)
