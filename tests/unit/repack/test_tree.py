"""The digest of a merged tree: its definition, and that everything counts in it."""

from __future__ import annotations

from hashlib import sha256

import pytest
from msgspec.structs import replace

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Union
from lamina.oci.digest import Digest
from lamina.repack.tree import digest, records
from tests.unit.layer.stacks import listing

CONTENT = Digest.of(b"x").raw
FILE = Entry("d/f", Kind.FILE, 0o4755, 1, 2, 1, 3_000_000_001, sha256=CONTENT)
ENTRIES = (
    Entry("", Kind.DIRECTORY, 0o755, 0, 0, 0, 1),
    Entry("d", Kind.DIRECTORY, 0o700, 0, 0, 0, 0, xattrs=(("user.a", b"\x01\x02"),)),
    FILE,
    Entry("d/also", Kind.HARDLINK, 0o4755, 1, 2, 0, 3_000_000_001, "d/f"),
    Entry("l\n", Kind.SYMLINK, 0o777, 0, 0, 0, 0, "a\\b"),
    Entry("null", Kind.CHAR, 0o666, 0, 0, 0, 0, device=(1, 3)),
)


def of(*entries: Entry) -> Digest:
    layers = [Listing(Digest.of(b""), entries, 0)]
    return digest(records(layers, Union.of(layers)))


def test_the_definition() -> None:
    content = f"sha256:{CONTENT.hex()}"
    lines = [
        ["", "5", "755", "0", "0", "1", "", "", ""],
        ["d", "5", "700", "0", "0", "0", "", "user.a=0102", ""],
        ["d/also", "0", "4755", "1", "2", "3000000001", content, "", "d/also"],
        ["d/f", "0", "4755", "1", "2", "3000000001", content, "", "d/also"],
        ["l\\n", "2", "", "0", "0", "0", "a\\\\b", "", ""],
        ["null", "3", "666", "0", "0", "0", "1,3", "", ""],
    ]
    text = "".join("\0".join(line) + "\n" for line in lines)
    assert of(*ENTRIES).hex == sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "changed",
    [
        replace(FILE, mode=0o755),
        replace(FILE, uid=0),
        replace(FILE, gid=0),
        replace(FILE, mtime=3_000_000_000),
        replace(FILE, sha256=Digest.of(b"y").raw),
        replace(FILE, xattrs=(("user.b", b""),)),
        replace(FILE, path="d/g"),
        replace(FILE, kind=Kind.FIFO, size=0),
    ],
)
def test_everything_counts(changed: Entry) -> None:
    assert of(ENTRIES[1], changed) != of(ENTRIES[1], FILE)


def test_two_files_are_not_one_with_two_names() -> None:
    assert of(FILE, replace(FILE, path="d/also")) != of(FILE, ENTRIES[3])


def test_the_mode_of_a_link_does_not_count() -> None:
    link = ENTRIES[4]
    assert of(link) == of(replace(link, mode=0o755))


def test_how_layers_make_the_tree_does_not_count() -> None:
    parts = [listing("d a", "f a/x 1 c"), listing("f a/y 2 c", "f a/x 1 d")]
    whole = [listing("f a/y 2 c", "f a/x 1 d", "d a")]
    first, second = (digest(records(each, Union.of(each))) for each in (parts, whole))
    assert first == second
