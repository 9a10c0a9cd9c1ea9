"""What the allocator keeps, by the page faults that come without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lamina.linux.syscall import libc

FAULTS = """
import os, resource
from isal import isal_zlib
from lamina.layer.compression import decompress
from lamina.linux.allocator import keep_freed
if {keep}:
    keep_freed(64 << 20)
packed = isal_zlib.compress(os.urandom(1 << 16) * 1000, 1, 31)
for _ in decompress([packed], "gzip", limit=None):
    pass
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in decompress([packed], "gzip", limit=None):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool) -> int:
    """Of inflating 65 MB."""
    ran = subprocess.run(
        [sys.executable, "-c", FAULTS.format(keep=keep)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(ran.stdout)


@pytest.mark.skipif(not hasattr(libc, "mallopt"), reason="the C library has no mallopt")
def test_freed_buffers_are_used_again() -> None:
    assert faults(keep=True) * 5 < faults(keep=False)
