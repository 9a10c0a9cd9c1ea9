"""Compiled Python files and the time of the source that they record (PEP 552).  Pure.

Python takes a `.pyc` for stale, and compiles again at each start, unless it records its
source's time to the second.  The forms, all numbers little-endian:

    offset   from 3.7 on           3.3 to 3.6     2
    0        magic, then \\r\\n      the same       the same
    4        0; else a hash's      time           time
    8        time                  size
    12       size
"""

from __future__ import annotations

import struct
from collections.abc import Callable

HEADER = 16
"""Bytes at the beginning of the file, the time among them."""
_MASK = 0xFFFFFFFF
_CACHE = b"__pycache__"
_FIRST_OF_PYTHON_2 = 20000
"""Magic numbers of Python 3 are in the thousands, those of 2 above."""


def source_of(path: bytes) -> bytes:
    """The source of the `.pyc` at `path`: `a/__pycache__/x.cpython-311.pyc` is of `a/x.py`,
    and `a/x.pyc` as well."""
    directory, _, name = path.rpartition(b"/")
    if directory == _CACHE or directory.endswith(b"/" + _CACHE):
        return directory.removesuffix(_CACHE) + name.partition(b".")[0] + b".py"
    return path.removesuffix(b"c")


def place_of_time(header: bytes, seconds: int, size: int) -> int | None:
    """Where a `.pyc` records that its source is of that time and size (in bytes).

    None when it records another time, or none: then it is left alone.
    """
    if len(header) < 12 or header[2:4] != b"\r\n":
        return None
    first, second, third = struct.unpack_from("<LLL", header.ljust(HEADER, b"\0"), 4)
    seconds, size = seconds & _MASK, size & _MASK
    if not first:
        return 8 if (second, third) == (seconds, size) else None
    # Python 2 had no size there: whatever follows is the code.
    is_python2 = struct.unpack_from("<H", header)[0] >= _FIRST_OF_PYTHON_2
    return 4 if first == seconds and (is_python2 or second == size) else None


def restamp(
    path: bytes,
    header: bytes,
    moved: Callable[[bytes], tuple[int, int] | None],
    seconds: int,
) -> tuple[int, bytes] | None:
    """Where to write what into the `.pyc` at `path`, whose source is of another time now.

    `moved` gives the time that a source had, in seconds, and its size; None for one
    that is as it was, or is not there.
    """
    was = moved(source_of(path))
    place = place_of_time(header, *was) if was is not None else None
    return (place, struct.pack("<L", seconds & _MASK)) if place is not None else None
