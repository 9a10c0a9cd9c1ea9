"""The build context: a directory, what of it the build may see, and digests of its files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from lamina.context.tree import ROOT, Content
from lamina.dockerfile.ignore import Ignore
from lamina.errors import Conflict, Invalid
from lamina.layer.entry import Entry, Kind, os_path, text_path
from lamina.store.atomic import replace_file

_PIECE = 1 << 20
_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
_RACY = 20_000_000
"""Nanoseconds: a file touched later than this before the build began may change again
without its times showing it (the kernel's clock ticks every 4 ms or more)."""
_Stamp = tuple[int, int, int, int]
"""Size, mtime and ctime in nanoseconds, inode: together they change when a file does."""


class ContextChanged(Conflict):
    """A file of the context changed between being hashed and being copied."""


class NoContext(Invalid):
    """The path is not a directory."""


class _Known(msgspec.Struct, array_like=True, frozen=True):
    stamp: _Stamp
    sha256: bytes


class DigestCache:
    """sha256 by path and stamp, kept in one file: an unchanged context is not read again.

    A file that is damaged or absent is an empty cache.
    """

    def __init__(self, path: Path, started: int) -> None:
        self._path = path
        self._started = started
        self._old: dict[str, _Known] | None = None
        self._now: dict[str, _Known] = {}
        self._news = False

    def get(self, path: str, stamp: _Stamp) -> bytes | None:
        """The digest of the file at `path`, if it has not changed since."""
        if self._old is None:
            self._old = self._load()
        known = self._old.get(path)
        if known is None or known.stamp != stamp:
            return None
        self._now[path] = known
        return known.sha256

    def put(self, path: str, stamp: _Stamp, sha256: bytes) -> None:
        """Remember a digest, unless the file is so fresh that its times prove nothing."""
        if max(stamp[1], stamp[2]) < self._started - _RACY:
            self._now[path] = _Known(stamp, sha256)
            self._news = True

    def save(self) -> None:
        """Write what this build asked for, if there is anything new."""
        if self._news:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            replace_file(self._path, msgspec.msgpack.encode(self._now), durable=False)

    def _load(self) -> dict[str, _Known]:
        try:
            return msgspec.msgpack.decode(self._path.read_bytes(), type=dict[str, _Known])
        except (OSError, msgspec.MsgspecError):
            return {}


class Nothing:
    """Implements `Tree`: the context of a build that has none."""

    def lookup(self, path: str) -> Entry | None:
        return None if path else ROOT

    def children(self, path: str) -> Sequence[Entry]:
        return ()

    def digest(self, entry: Entry) -> bytes:
        raise FileNotFoundError(entry.path)

    def open(self, entry: Entry) -> Content:
        raise FileNotFoundError(entry.path)

    def hidden(self, path: str) -> bool:
        """Whether an ignore file hides `path`."""
        return False


class Context:
    """Implements `Tree` on a directory.  Owners are root's, as for every COPY from a context."""

    def __init__(self, root: Path, ignore: Ignore, cache: DigestCache | None = None) -> None:
        if not root.is_dir():
            raise NoContext(f"the build context {root} is not a directory")
        self._base = os.fsencode(root)
        self._ignore = ignore
        self._cache = cache
        self._stamps: dict[str, _Stamp] = {}
        self._known: dict[str, bytes] = {}

    def lookup(self, path: str) -> Entry | None:
        if not path:
            return ROOT
        try:
            status = os.lstat(self._place(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._seen(path, status)

    def children(self, path: str) -> Sequence[Entry]:
        found: list[Entry] = []
        with os.scandir(self._place(path)) as items:
            for item in items:
                name = text_path(item.name)
                below = f"{path}/{name}" if path else name
                entry = self._seen(below, item.stat(follow_symlinks=False))
                if entry is not None:
                    found.append(entry)
        return sorted(found, key=lambda entry: entry.path)

    def digest(self, entry: Entry) -> bytes:
        if entry.path in self._known:
            return self._known[entry.path]
        stamp = self._stamps[entry.path]
        sha256 = self._cache.get(entry.path, stamp) if self._cache else None
        if sha256 is None:
            sha256 = self._hash(entry)
            if self._cache:
                self._cache.put(entry.path, stamp, sha256)
        self._known[entry.path] = sha256
        return sha256

    def _hash(self, entry: Entry) -> bytes:
        with self.open(entry).file as file:
            sha256 = hashlib.sha256()
            while piece := file.read(_PIECE):
                sha256.update(piece)
            self._check(entry, os.fstat(file.fileno()))
        return sha256.digest()

    def open(self, entry: Entry) -> Content:
        """Raises ContextChanged when the file is not the one that was looked at."""
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            fd = os.open(self._place(entry.path), flags)
        except (FileNotFoundError, NotADirectoryError):
            raise self._changed(entry) from None
        file = os.fdopen(fd, "rb", buffering=0)
        try:
            self._check(entry, os.fstat(fd))
        except ContextChanged:
            file.close()
            raise
        return Content(file, entry.size)

    def hidden(self, path: str) -> bool:
        """Whether something is at `path` and the ignore file hides it."""
        return os.path.lexists(self._place(path)) and self._ignore.excludes(path)

    def _check(self, entry: Entry, status: os.stat_result) -> None:
        if _stamp(status) != self._stamps[entry.path]:
            raise self._changed(entry)

    @staticmethod
    def _changed(entry: Entry) -> ContextChanged:
        return ContextChanged(
            f"{entry.path} changed while the build was reading it", hint="build again"
        )

    def _place(self, path: str) -> bytes:
        return self._base + b"/" + os_path(path) if path else self._base

    def _seen(self, path: str, status: os.stat_result) -> Entry | None:
        """The entry, unless it is ignored or a socket."""
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None or (self._ignore.rules and not self._shows(path, kind)):
            return None
        link = text_path(os.readlink(self._place(path))) if kind is Kind.SYMLINK else ""
        size = status.st_size if kind is Kind.FILE else 0
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        if kind is Kind.FILE:
            self._stamps[path] = _stamp(status)
        mode = stat.S_IMODE(status.st_mode)
        return Entry(path, kind, mode, 0, 0, size, status.st_mtime_ns, link, device)

    def _shows(self, path: str, kind: Kind) -> bool:
        if not self._ignore.excludes(path):
            return True
        if kind is not Kind.DIRECTORY or self._ignore.prunes(path):
            return False
        return any(True for _ in self._shown_below(path))

    def _shown_below(self, path: str) -> Iterator[str]:
        """The paths below an ignored directory that a `!` rule brings back."""
        with contextlib.suppress(PermissionError), os.scandir(self._place(path)) as items:
            for item in items:
                below = f"{path}/{text_path(item.name)}"
                is_directory = item.is_dir(follow_symlinks=False)
                if self._shows(below, Kind.DIRECTORY if is_directory else Kind.FILE):
                    yield below


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def ignore_file(context: Path, dockerfile: Path | None) -> Ignore:
    """The rules for a context: `<Dockerfile>.dockerignore` beside the Dockerfile, else
    `.dockerignore` in the context, else none.  Raises BadIgnoreFile."""
    places = [context / ".dockerignore"]
    if dockerfile is not None:
        places.insert(0, dockerfile.with_name(dockerfile.name + ".dockerignore"))
    for place in places:
        try:
            text = place.read_bytes().decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            continue
        return Ignore.parse(text, name=place.name)
    return Ignore()
