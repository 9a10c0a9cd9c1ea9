"""What is known of a context's files without reading them again, kept from build to build.

A file is known by its *stamp*: size, times of change, inode and mode.  They change
when the file does, but for a moment after it was written: the kernel's clock
ticks every few milliseconds, and two changes within one tick look alike.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import msgspec

from lamina.sha256 import sha256
from lamina.store.atomic import keep_newest, replace_file

STAMP = Struct("<qqqQI")
"""Size, mtime, ctime, inode and mode; times in nanoseconds since the epoch."""
DIGEST = 32
UNKNOWN = bytes(DIGEST)
"""Stands where a digest will be."""
FRESH = 20_000_000
"""Nanoseconds: a file that changed later than this before the build began may change again
without its times showing it."""
_CONTEXTS = 64
"""Contexts that are remembered: some MB each, when they are large."""
_KEPT = 1 << 16
"""Most single files that are kept: builds that copy files one by one name far fewer."""


class Facts(NamedTuple):
    """What a stamp says; times in nanoseconds since the epoch."""

    size: int
    mtime: int
    ctime: int
    inode: int
    mode: int


def stamp(status: os.stat_result) -> bytes:
    """The stamp of a file."""
    return STAMP.pack(
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode
    )


def facts(stamp: bytes) -> Facts:
    """The inverse of `stamp`."""
    return Facts._make(STAMP.unpack(stamp))


def mode_of(stamp: bytes) -> int:
    """Kind and permissions alone, in a fraction of the time."""
    return int.from_bytes(stamp[-4:], "little")


class Directory(msgspec.Struct, array_like=True, gc=False):
    """What is in a directory, in the order that the kernel names it; names end with a zero byte.

    Columns, and not an object a file: a context of many files is decoded and compared at once.
    """

    names: bytes = b""
    """Of all that is no directory."""
    stamps: bytes = b""
    digests: bytearray = msgspec.field(default_factory=bytearray)
    """32 bytes each: sha256 of a file's content or of a link's target; zeros if not known."""
    directories: bytes = b""
    """Names of the directories."""
    directory_stamps: bytes = b""
    ignored: bytes = b""
    """Names that the ignore file hides, a slash after those of directories."""
    others: bytes = b""
    """The fingerprint of all that is no directory; empty while it is not known, or may change
    without a stamp showing it."""
    passing: bool = False
    """Whether what is hidden here depends on what lies deeper: it is looked at each time."""

    def files(self) -> Iterator[tuple[bytes, bytes]]:
        """Name and stamp of each that is no directory."""
        return zip(split(self.names), stamps(self.stamps), strict=False)

    def subdirectories(self) -> Iterator[tuple[bytes, bytes]]:
        """Name and stamp of each directory."""
        return zip(split(self.directories), stamps(self.directory_stamps), strict=False)

    def hashed(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Name, stamp and digest of each that is no directory."""
        for place, (name, stamp) in enumerate(self.files()):
            yield name, stamp, self.digest(place)

    def digest(self, place: int) -> bytes:
        """Of the file at that place in `names`."""
        return bytes(self.digests[place * DIGEST : (place + 1) * DIGEST])

    def stamp(self, place: int) -> bytes:
        """Of the file at that place."""
        return self.stamps[place * STAMP.size : (place + 1) * STAMP.size]

    def learn(self, place: int, digest: bytes) -> None:
        """The other way."""
        self.digests[place * DIGEST : (place + 1) * DIGEST] = digest

    def looks_like(self, other: Directory) -> bool:
        """Whether names and stamps are the same."""
        return (
            self.names == other.names
            and self.stamps == other.stamps
            and self.directories == other.directories
            and self.directory_stamps == other.directory_stamps
            and self.ignored == other.ignored
        )

    def carry(self, earlier: Directory) -> None:
        """Take the digests of the files that have not changed since `earlier`."""
        known = {each: place for place, each in enumerate(earlier.files())}
        for place, each in enumerate(self.files()):
            if (at := known.get(each)) is not None:
                self.learn(place, earlier.digest(at))


def split(names: bytes) -> list[bytes]:
    """Names that end with a zero byte each."""
    return names.split(b"\0")[:-1]


def stamps(column: bytes) -> list[bytes]:
    return [column[at : at + STAMP.size] for at in range(0, len(column), STAMP.size)]


class Index:
    """Where in a directory a name stands; remembers the directory that was asked for last."""

    def __init__(self) -> None:
        self._last: tuple[Directory | None, dict[bytes, int]] = (None, {})

    def place(self, directory: Directory, name: bytes) -> int | None:
        """The place in `names`; None when it is not there."""
        last, places = self._last
        if last is not directory:
            places = {each: place for place, each in enumerate(split(directory.names))}
            self._last = (directory, places)
        return places.get(name)


class _Kept(msgspec.Struct, array_like=True):
    """The file."""

    rules: bytes
    """Which ignore rules `others` and `ignored` come from."""
    directories: dict[bytes, Directory]
    files: dict[bytes, bytes]
    """Files that were looked at without their directory: stamp and digest."""


class DigestCache:
    """Stamps and digests of a context's files, in one file; paths are the kernel's bytes.

    A file that is damaged or absent is an empty cache.  `path` None keeps nothing.
    """

    def __init__(self, path: Path | None, started: int) -> None:
        self._path = path
        self._fresh = started - FRESH
        self._kept: _Kept | None = None
        self._used: dict[bytes, Directory] = {}
        self._news = False
        self._index = Index()

    def under(self, rules: object) -> None:
        """Say by which ignore rules the context is looked at: directories that were looked at
        by others are not taken as they were; their digests are."""
        found = sha256(repr(rules).encode("utf-8", "surrogateescape"))
        kept = self._load()
        if kept.rules != found:
            kept.rules = found
            for directory in kept.directories.values():
                directory.others = b""

    def directory(self, path: bytes) -> Directory | None:
        """What was known of a directory."""
        return self._load().directories.get(path)

    def below(self, path: bytes) -> list[tuple[bytes, Directory]]:
        """The directories at and below `path` that need not be read if they look as before."""
        prefix = path + b"/" if path else b""
        return [
            (each, directory)
            for each, directory in self._load().directories.items()
            if directory.others and (each == path or each.startswith(prefix))
        ]

    def use(self, path: bytes, directory: Directory) -> None:
        """Keep a directory for the next build, with all that is learned of it until `save`."""
        self._used[path] = directory

    def learned(self) -> None:
        """Something is new: there is a reason to save."""
        self._news = True

    def finish(self, directory: Directory, others: bytes) -> None:
        """Let the directory be known by its stamps alone, if they can be believed."""
        if not directory.passing and not any(map(self.is_fresh, stamps(directory.stamps))):
            directory.others = others
            self._news = True

    def get(self, path: bytes, stamp: bytes) -> bytes | None:
        """The digest of the file at `path`, if it has not changed since."""
        known = self._load().files.get(path, b"")
        if known[:-DIGEST] == stamp:
            return known[-DIGEST:]
        parent, _, name = path.rpartition(b"/")
        directory = self._load().directories.get(parent)
        place = self._index.place(directory, name) if directory is not None else None
        if directory is None or place is None or directory.stamp(place) != stamp:
            return None
        digest = directory.digest(place)
        return digest if digest != UNKNOWN else None

    def put(self, path: bytes, stamp: bytes, digest: bytes) -> None:
        """Remember the digest of a file whose directory was not looked at."""
        if not self.is_fresh(stamp):
            self._load().files[path] = stamp + digest
            self._news = True

    def is_fresh(self, stamp: bytes) -> bool:
        """Whether a file changed so late that it may change again and look the same."""
        _, mtime, ctime, _, _ = STAMP.unpack(stamp)
        return bool(mtime >= self._fresh or ctime >= self._fresh)

    def save(self) -> None:
        """Write what is known, if there is anything new, and leave out what is gone."""
        if self._path is None or not self._news:
            return
        kept = self._load()
        there = _Kept(kept.rules, self._directories(kept), self._files(kept))
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        replace_file(self._path, msgspec.msgpack.encode(there), durable=False)
        keep_newest(self._path.parent, "context-", _CONTEXTS)
        self._news = False

    def _directories(self, kept: _Kept) -> dict[bytes, Directory]:
        there: dict[bytes, Directory] = {}
        gone: set[bytes] = set()
        names = {path: set(split(each.directories)) for path, each in self._used.items()}
        # Shorter paths first: who is gone is known before what was below it.
        for path in sorted({**kept.directories, **self._used}, key=len):
            parent, _, name = path.rpartition(b"/")
            if path and (parent in gone or (parent in names and name not in names[parent])):
                gone.add(path)
                continue
            used = self._used.get(path)
            there[path] = kept.directories[path] if used is None else self._without_fresh(used)
        return there

    def _files(self, kept: _Kept) -> dict[bytes, bytes]:
        files = {
            path: known
            for path, known in kept.files.items()
            if path.rpartition(b"/")[0] not in self._used
        }
        return dict(list(files.items())[-_KEPT:])

    def _without_fresh(self, directory: Directory) -> Directory:
        """What may be believed the next time."""
        if directory.others:
            return directory
        safe = msgspec.structs.replace(directory, digests=bytearray(directory.digests))
        for place, (_, stamp) in enumerate(directory.files()):
            if self.is_fresh(stamp):
                safe.learn(place, UNKNOWN)
        return safe

    def _load(self) -> _Kept:
        if self._kept is None:
            try:
                data = self._path.read_bytes() if self._path else b""
                self._kept = msgspec.msgpack.decode(data, type=_Kept)
            except (OSError, msgspec.MsgspecError):
                self._kept = _Kept(b"", {}, {})
        return self._kept
