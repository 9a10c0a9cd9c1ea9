"""Looking at directories: names and stamps, no content; and whether any look as they did."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence

from lamina.context.known import DIGEST, STAMP, Directory

SHARED_FROM = 4000
"""Files from which a second process takes half of the work: it costs 2 ms to start."""
_OTHERS = frozenset((stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK))
_TYPE = 0o170000
_FILE, _DIRECTORY = stat.S_IFREG, stat.S_IFDIR


def look(place: bytes, hides: Callable[[bytes, bool], bool] | None) -> Directory:
    """What is in the directory at `place`, no digest known yet; sockets are passed over.

    `hides` says of a name, and whether it is a directory's, that nobody may see it.
    """
    names: list[bytes] = []
    stamps: list[bytes] = []
    directories: list[bytes] = []
    directory_stamps: list[bytes] = []
    ignored: list[bytes] = []
    pack = STAMP.pack  # looked up once, and not called through `stamp`: this is all there is to do
    with os.scandir(place) as items:
        for item in items:
            name = item.name
            if hides is not None:
                is_directory = item.is_dir(follow_symlinks=False)
                if hides(name, is_directory):
                    ignored.append(name + b"/" if is_directory else name)
                    continue
            status = item.stat(follow_symlinks=False)
            mode = status.st_mode
            found = pack(
                status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, mode
            )
            kind = mode & _TYPE
            if kind == _FILE or kind in _OTHERS:
                names.append(name)
                stamps.append(found)
            elif kind == _DIRECTORY:
                directories.append(name)
                directory_stamps.append(found)
    return Directory(
        _joined(names),
        b"".join(stamps),
        bytearray(len(names) * DIGEST),
        _joined(directories),
        b"".join(directory_stamps),
        _joined(ignored),
    )


def _joined(names: Sequence[bytes]) -> bytes:
    return b"\0".join(names) + b"\0" if names else b""


def unchanged(base: bytes, known: Sequence[tuple[bytes, Directory]]) -> list[bool]:
    """Of each directory, by its path below `base`, whether it looks as it did.

    Nearly all of the time goes to the kernel, for one stat(2) a file; so a child
    process looks at every second one, where there are many files and two processors.
    """
    files = sum(len(each.stamps) for _, each in known) // STAMP.size
    if files < SHARED_FROM or len(os.sched_getaffinity(0)) < 2 or _has_threads():
        return [_is_same(base, *each) for each in known]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(writer, base, known[1::2])
    try:
        os.close(writer)
        ours = [_is_same(base, *each) for each in known[::2]]
        theirs = _read(reader)
    except BaseException:
        os.kill(child, 9)
        raise
    finally:
        os.close(reader)
        os.waitpid(child, 0)
    # A child that died said too little: what it did not say is looked at again.
    both = [False] * len(known)
    both[::2] = ours
    for place, answer in zip(range(1, len(known), 2), theirs, strict=False):
        both[place] = bool(answer)
    return both


def _answer(writer: int, base: bytes, known: Sequence[tuple[bytes, Directory]]) -> None:
    """The child: a byte for each directory, and an end that runs nothing else."""
    try:
        left = memoryview(bytes(_is_same(base, *each) for each in known))
        while left:
            left = left[os.write(writer, left) :]
    finally:
        os._exit(0)


def _read(reader: int) -> bytes:
    pieces: list[bytes] = []
    while piece := os.read(reader, 1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def _has_threads() -> bool:
    """A process with threads must not fork: what they hold locked stays so in the child."""
    return len(os.listdir("/proc/self/task")) > 1


def _is_same(base: bytes, path: bytes, known: Directory) -> bool:
    ignored = set(known.ignored.split(b"\0"))
    hides: Callable[[bytes, bool], bool] | None = None
    if len(ignored) > 1:

        def hides(name: bytes, is_directory: bool) -> bool:
            return (name + b"/" if is_directory else name) in ignored

    try:
        return look(base + b"/" + path if path else base, hides).looks_like(known)
    except OSError:
        return False
