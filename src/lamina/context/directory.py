"""The build context on disk: a directory, and what of it the build may see."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from lamina.context import fingerprint
from lamina.context.errors import ContextChanged, NoContext, Unreadable
from lamina.context.hashing import GONE
from lamina.context.known import STAMP, UNKNOWN, DigestCache, Directory, Index, split, stamp
from lamina.context.snapshot import Snapshot, child, device
from lamina.context.tree import ROOT, Content
from lamina.dockerfile.ignore import Ignore
from lamina.layer.entry import KINDS, Entry, Kind, os_path, text_path

_DEVICES = (Kind.CHAR, Kind.BLOCK)


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
    """Implements `Fingerprinted` on a directory.  Owners are root's, as COPY wants them.
    Entries of files have the sha256 that is known of them.

    What was looked at once is not looked at again: a build sees one state of each
    file, and refuses to read one that is in another by then.  Everything raises
    Unreadable for what this user may not see, and ContextChanged.
    """

    def __init__(self, root: Path, ignore: Ignore, cache: DigestCache | None = None) -> None:
        if not root.is_dir():
            raise NoContext(f"the build context {root} is not a directory")
        self._ignore = ignore
        self._cache = cache if cache is not None else DigestCache(None, 0)
        self._snapshot = Snapshot(os.fsencode(root), ignore, self._cache)
        self._single: dict[bytes, bytes] = {}
        """Stamps of files that were looked at without their directory."""
        self._index = Index()
        self._inodes: dict[str, int] = {}

    def lookup(self, path: str) -> Entry | None:
        if not path:
            return ROOT
        raw = os_path(path)
        found = self._stamp(raw)
        return self._entry(raw, found) if found else None

    def children(self, path: str) -> Sequence[Entry]:
        raw = os_path(path)
        directory = self._snapshot.directory(raw)
        found = [
            self._entry(child(raw, name), each, digest if digest != UNKNOWN else b"")
            for name, each, digest in directory.hashed()
        ]
        found += [self._entry(child(raw, name), each) for name, each in directory.subdirectories()]
        return sorted(found, key=lambda entry: entry.path)

    def digest(self, entry: Entry) -> bytes:
        path = os_path(entry.path)
        directory, place = self._find(path)
        if directory is None or place is None:
            expected = self._single[path]
            known = self._cache.get(path, expected)
            if known is None:
                (known,) = self._snapshot.hash([(path, expected)])
                self._cache.put(path, expected, known)
            return known
        known = directory.digest(place)
        if known == UNKNOWN:
            expected = directory.stamp(place)
            known = self._cache.get(path, expected) or self._snapshot.hash([(path, expected)])[0]
            directory.learn(place, known)
        return known

    def fingerprint(self, entry: Entry) -> bytes:
        """Of a directory and all below it (see `fingerprint`), by what is known of its files."""
        return self._snapshot.fingerprint(os_path(entry.path))

    def below(self, entry: Entry) -> Iterator[tuple[bytes, Directory]]:
        """A directory and those below it, each with its path; of what has a fingerprint every
        digest is known."""
        waiting = [os_path(entry.path)]
        while waiting:
            path = waiting.pop()
            directory = self._snapshot.directory(path)
            yield path, directory
            waiting += [child(path, name) for name in split(directory.directories)]

    def open(self, entry: Entry) -> Content:
        path = os_path(entry.path)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            fd = os.open(self._snapshot.place(path), flags)
        except PermissionError:
            raise Unreadable(entry.path) from None
        except OSError as error:
            if error.errno in GONE:
                raise ContextChanged(entry.path) from None
            raise
        file = os.fdopen(fd, "rb", buffering=0)
        if stamp(os.fstat(fd)) != self._stamp(path):
            file.close()
            raise ContextChanged(entry.path)
        return Content(file, entry.size)

    def inode(self, entry: Entry) -> int:
        """The number by which names of one file are found, if they lie on one file system."""
        return self._inodes[entry.path]

    def is_same(self, one: Entry, other: Entry) -> bool:
        """Whether two entries are names of one file.  Raises ContextChanged."""
        try:
            first, second = (
                os.lstat(self._snapshot.place(os_path(each.path))) for each in (one, other)
            )
        except FileNotFoundError:
            raise ContextChanged(other.path) from None
        return os.path.samestat(first, second)

    def hidden(self, path: str) -> bool:
        """Whether something is at `path` and the ignore file hides it."""
        place = self._snapshot.place(os_path(path))
        return os.path.lexists(place) and self._ignore.excludes(path)

    def _find(self, path: bytes) -> tuple[Directory | None, int | None]:
        """The directory that has `path`, and its place there, if that was looked at."""
        parent, _, name = path.rpartition(b"/")
        directory = self._snapshot.seen(parent)
        return directory, self._index.place(directory, name) if directory else None

    def _stamp(self, path: bytes) -> bytes | None:
        """What the file at `path` looked like the first time; None when it is not to be seen."""
        directory, place = self._find(path)
        if directory is not None:
            if place is not None:
                return directory.stamp(place)
            name = path.rpartition(b"/")[2]
            return next((each for dir_, each in directory.subdirectories() if dir_ == name), None)
        if path not in self._single:
            try:
                status = os.lstat(self._snapshot.place(path))
            except PermissionError:
                raise Unreadable(text_path(path)) from None
            except (OSError, ValueError):
                return None  # nothing by that name, or no name at all
            kind = KINDS.get(stat.S_IFMT(status.st_mode))
            if kind is None or self._snapshot.hides(path, kind is Kind.DIRECTORY):
                return None
            self._single[path] = stamp(status)
        return self._single[path]

    def _entry(self, path: bytes, found: bytes, digest: bytes = b"") -> Entry:
        # Not by the names of `Facts`: this is done for every file.
        size, mtime, _, inode, bits = STAMP.unpack(found)
        kind = KINDS[stat.S_IFMT(bits)]
        name = text_path(path)
        self._inodes[name] = inode
        mode = stat.S_IMODE(bits)
        if kind is Kind.FILE:
            return Entry(name, kind, mode, 0, 0, size, mtime, sha256=digest)
        link = self._link(path) if kind is Kind.SYMLINK else ""
        numbers = device(os.lstat(self._snapshot.place(path))) if kind in _DEVICES else (0, 0)
        return Entry(name, kind, mode, 0, 0, 0, mtime, link, numbers)

    def _link(self, path: bytes) -> str:
        target = self._snapshot.link(path)
        directory, place = self._find(path)
        if directory is not None and place is not None:
            known = directory.digest(place)
            if known not in (UNKNOWN, fingerprint.of_target(target)):
                raise ContextChanged(text_path(path))
        return target
