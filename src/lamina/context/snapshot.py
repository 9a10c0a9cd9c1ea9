"""A directory tree as it was when it was looked at first, with digests of what is in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from lamina.context import fingerprint
from lamina.context.errors import ContextChanged, Unreadable
from lamina.context.hashing import hash_files
from lamina.context.ignoring import Hidden
from lamina.context.known import UNKNOWN, DigestCache, Directory, mode_of, split
from lamina.context.scan import look, unchanged
from lamina.dockerfile.ignore import Ignore
from lamina.layer.entry import KINDS, Kind, text_path


class Snapshot:
    """The directories below `base`, each looked at once, when somebody first asks for it.

    Paths are the kernel's bytes, relative to `base`.  Everything raises Unreadable for
    what this user may not see, and ContextChanged for what is no longer as it was.
    """

    def __init__(self, base: bytes, ignore: Ignore, cache: DigestCache) -> None:
        self._base = base
        self._ignore = ignore
        self._cache = cache
        self._directories: dict[bytes, Directory] = {}
        self._fingerprints: dict[bytes, bytes] = {}
        cache.under([(rule.pattern, rule.includes) for rule in ignore.rules])

    def place(self, path: bytes) -> bytes:
        """Where `path` is on the host."""
        return self._base + b"/" + path if path else self._base

    def hides(self, path: bytes, is_directory: bool) -> bool:
        """Whether the ignore file hides what is at `path`."""
        hidden = Hidden(self._base, self._ignore)
        return bool(self._ignore.rules) and hidden(text_path(path), is_directory)

    def seen(self, path: bytes) -> Directory | None:
        """The directory at `path`, if it was looked at."""
        return self._directories.get(path)

    def directory(self, path: bytes) -> Directory:
        """The directory at `path`; digests are in it as far as they are known."""
        found = self._directories.get(path)
        if found is None:
            # Of two threads that looked, one is right for both.
            found = self._directories.setdefault(path, self._look(path))
            self._cache.use(path, found)
        return found

    def fingerprint(self, path: bytes) -> bytes:
        """Of the directory at `path` (see `fingerprint`); reads each file that is not known."""
        if path in self._fingerprints:
            return self._fingerprints[path]
        self._recognize(path)
        order = [path]
        for each in order:
            order += [child(each, name) for name in split(self.directory(each).directories)]
        self._hash_unknown(order)
        # Backwards: what is in a directory comes before it.
        for each in reversed(order):
            self._fingerprints[each] = self._combined(each)
        return self._fingerprints[path]

    def hash(self, files: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """The sha256 of files, given by path and stamp."""
        if not files:
            return []
        self._cache.learned()
        start = len(self._base) + 1
        try:
            return hash_files(
                [(self.place(path), stamp) for path, stamp in files],
                lambda place: ContextChanged(text_path(place[start:])),
            )
        except PermissionError as error:
            raise Unreadable(text_path(error.filename[start:])) from None

    def link(self, path: bytes) -> str:
        """The target of the symbolic link at `path`."""
        try:
            return text_path(os.readlink(self.place(path)))
        except OSError:
            raise ContextChanged(text_path(path)) from None

    def _recognize(self, path: bytes) -> None:
        """Take the directories below `path` that look as in an earlier build as they were."""
        known = [each for each in self._cache.below(path) if each[0] not in self._directories]
        for (each, directory), same in zip(known, unchanged(self._base, known), strict=True):
            if same:
                self._directories.setdefault(each, directory)

    def _look(self, path: bytes) -> Directory:
        hidden = Hidden(self._base, self._ignore)

        def hides(name: bytes, is_directory: bool) -> bool:
            return hidden(text_path(child(path, name)), is_directory)

        try:
            found = look(self.place(path), hides if self._ignore.rules else None)
        except PermissionError:
            raise Unreadable(text_path(path)) from None
        except (FileNotFoundError, NotADirectoryError):
            raise ContextChanged(text_path(path)) from None
        found.passing = hidden.depends
        earlier = self._cache.directory(path)
        if earlier is not None and found.looks_like(earlier):
            earlier.passing = found.passing
            return earlier
        self._cache.learned()
        if earlier is not None:
            found.carry(earlier)
        return found

    def _hash_unknown(self, directories: Sequence[bytes]) -> None:
        """Fill in each digest that is missing."""
        wanted: list[tuple[Directory, int]] = []
        files: list[tuple[bytes, bytes]] = []
        for path in directories:
            directory = self._directories[path]
            if directory.others:
                continue
            for place, (name, stamp) in enumerate(directory.files()):
                if directory.digest(place) != UNKNOWN:
                    continue
                kind = stat.S_IFMT(mode_of(stamp))
                if kind == stat.S_IFREG:
                    wanted.append((directory, place))
                    files.append((child(path, name), stamp))
                elif kind == stat.S_IFLNK:
                    target = self.link(child(path, name))
                    directory.learn(place, fingerprint.of_target(target))
        for (directory, place), digest in zip(wanted, self.hash(files), strict=True):
            directory.learn(place, digest)

    def _combined(self, path: bytes) -> bytes:
        directory = self._directories[path]
        below = [
            fingerprint.record(
                name,
                Kind.DIRECTORY,
                stat.S_IMODE(mode_of(stamp)),
                self._fingerprints[child(path, name)],
            )
            for name, stamp in sorted(directory.subdirectories())
        ]
        return fingerprint.combine(directory.others or self._others(path, directory), below)

    def _others(self, path: bytes, directory: Directory) -> bytes:
        records: list[bytes] = []
        for name, stamp, digest in sorted(directory.hashed()):
            mode = mode_of(stamp)
            kind = KINDS[stat.S_IFMT(mode)]
            rest: tuple[object, ...] = ()
            if kind in (Kind.CHAR, Kind.BLOCK):
                rest = (device(os.lstat(self.place(child(path, name)))),)
            records.append(fingerprint.record(name, kind, stat.S_IMODE(mode), digest, rest=rest))
        others = fingerprint.of_records(records)
        self._cache.finish(directory, others)
        return others


def child(path: bytes, name: bytes) -> bytes:
    """The path of `name` in the directory at `path`."""
    return path + b"/" + name if path else name


def device(status: os.stat_result) -> tuple[int, int]:
    """Major and minor of a device node."""
    return os.major(status.st_rdev), os.minor(status.st_rdev)
