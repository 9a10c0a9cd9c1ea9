"""Hashing many files on several threads, in bounded memory."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence

from lamina.context.known import facts, stamp

_PIECE = 1 << 20
_PAYS = 8 << 20
"""Bytes from which a second thread is worth its start."""
_BATCH = 64
"""Files that a thread takes at once."""
_MOST = 8
"""Threads: a disk does not answer more of them sooner."""

GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))
"""What open(2) says when a file is no longer there, or a link has taken its place."""


def hash_files(
    files: Sequence[tuple[bytes, bytes]], changed: Callable[[bytes], Exception]
) -> list[bytes]:
    """The sha256 of each file, given by its place and stamp; links are not followed.

    Raises what `changed` makes of the first place where the file is not the one of the
    stamp, before or after it was read, and OSError for what cannot be read.
    """
    workers = min(_MOST, len(os.sched_getaffinity(0)))
    if workers == 1 or sum(facts(each[1]).size for each in files) < _PAYS:
        return _hash_batch(files, changed)
    from concurrent.futures import ThreadPoolExecutor

    batches = [files[at : at + _BATCH] for at in range(0, len(files), _BATCH)]
    pool = ThreadPoolExecutor(workers, thread_name_prefix="sha256")
    try:
        found: list[bytes] = []
        for digests in pool.map(lambda batch: _hash_batch(batch, changed), batches):
            found += digests
        return found
    finally:
        pool.shutdown(cancel_futures=True)


def _hash_batch(
    files: Sequence[tuple[bytes, bytes]], changed: Callable[[bytes], Exception]
) -> list[bytes]:
    return [_hash(place, expected, changed) for place, expected in files]


def _hash(place: bytes, expected: bytes, changed: Callable[[bytes], Exception]) -> bytes:
    import hashlib

    try:
        fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in GONE:
            raise changed(place) from None
        raise
    try:
        sha256 = hashlib.sha256()
        wanted = min(facts(expected).size + 1, _PIECE)
        while piece := os.read(fd, wanted):
            sha256.update(piece)
        if stamp(os.fstat(fd)) != expected:
            raise changed(place)
    finally:
        os.close(fd)
    return sha256.digest()
