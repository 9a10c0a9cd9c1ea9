"""What a .pyc records of its source, held against what Python itself writes and accepts."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.copying.pyc import HEADER, place_of_time, restamp, source_of

TIME, SIZE = 1_700_000_000, 42


@pytest.mark.parametrize(
    ("compiled", "source"),
    [
        (b"a/__pycache__/x.cpython-311.pyc", b"a/x.py"),
        (b"a/__pycache__/x.cpython-311.opt-2.pyc", b"a/x.py"),
        (b"__pycache__/x.cpython-312.pyc", b"x.py"),
        (b"a/x.pyc", b"a/x.py"),
        (b"x.pyc", b"x.py"),
        (b"a/not__pycache__/x.pyc", b"a/not__pycache__/x.py"),
    ],
)
def test_the_source(compiled: bytes, source: bytes) -> None:
    assert source_of(compiled) == source


@given(st.from_regex(r"[a-z_][a-z0-9_]{0,9}", fullmatch=True), st.sampled_from(["", 1, 2]))
def test_the_source_is_the_one_that_python_means(name: str, level: str | int) -> None:
    cached = importlib.util.cache_from_source(f"/d/{name}.py", optimization=level)
    assert source_of(os.fsencode(cached)) == f"/d/{name}.py".encode()


def header(magic: int, *numbers: int) -> bytes:
    return struct.pack("<H", magic) + b"\r\n" + struct.pack(f"<{len(numbers)}L", *numbers)


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (header(3495, 0, TIME, SIZE), 8),
        (header(3495, 0, TIME + 1, SIZE), None),
        (header(3495, 0, TIME, SIZE + 1), None),
        (header(3495, 0b01, TIME, SIZE), None),
        (header(3495, 0b11, TIME, SIZE), None),
        (header(3379, TIME, SIZE, 0xE3), 4),
        (header(3379, TIME, SIZE + 1, 0xE3), None),
        (header(62211, TIME, 0x63, 0), 4),
        (header(62211, TIME + 1, 0x63, 0), None),
        (b"", None),
        (header(3495, 0)[:7], None),
        (b"#!/bin/python ok", None),
    ],
)
def test_where_the_time_stands(found: bytes, place: int | None) -> None:
    assert place_of_time(found, TIME, SIZE) == place


def test_what_python_writes_is_read(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_text("x = 1\n")
    os.utime(source, (TIME, TIME))
    compiled = py_compile.compile(str(source), doraise=True)
    assert compiled is not None
    found = Path(compiled).read_bytes()[:HEADER]
    moved = {os.fsencode(source): (TIME, 6)}
    assert restamp(os.fsencode(compiled), found, moved.get, 99) == (8, struct.pack("<L", 99))


def test_a_source_that_stays_as_it_is_needs_nothing() -> None:
    assert restamp(b"x.pyc", header(3495, 0, TIME, SIZE), lambda _: None, 99) is None


@pytest.mark.parametrize("mode", ["checked-hash", "unchecked-hash"])
def test_a_file_that_records_a_hash_is_left_alone(tmp_path: Path, mode: str) -> None:
    source = tmp_path / "x.py"
    source.write_text("x = 1\n")
    how = py_compile.PycInvalidationMode[mode.upper().replace("-", "_")]
    compiled = py_compile.compile(str(source), doraise=True, invalidation_mode=how)
    assert compiled is not None
    found = Path(compiled).read_bytes()[:HEADER]
    for seconds in (0, 1, 3, TIME, int(source.stat().st_mtime)):
        assert place_of_time(found, seconds, 6) is None


def test_times_and_sizes_are_kept_in_32_bits() -> None:
    assert place_of_time(header(3495, 0, 5, 7), (1 << 32) + 5, (1 << 32) + 7) == 8
