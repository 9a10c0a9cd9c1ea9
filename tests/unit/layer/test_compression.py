"""gzip and zstd, both ways, and what is wrong with a stream in words."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import random
import shutil
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.layer.compression import (
    BadCompression,
    TooLarge,
    compress_gzip,
    compress_zstd,
    decompress,
)
from lamina.layer.pipeline import reading, staged
from lamina.oci.mediatype import Compression

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MiB = 1 << 20
WORDS = [bytes(random.Random(seed).randbytes(seed % 37 + 3)) for seed in range(500)]


def prose(size: int, seed: int = 0) -> bytes:
    """Bytes that compress about as well as a layer does."""
    chooser = random.Random(seed)
    return b"".join(chooser.choices(WORDS, k=size // 10))[:size]


def cut(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def unpacked(
    data: bytes,
    compression: Compression | None = None,
    *,
    step: int = 1000,
    limit: int | None = None,
) -> bytes:
    return b"".join(decompress(cut(data, step), compression, limit=limit))


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
KNOWN: list[tuple[str, Compression | None]] = [
    ("gzip", "gzip"),
    ("zstd", "zstd"),
    *((name, None) for name in PACK),
]


@pytest.mark.parametrize(("name", "compression"), KNOWN)
@pytest.mark.parametrize("step", [1, 7, 1000, 10**9])
def test_it_comes_back(name: str, compression: Compression | None, step: int) -> None:
    data = prose(30_000)
    assert unpacked(PACK[name](data), compression, step=step) == data


@pytest.mark.parametrize(("name", "compression"), KNOWN)
def test_several_streams_in_a_row_are_one(name: str, compression: Compression | None) -> None:
    packed = b"".join(map(PACK[name], (b"one ", b"", prose(5000), b" three")))
    for step in (1, 100, 10**9):
        assert unpacked(packed, compression, step=step) == b"one " + prose(5000) + b" three"


@pytest.mark.parametrize("data", [b"", b"\x1f", b"x" * 2000, b"BZ", b"\x28\xb5\x2f", bytes(1024)])
def test_what_has_no_magic_is_not_compressed(data: bytes) -> None:
    assert unpacked(data) == data
    assert unpacked(data, step=1) == data


def test_none_passes_the_very_pieces() -> None:
    pieces = [b"\x1f\x8b not gzip", b"", b"more"]
    assert list(decompress(pieces, "none", limit=None)) == pieces


def test_a_zstd_stream_may_begin_and_end_with_skippable_frames() -> None:
    skippable = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"\x1f\x8babc"
    packed = skippable + zstd.compress(b"data") + skippable
    assert unpacked(packed, "zstd", step=3) == b"data"
    assert unpacked(packed, None, step=3) == b"data"


@pytest.mark.parametrize("flags", range(0, 32, 2))
def test_a_gzip_header_with_optional_fields_cut_anywhere(flags: int) -> None:
    header = b"\x1f\x8b\x08" + bytes([flags]) + bytes(4) + b"\x00\x03"
    fields = {4: b"\x04\x00abcd", 8: b"name\0", 16: b"note\0"}
    header += b"".join(field for flag, field in fields.items() if flags & flag)
    if flags & 2:
        header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")
    packed = header + gzip.compress(b"data", mtime=0)[10:]
    assert gzip.decompress(packed) == b"data"
    for at in range(len(packed)):
        pieces = [gzip.compress(b"before"), packed[:at], packed[at:]]
        assert b"".join(decompress(pieces, "gzip", limit=None)) == b"beforedata"


def test_a_gzip_header_without_end_is_not_gathered_for_ever() -> None:
    header = b"\x1f\x8b\x08\x08" + bytes(4) + b"\x00\x03"
    with pytest.raises(BadCompression, match="cut off"):
        list(decompress([header, *[b"n" * 65536] * 100], "gzip", limit=None))


@pytest.mark.parametrize(("name", "compression"), KNOWN)
def test_a_stream_cut_off_anywhere(name: str, compression: Compression | None) -> None:
    packed = PACK[name](prose(2000))
    for length in range(6 if compression is None else 0, len(packed), 13):
        with pytest.raises(BadCompression, match=f"the {name} stream of the layer is cut off"):
            unpacked(packed[:length], compression)
    with pytest.raises(BadCompression, match="cut off"):
        unpacked(packed[:-1], compression)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("tail", [b"\0", b"garbage", bytes(512), b"\x1f", b"\x1f\x8b\x08\0\0\0"])
@pytest.mark.parametrize("step", [5, 10**9])
def test_anything_behind_the_stream(name: Compression, tail: bytes, step: int) -> None:
    with pytest.raises(BadCompression, match="something behind it"):
        unpacked(PACK[name](b"data") + tail, name, step=step)


@pytest.mark.parametrize(("name", "compression"), KNOWN)
def test_no_changed_byte_goes_unnoticed(name: str, compression: Compression | None) -> None:
    data = prose(300)
    packed = PACK[name](data)
    if name == "zstd":  # a checksum is optional there, and Lamina's own writer makes one
        packed = b"".join(compress_zstd([data], threads=1))
    for at in range(len(packed)):
        broken = bytes([*packed[:at], packed[at] ^ 0x41, *packed[at + 1 :]])
        try:
            # Without its magic number it is no longer compressed.
            magic_gone = compression is None and at < 6
            assert unpacked(broken, compression) in ((data, broken) if magic_gone else (data,))
        except BadCompression:
            pass


@given(st.binary(max_size=300), st.sampled_from(["gzip", "zstd"]))
def test_garbage_raises_nothing_else(data: bytes, compression: Compression) -> None:
    for head in (b"", PACK[compression](b"x")[:6], PACK[compression](b"x")):
        try:
            unpacked(head + data, compression)
        except BadCompression as error:
            assert "the layer" in str(error)


@pytest.mark.parametrize(("name", "compression"), [*KNOWN, ("none", "none"), ("none", None)])
def test_the_limit_is_the_most_that_may_come_out(
    name: str, compression: Compression | None
) -> None:
    data = bytes(100_000)
    packed = PACK.get(name, bytes)(data)
    assert unpacked(packed, compression, limit=100_000) == data
    with pytest.raises(TooLarge, match="layer 7 unpacks to more than the 99999 bytes"):
        list(decompress([packed], compression, limit=99_999, what="layer 7"))


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_bomb_is_stopped_early_and_in_little_memory(name: Compression) -> None:
    packed = PACK[name](bytes(200 * MiB))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            for piece in decompress([packed], name, limit=50 * MiB):
                assert len(piece) <= MiB
        assert tracemalloc.get_traced_memory()[1] < 8 * MiB
    finally:
        tracemalloc.stop()


def test_many_tiny_members_in_one_piece_do_not_take_quadratic_time() -> None:
    member = gzip.compress(b"", mtime=0)
    assert unpacked(member * 20_000, "gzip", step=10**9) == b""


def test_an_error_of_the_source_is_not_taken_for_a_damaged_stream() -> None:
    def broken() -> Iterator[bytes]:
        yield gzip.compress(b"data")[:10]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        list(decompress(broken(), "gzip", limit=None))


def test_a_damaged_stream_ends_the_stages_before_it() -> None:
    with pytest.raises(BadCompression) as caught:
        list(decompress(staged(iter([b"no gzip at all"] * 1000)), "gzip", limit=None))
    assert [t for t in threading.enumerate() if t.name == "stage"] == []
    assert "damaged" in str(caught.value)


Compressor = Callable[..., Iterator[bytes]]


def gzipped(data: Iterable[bytes], threads: int = 2) -> bytes:
    return b"".join(compress_gzip(data, threads=threads))


@pytest.mark.parametrize(
    "size", [0, 1, 32767, 32768, MiB - 1, MiB, MiB + 1, 2 * MiB, 5 * MiB + 12345]
)
@pytest.mark.parametrize("compress", [compress_gzip, compress_zstd])
def test_what_is_compressed_comes_back(compress: Compressor, size: int) -> None:
    data = prose(size)
    packed = b"".join(compress(cut(data, 70_001), threads=2))
    assert unpacked(packed, step=100_000) == data
    if compress is compress_gzip:
        assert gzip.decompress(packed) == data
    else:
        assert zstd.decompress(packed) == data


@pytest.mark.parametrize("compress", [compress_gzip, compress_zstd])
def test_the_bytes_depend_on_neither_threads_nor_pieces(compress: Compressor) -> None:
    data = prose(9 * MiB + 77)
    results = {
        hashlib.sha256(b"".join(compress(cut(data, step), threads=threads))).hexdigest()
        for threads, step in [(1, 10**9), (2, 10**9), (3, 4096), (8, 1_000_003), (1, 512)]
    }
    assert len(results) == 1


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=5000), max_size=20))
def test_any_pieces_compress(pieces: list[bytes]) -> None:
    assert gzip.decompress(gzipped(pieces)) == b"".join(pieces)
    assert zstd.decompress(b"".join(compress_zstd(pieces, threads=1))) == b"".join(pieces)


def test_the_gzip_header_names_nothing_and_no_time() -> None:
    assert gzipped([b"x"])[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def test_blocks_share_a_window_so_cutting_costs_little() -> None:
    data = prose(8 * MiB)
    once = len(gzip.compress(data, 1))
    assert len(gzipped([data])) < once * 1.1


@pytest.mark.parametrize("tool", ["gzip", "zstd"])
def test_the_tools_themselves_read_it(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    data = prose(3 * MiB + 5)
    compress: Compressor = compress_gzip if tool == "gzip" else compress_zstd
    packed = b"".join(compress([data], threads=2))
    shown = subprocess.run([tool, "-dc"], input=packed, capture_output=True, check=True)
    assert shown.stdout == data


@pytest.mark.parametrize("compress", [compress_gzip, compress_zstd])
@pytest.mark.parametrize("step", [1000, 9 * MiB])
def test_pieces_are_small_whatever_the_content(compress: Compressor, step: int) -> None:
    noise = random.Random(1).randbytes(9 * MiB)
    pieces = list(compress(cut(noise, step), threads=2))
    assert unpacked(b"".join(pieces), step=MiB) == noise
    # What cannot be deflated grows by a few bytes for each 64 KiB.
    assert max(map(len, pieces)) <= MiB + 1024


@pytest.mark.parametrize("compress", [compress_gzip, compress_zstd])
def test_a_compressor_closed_early_leaves_no_thread(compress: Compressor) -> None:
    before = threading.active_count()
    with reading(compress(iter([prose(MiB)] * 50), threads=2)) as packed:
        next(packed)
        next(packed)
    assert threading.active_count() == before


@pytest.mark.parametrize("compress", [compress_gzip, compress_zstd])
def test_an_error_of_the_source_goes_through_a_compressor(compress: Compressor) -> None:
    def broken() -> Iterator[bytes]:
        yield prose(3 * MiB)
        raise OSError("disk gone")

    before = threading.active_count()
    with pytest.raises(OSError, match="disk gone"):
        list(compress(broken(), threads=2))
    assert threading.active_count() == before


def test_compression_reads_no_further_ahead_than_its_threads_need() -> None:
    taken = 0

    def source() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield bytes(MiB)

    stream = compress_gzip(source(), threads=2)
    with reading(stream):
        next(stream)
        assert taken == 0
        next(stream)
        assert taken <= 5


def test_gzip_through_a_file_object_as_python_reads_it() -> None:
    data = prose(2 * MiB)
    with gzip.open(io.BytesIO(gzipped([data]))) as stream:
        assert stream.read() == data
