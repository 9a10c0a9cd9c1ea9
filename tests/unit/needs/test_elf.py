"""What ELF files say, whole, damaged and hostile."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.needs.elf import Elf, library_names, read_elf
from tests.fakes.elves import elf

REAL = Path(sys.executable).resolve().read_bytes()[: 1 << 16]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("little", [True, False])
def test_everything_is_read_in_either_class_and_byte_order(bits: int, little: bool) -> None:
    raw = elf(
        "libz.so.1",
        "libc.so.6",
        interpreter="/lib/ld.so.1",
        soname="libme.so.2",
        rpath="/a:$ORIGIN/../b",
        runpath="/c",
        wants={"libc.so.6": ["GLIBC_2.34", "GLIBC_2.2.5"], "libz.so.1": ["ZLIB_1.2.0"]},
        defines=["libme.so.2", "ME_1"],
        bits=bits,
        little=little,
    )
    assert read_elf(raw) == Elf(
        bits,
        62,
        little,
        "/lib/ld.so.1",
        ("libz.so.1", "libc.so.6"),
        ("/a", "$ORIGIN/../b"),
        ("/c",),
        "libme.so.2",
        {"libc.so.6": ("GLIBC_2.34", "GLIBC_2.2.5"), "libz.so.1": ("ZLIB_1.2.0",)},
        ("libme.so.2", "ME_1"),
    )


def test_a_weak_version_is_not_wanted() -> None:
    raw = elf("libc.so.6", wants={"libc.so.6": ["A"]}, weak={"libc.so.6": ["B"]})
    found = read_elf(raw)
    assert found is not None and found.wants == {"libc.so.6": ("A",)}


def test_a_static_program_needs_nothing() -> None:
    raw = elf()
    found = read_elf(raw)
    assert found is not None and not found.needed and not found.interpreter


@pytest.mark.parametrize("raw", [b"", b"\x7fEL", b"#!/bin/sh\n", b"\x7fELF" + bytes(10)])
def test_what_is_no_elf_file(raw: bytes) -> None:
    assert read_elf(raw) is None


def test_machines_have_the_names_of_platforms() -> None:
    def named(machine: int, *, little: bool) -> str:
        found = read_elf(elf(machine=machine, little=little))
        assert found is not None
        return found.architecture

    assert named(183, little=True) == "arm64"
    assert named(21, little=True) == "ppc64le" and named(21, little=False) == "ppc64"
    assert named(4711, little=True) == "machine 4711"


def test_a_file_that_ends_anywhere_raises_nothing() -> None:
    raw = elf("libc.so.6", interpreter="/ld", wants={"libc.so.6": ["A"]}, defines=["x"])
    for end in range(len(raw)):
        read_elf(raw[:end])


@given(st.lists(st.tuples(st.integers(0, len(REAL) - 1), st.integers(0, 255)), max_size=40))
def test_a_real_program_with_any_bytes_changed_raises_nothing(
    changes: list[tuple[int, int]],
) -> None:
    raw = bytearray(REAL)
    for at, value in changes:
        raw[at] = value
    read_elf(bytes(raw))
    library_names(bytes(raw))


@given(st.data())
def test_a_small_program_with_any_words_changed_raises_nothing(data: st.DataObject) -> None:
    raw = bytearray(
        elf("a", "b", interpreter="/ld", wants={"a": ["A"], "b": ["B", "C"]}, defines=["x", "y"])
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(4, len(raw) - 8))
        value = data.draw(st.sampled_from([0, 1, 0xFF, 0xFFFF, 0xFFFFFFFF, 1 << 63, len(raw)]))
        raw[at : at + 8] = struct.pack("<Q", value)
    read_elf(bytes(raw))


def test_records_of_versions_that_lead_in_place_come_to_an_end() -> None:
    raw = elf("a", wants={"a": ["A"] * 60_000})
    assert read_elf(raw) is not None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"\0libfoo.so.1\0", {"libfoo.so.1"}),
        (b"\0/usr/lib/libfoo.so\0", {"libfoo.so"}),
        (b"libstart.so\0", {"libstart.so"}),
        (b"\0libnss_%s.so.2\0", set()),
        (b"\0libfoo.so.1", set()),
        (b"\0libfoo.so.1 is missing\0", set()),
        (b"\0libfoo.sock\0", set()),
        (b"\0.so\0", set()),
        (b"\0a.so\0b+c-1.so.1.2\0", {"a.so", "b+c-1.so.1.2"}),
        (b".so" * 1000, set()),
        (b"\0x.so/y.so.2/libz.so.3\0", {"libz.so.3"}),
        (b"\0liba.so.d/notes\0", set()),
        (b"\0liba.so.so\0", {"liba.so.so"}),
    ],
)
def test_names_of_libraries_among_strings(text: bytes, names: set[str]) -> None:
    assert library_names(text) == names
