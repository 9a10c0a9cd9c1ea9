"""Compressed bytes for archives that a case makes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def compressed(raw: bytes, compression: str) -> bytes:
    """`raw` in one of the forms that ADD unpacks, or as it is (`none`)."""
    if compression == "gzip":
        return gzip.compress(raw, mtime=0)
    if compression == "bzip2":
        return bz2.compress(raw)
    if compression == "xz":
        return lzma.compress(raw)
    if compression == "zstd":
        return zstd.compress(raw)
    assert compression == "none"
    return raw
