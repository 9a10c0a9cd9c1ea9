"""Compressed tar streams: gzip (RFC 1952), zstd (RFC 8878); xz and bzip2 are only read.

Gzip goes through ISA-L, which inflates five times as fast as zlib and lets go
of the GIL.  Everything here is a stage (see `pipeline`).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from isal import ISAL_VERSION, igzip_lib, isal_zlib

from lamina.errors import Corrupt, Invalid
from lamina.layer.pipeline import reading
from lamina.oci.mediatype import Compression

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_BITE = 1 << 16
"""Bytes of input a decompressor gets at once: a stream of many tiny members is copied once
for each of them, and no more than this of it."""
_PIECE = 1 << 20
"""Most bytes of one piece of output."""
_MAX_HEADER = 1 << 20
_BLOCK = 1 << 20
_WINDOW = 1 << 15
_GZIP_LEVEL = 2
_ZSTD_LEVEL = 3
_ZSTD_JOB = 2 << 20
"""Bytes that a worker gets at once.  Zstd's own choice, 8 MiB, makes 1 % less of a layer, in
three times the memory and a quarter more time."""
GZIP_PARAMETERS = f"gzip, isal {ISAL_VERSION}, level {_GZIP_LEVEL}, blocks of {_BLOCK}"
"""What decides, beside the input, which bytes `compress_gzip` makes; the processor may, too:
ISA-L has code of its own for some."""
ZSTD_PARAMETERS = f"zstd, libzstd {zstd.zstd_version}, level {_ZSTD_LEVEL}, jobs of {_ZSTD_JOB}"
"""The same for `compress_zstd`."""
_GZIP_HEADER = bytes.fromhex("1f8b08000000000000ff")
"""No name, no time, system unknown."""
_LAST_BLOCK = b"\x03\x00"
"""An empty final deflate block: each block before it ends on a byte, but none says it is last."""


_Bytes = bytes | memoryview


class BadCompression(Corrupt):
    """A compressed stream that is damaged, cut off, or followed by something else."""


class TooLarge(Invalid):
    """A stream that holds more than it may: a decompression bomb."""


class _Decompressor(Protocol):
    """What `bz2`, `lzma`, `zstd` and `igzip_lib` share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, max_length: int = -1) -> bytes: ...


class _Gzip:
    """One member, through ISA-L, which gets the member's header in one piece.

    (With two or more of the optional fields in it, ISA-L 2.31 loses its way when
    the header comes in two.)
    """

    def __init__(self) -> None:
        self._inner: _Decompressor = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        self._header = b""
        self._in_header = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._in_header or self._inner.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int = -1) -> bytes:
        if self._in_header:
            self._header += data
            if len(self._header) < _MAX_HEADER and not _whole_header(self._header):
                return b""
            data, self._header, self._in_header = self._header, b"", False
        return self._inner.decompress(data, max_length)


def _whole_header(data: bytes) -> bool:
    """Whether `data`, the beginning of a gzip member, has all of its header (RFC 1952, 2.3).

    True as well for what is no header: ISA-L says so best.
    """
    if not _GZIP_HEADER.startswith(data[:3]):
        return True
    if len(data) < 10:
        return False
    flags, at = data[3], 10
    if flags & 4:  # FEXTRA
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (8, 16):  # FNAME, FCOMMENT
        if flags & flag:
            at = data.find(0, at) + 1
            if not at:
                return False
    return at + (flags & 2) <= len(data)  # FHCRC


def _bzip2() -> _Decompressor:
    import bz2

    return bz2.BZ2Decompressor()


def _xz() -> _Decompressor:
    import lzma

    # Its dictionary may be as large as the file says: 65 MiB is what `xz -9` needs.
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=80 << 20)


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": _Gzip,
    "zstd": zstd.ZstdDecompressor,
    "xz": _xz,
    "bzip2": _bzip2,
}
_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    # A skippable frame, which zstd:chunked and some other writers begin with.
    *((bytes([low, 0x2A, 0x4D, 0x18]), "zstd") for low in range(0x50, 0x60)),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)
_LONGEST_MAGIC = max(len(magic) for magic, _ in _MAGIC)


def decompress(
    chunks: Iterable[bytes],
    compression: Compression | None,
    *,
    limit: int | None,
    what: str = "the layer",
) -> Iterator[bytes]:
    """What the stream holds, in pieces of at most 1 MiB (uncompressed ones pass as they come).

    `compression` None looks at the first bytes: gzip, zstd, xz, bzip2, or else
    none.  Several gzip members or zstd frames in a row are one stream.
    `limit` is the most bytes that may come out; `what` names its owner in
    errors.

    Raises BadCompression for damage, truncation or anything behind the stream,
    and TooLarge on passing `limit`.
    """
    with reading(chunks) as source:
        if compression is None:
            head, source = _peek(source)
            name = next((name for magic, name in _MAGIC if head.startswith(magic)), "none")
        else:
            name = compression
        pieces = source if name == "none" else _inflated(source, name, what)
        size = 0
        for piece in pieces:
            size += len(piece)
            if limit is not None and size > limit:
                raise TooLarge(
                    f"{what} unpacks to more than the {limit} bytes that it may",
                    hint="no honest layer grows so much: do not trust where it came from",
                )
            yield piece


def _peek(source: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, enough for a magic number, and the whole stream again."""
    seen: list[bytes] = []
    length = 0
    for chunk in source:
        seen.append(chunk)
        length += len(chunk)
        if length >= _LONGEST_MAGIC:
            break
    return b"".join(seen)[:_LONGEST_MAGIC], _chained(seen, source)


def _chained(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from first
    first.clear()
    yield from rest


def _inflated(source: Iterator[bytes], name: str, what: str) -> Iterator[bytes]:
    make = _DECOMPRESSORS[name]
    decompressor = make()
    behind = False
    for chunk in source:
        view = memoryview(chunk)
        for start in range(0, len(view), _BITE):
            data: bytes | memoryview = view[start : start + _BITE]
            while data:
                if decompressor.eof:
                    decompressor, behind = make(), True
                try:
                    yield from _outputs(decompressor, data)
                except _failures() as error:
                    fault = (
                        f"has something behind it that is not {name}" if behind else "is damaged"
                    )
                    raise BadCompression(f"the {name} stream of {what} {fault}: {error}") from None
                data = decompressor.unused_data
    if not decompressor.eof:
        more = ", or has something behind it" if behind else ""
        raise BadCompression(
            f"the {name} stream of {what} is cut off{more}",
            hint="it was not transferred whole; fetch it again",
        )


def _outputs(decompressor: _Decompressor, data: bytes | memoryview) -> Iterator[bytes]:
    """All that comes out for `data`, in pieces of bounded size."""
    if piece := decompressor.decompress(data, _PIECE):
        yield piece
    while not decompressor.eof and not decompressor.needs_input:
        if piece := decompressor.decompress(b"", _PIECE):
            yield piece


def _failures() -> tuple[type[Exception], ...]:
    """What the decompressors raise: bz2 OSError, lzma its own, which counts once it is loaded."""
    lzma = sys.modules.get("lzma")
    xz = (lzma.LZMAError,) if lzma is not None else ()
    return (igzip_lib.IsalError, zstd.ZstdError, OSError, *xz)


def compress_gzip(chunks: Iterable[bytes], *, threads: int) -> Iterator[bytes]:
    """One gzip member, deflated in blocks of 1 MiB on `threads` threads, in pieces of about
    1 MiB at most.

    The bytes depend on the input alone: not on how it was cut into pieces, not
    on the number of threads.  (Another version of ISA-L may give others.)
    """
    with reading(chunks) as source:
        yield _GZIP_HEADER
        checksum = size = 0
        before: _Bytes = b""
        waiting: deque[Future[bytes]] = deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="gzip") as pool:
            for block in _blocks(source):
                checksum = isal_zlib.crc32(block, checksum)
                size += len(block)
                waiting.append(pool.submit(_deflate, block, before))
                before = block[-_WINDOW:]
                if len(waiting) > threads + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        yield _LAST_BLOCK
        yield checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def _deflate(block: _Bytes, before: _Bytes) -> bytes:
    """`block` as raw deflate that ends on a byte, as it would be in a stream after `before`."""
    dictionary = (before,) if before else ()
    stream = isal_zlib.compressobj(
        _GZIP_LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS, 9, 0, *dictionary
    )
    packed: bytes = stream.compress(block) + stream.flush(isal_zlib.Z_SYNC_FLUSH)
    return packed


def _blocks(chunks: Iterator[bytes]) -> Iterator[_Bytes]:
    """The stream cut anew, into pieces of exactly 1 MiB but for the last.

    Nothing is copied where a piece comes as one block, or as several.
    """
    gathered: list[_Bytes] = []
    size = 0
    for chunk in chunks:
        view = memoryview(chunk)
        while size + len(view) >= _BLOCK:
            cut = _BLOCK - size
            yield b"".join((*gathered, view[:cut])) if gathered else view[:cut]
            view = view[cut:]
            gathered.clear()
            size = 0
        if view:
            gathered.append(view)
            size += len(view)
    if gathered:
        yield b"".join(gathered)


def compress_zstd(chunks: Iterable[bytes], *, threads: int) -> Iterator[bytes]:
    """One zstd frame with a checksum, compressed by `threads` threads, in pieces of at most
    1 MiB.

    The bytes depend on the input and the version of zstd alone.
    """
    # With one worker and more zstd cuts the stream into jobs whose size does not depend on
    # their number; with none (which means "here") it does not, so the bytes would differ.
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: _ZSTD_LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
        zstd.CompressionParameter.nb_workers: max(1, threads),
        zstd.CompressionParameter.job_size: _ZSTD_JOB,
    }
    compressor = zstd.ZstdCompressor(options=options)
    with reading(chunks) as source:
        for chunk in source:
            yield from _cut(compressor.compress(chunk))
        yield from _cut(compressor.flush())


def _cut(data: bytes) -> Iterator[bytes]:
    """`data` in pieces of at most 1 MiB: whoever counts pieces counts on it."""
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]
