"""The C library's memory allocator, under which Python's large objects lie."""

from __future__ import annotations

from lamina.linux.syscall import libc

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def keep_freed(size: int) -> None:
    """Let up to `size` bytes that were freed stay with the process, to be used again.

    glibc gives each freed buffer of 128 KiB or more back to the kernel at first, and every
    page of the next one is a fault and is cleared: a third of the time of inflating a layer.
    For the whole process, so for programs to decide and not for libraries.  Does nothing
    where the allocator has no such setting (musl).
    """
    mallopt = getattr(libc, "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, min(size, 16 << 20))
        mallopt(_TRIM_THRESHOLD, size)
        mallopt(_TOP_PAD, 1 << 20)
