"""Listings as bytes: what goes in comes out, and nothing else does."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.listing import BadListing, StoredListing, decode, encode
from lamina.oci.digest import Digest

DIFF_ID = Digest.of(b"layer")
EMPTY = Digest.of(b"").raw
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)
PATHS = st.one_of(TEXT, st.just("caf\udce9"), st.just("d/" * 500))
OTHERS = st.builds(
    Entry,
    path=PATHS,
    kind=st.sampled_from([kind for kind in Kind if kind is not Kind.FILE]),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, (1 << 32) - 1),
    gid=st.integers(0, (1 << 32) - 1),
    size=st.just(0),
    mtime=st.integers(-(1 << 62), 1 << 62),
    link=PATHS,
    device=st.tuples(st.integers(0, 1 << 20), st.integers(0, 1 << 20)),
    xattrs=st.lists(st.tuples(TEXT, st.binary(max_size=20)), max_size=2).map(tuple),
)
FILES = st.builds(
    Entry,
    path=PATHS,
    kind=st.just(Kind.FILE),
    mode=st.integers(0, 0o7777),
    uid=st.just(0),
    gid=st.just(0),
    size=st.integers(1, 1 << 60),
    mtime=st.integers(-(1 << 62), 1 << 62),
    sha256=st.one_of(st.just(b""), st.binary(min_size=32, max_size=32).filter(any)),
    offset=st.integers(0, 1 << 60),
)
EMPTY_FILES = st.builds(
    Entry,
    path=PATHS,
    kind=st.just(Kind.FILE),
    mode=st.just(0o644),
    uid=st.just(0),
    gid=st.just(0),
    size=st.just(0),
    mtime=st.just(0),
    sha256=st.just(EMPTY),
    offset=st.integers(0, 1 << 60),
)


def stored(entries: list[Entry], extras: dict[int, int] | None = None) -> StoredListing:
    return StoredListing(Listing(DIFF_ID, tuple(entries), 10_240), extras or {})


@settings(max_examples=150)
@given(
    st.lists(st.one_of(OTHERS, FILES, EMPTY_FILES), max_size=8),
    st.dictionaries(st.integers(0, 1 << 60), st.integers(0, 1 << 60), max_size=3),
)
def test_what_is_encoded_is_decoded(entries: list[Entry], extras: dict[int, int]) -> None:
    found = decode(encode(stored(entries, extras)))
    assert found.listing.diff_id == DIFF_ID
    assert found.listing.tar_size == 10_240
    assert list(found.listing.entries) == entries
    assert found.extras == extras


def test_no_flipped_bit_and_no_missing_byte_goes_unseen() -> None:
    raw = encode(stored([Entry(f"a{n}", Kind.FIFO, 0o600, 1, 2, 0, 3) for n in range(20)]))
    for at in range(len(raw)):
        for bit in range(8):
            with pytest.raises(BadListing):
                decode(bytes([*raw[:at], raw[at] ^ 1 << bit, *raw[at + 1 :]]))
        with pytest.raises(BadListing):
            decode(raw[:at])
    with pytest.raises(BadListing):
        decode(raw + b"\0")


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_else(data: bytes) -> None:
    for raw in (data, b"LAMLIST\x01" + data):
        with pytest.raises(BadListing):
            decode(raw)


def test_the_same_listing_gives_the_same_bytes() -> None:
    entries = [Entry("a", Kind.DIRECTORY, 0o755, 0, 0, 0, 5, xattrs=(("user.a", b"1"),))]
    assert encode(stored(entries)) == encode(stored(list(entries)))


def test_a_hundred_thousand_entries_load_fast_and_lie_small() -> None:
    entries = [
        Entry(
            f"usr/share/doc/package-{n // 20}/file-{n}.txt",
            Kind.FILE,
            0o644,
            0,
            0,
            n + 1,
            n * 10**9,
            sha256=Digest.of(b"%d" % n).raw,
            offset=n * 1024,
        )
        for n in range(100_000)
    ]
    raw = encode(stored(entries))
    assert len(raw) < 50 * len(entries)
    start = time.process_time()
    found = decode(raw)
    taken = time.process_time() - start
    assert found.listing.entries[99_999] == entries[99_999]
    assert taken < 1, "the goal is 0.3 s on a quiet machine"
