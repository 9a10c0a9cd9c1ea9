"""Small programs of our own, made in memory that nobody can change."""

from __future__ import annotations

import fcntl
import os
import struct

_BASE = 0x400000
_HEADERS = 64 + 56
CODE_ADDRESS = _BASE + _HEADERS
"""Where the code of a program begins in its memory."""
_MFD_EXEC = 0x10


def elf(machine: int, code: bytes, *, entry: int = 0) -> bytes:
    """An ELF file of `code` alone, which begins `entry` bytes into it.

    `machine` is ELF's number; the code is read-only in memory and has no data beside it.
    """
    size = _HEADERS + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        *(2, machine, 1, CODE_ADDRESS + entry, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code


def sealed(name: str, program: bytes) -> int:
    """`program` in sealed memory; the caller closes the descriptor.  Raises OSError."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        fd = os.memfd_create(name, flags | _MFD_EXEC)
    except OSError:  # before Linux 6.3 every memfd was executable, and the flag unknown
        fd = os.memfd_create(name, flags)
    os.write(fd, program)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd
