"""The sha256 of documents of a few kilobytes, without OpenSSL.  Pure.

`hashlib` loads OpenSSL, which costs a start 2.5 ms, and a cold one the reading of 4 MB.
It is three times as fast, so whoever hashes much, or a stream, takes `hashlib`.
"""

from __future__ import annotations

# As CPython's own random.py does it.
try:
    from _sha2 import sha256 as _sha256  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    try:
        from _sha256 import sha256 as _sha256  # type: ignore[import-not-found, unused-ignore]
    except ImportError:  # a Python built without hashes of its own
        from hashlib import sha256 as _sha256

_SMALL = 256 << 10


def sha256(data: bytes | bytearray | memoryview) -> bytes:
    """The 32 bytes."""
    if len(data) > _SMALL:
        import hashlib

        return hashlib.sha256(data).digest()
    digest: bytes = _sha256(data).digest()
    return digest
