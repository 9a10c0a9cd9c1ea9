"""Two builds beside each other: what differs, from where on, and what is known to do that."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.explain.deviations import Deviations, Spot, deviations, part
from lamina.explain.difference import Aspect
from lamina.explain.nondeterminism import cause_of
from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.oci.digest import Digest
from lamina.report import deviations as report
from lamina.report.paper import Paper
from tests.fakes.stacks import Files, stack_of, stack_of_files

STEPS = ["base", "RUN make", "RUN rm"]


def beside(stacks: Sequence[Stack]) -> Deviations:
    first, second = stacks
    return deviations(first, second)


def found(first: Files, second: Files) -> list[tuple[int, str, tuple[Aspect, ...]]]:
    """What differs in the layer of `RUN make`."""
    base: Files = {"etc": None}
    stacks = [stack_of_files([base, each], STEPS[:2]) for each in (first, second)]
    return [(each.layer, each.path, each.aspects) for each in beside(stacks).paths]


def test_equal_builds_do_not_differ() -> None:
    assert found({"a": b"1", "d": None}, {"a": b"1", "d": None}) == []


def test_what_only_one_has_and_what_differs_by_path() -> None:
    assert found({"a": b"1", "z": b"", "b": b"x"}, {"a": b"2", "b": b"x", "c": None}) == [
        (1, "a", (Aspect.CONTENT,)),
        (1, "c", ()),
        (1, "z", ()),
    ]


def test_a_file_that_a_later_layer_hides_is_named_with_its_instruction() -> None:
    stacks = [
        stack_of_files([{}, {"log": text}, {".wh.log": b""}], STEPS) for text in (b"1", b"22")
    ]
    (only,) = beside(stacks).paths
    assert (only.layer, only.path) == (1, "log")
    assert "layer 2   RUN make" in report.as_text(beside(stacks), Paper())


def test_mode_owner_time_attributes_and_links() -> None:
    plain = Entry("f", Kind.SYMLINK, 0o777, 0, 0, 0, 0, "a")
    others = {
        Aspect.LINK: msgspec.structs.replace(plain, link="b"),
        Aspect.OWNER: msgspec.structs.replace(plain, uid=1),
        Aspect.MTIME: msgspec.structs.replace(plain, mtime=10**9),
        Aspect.XATTRS: msgspec.structs.replace(plain, xattrs=(("user.x", b"1"),)),
    }
    for aspect, other in others.items():
        stacks = [
            stack_of([Listing(Digest.of(repr(each).encode()), (each,), 1024)])
            for each in (plain, other)
        ]
        (only,) = beside(stacks).paths
        assert only.aspects == (aspect,)
        assert only.spot is None


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))
def test_the_offset_is_that_of_the_first_byte_that_differs(
    same: bytes, first: bytes, second: bytes
) -> None:
    a, b = same + first, same + second
    spot = part(io.BytesIO(a), io.BytesIO(b))
    if a == b:
        assert spot is None
    else:
        assert spot is not None
        assert a[: spot.offset] == b[: spot.offset]
        assert a[spot.offset : spot.offset + 1] != b[spot.offset : spot.offset + 1]


def test_the_line_is_told_of_a_text() -> None:
    same = "eins\n" * 40_000
    first, second = (same + f"zwei drei {n}\nvier\n" for n in (1, 2))
    spot = part(io.BytesIO(first.encode()), io.BytesIO(second.encode()))
    assert spot == Spot(len(same) + 10, 40_001, "zwei drei 1", "zwei drei 2")


@pytest.mark.parametrize(
    ("first", "second", "spot"),
    [
        (b"a\n", b"a\nb\n", Spot(2, 2, "", "b")),
        (b"", b"b", Spot(0, 1, "", "b")),
        (b"a\0b", b"a\0c", Spot(2)),
        (b"\xff\xfe", b"\xff\xfd", Spot(1)),
        ("é1".encode(), "é2".encode(), Spot(2, 1, "é1", "é2")),
        (("é" * 5000 + "1").encode(), ("é" * 5000 + "2").encode(), None),
    ],
)
def test_what_is_no_text_has_an_offset_alone(
    first: bytes, second: bytes, spot: Spot | None
) -> None:
    actual = part(io.BytesIO(first), io.BytesIO(second))
    assert actual == spot or (spot is None and actual is not None and actual.offset == 10_000)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("etc/machine-id", "machine-id"),
        ("etc/ssh/ssh_host_ed25519_key", "ssh-host-key"),
        ("var/lib/systemd/random-seed", "random-seed"),
        ("etc/shadow", "shadow"),
        ("etc/shadow-", "shadow"),
        ("etc/passwd-", "backup"),
        ("var/lib/dpkg/status-old", "backup"),
        ("var/cache/ldconfig/aux-cache", "ldconfig"),
        ("var/cache/fontconfig/3830d5c3-le64.cache-7", "fontconfig"),
        ("usr/share/fonts/truetype/.uuid", "fontconfig"),
        ("var/lib/apt/lists/deb.debian.org_InRelease", "package-lists"),
        ("var/cache/apt/pkgcache.bin", "package-lists"),
        ("var/log/dpkg.log", "log"),
        ("var/log/apt/term.log", "log"),
        ("srv/app/build.log", "log"),
        ("root/.cache/pip/http/1", "cache"),
        ("tmp/x", "temporary"),
        ("var/lib/rpm/rpmdb.sqlite", "package-database"),
        ("etc/ssl/certs/java/cacerts", "keystore"),
        ("usr/lib/python3/__pycache__/x.cpython-311.pyc", "pyc"),
    ],
)
def test_what_is_known_of_a_path(path: str, name: str) -> None:
    cause = cause_of(path)
    assert cause is not None
    assert cause.name == name


@pytest.mark.parametrize(
    ("head", "offset", "name"),
    [
        (gzip.compress(b"", mtime=1)[:16], 4, "gzip"),
        (gzip.compress(b"", mtime=1)[:16], 12, None),
        (b"!<arch>\nx.o/", 30, "ar"),
        (b"PK\x03\x04", 10, "zip"),
        (b"\x7fELF\x02", 600, "binary"),
        (b"SQLite format 3\0", 24, "database"),
        (b"text", 0, None),
    ],
)
def test_what_is_known_of_a_content(head: bytes, offset: int, name: str | None) -> None:
    cause = cause_of("srv/file", head=head, offset=offset)
    assert (cause.name if cause else None) == name


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("Thu Nov 26 21:40:59 UTC 2026", "Fri Nov 27 00:00:01 UTC 2026", "time"),
        ("built=1795729969", "built=1795729970", "time"),
        ("at 2026-11-26", "at 2026-11-27", "time"),
        (
            "id: 0f8fad5b-d9cb-469f-a165-70867728950e",
            "id: 7c9e6679-7425-40de-944b-e07fc1f90ae7",
            "uuid",
        ),
        ("processors: 2", "processors: 1", None),
        ("a", "b", None),
    ],
)
def test_what_is_known_of_a_line(first: str, second: str, name: str | None) -> None:
    cause = cause_of("srv/file", lines=(first, second))
    assert (cause.name if cause else None) == name


def test_secrets_are_not_told() -> None:
    path = "etc/ssh/ssh_host_rsa_key"
    stacks = [stack_of_files([{path: text}], ["RUN apt"]) for text in (b"secret-1", b"secret-2")]
    all_of_it = beside(stacks)
    assert "secret-" not in report.as_text(all_of_it, Paper())
    assert "secret-" not in str(report.as_json(all_of_it))
    assert all_of_it.paths[0].spot is not None


def test_what_a_layer_wrote_is_escaped() -> None:
    stacks = [
        stack_of_files([{"a\x1b[2J": b"\x1b[31m" + text}], ["RUN x"]) for text in (b"1", b"2")
    ]
    text = report.as_text(beside(stacks), Paper())
    assert "\x1b" not in text
    assert "a\\e[2J" in text


def test_a_deletion_is_told_by_what_it_deletes() -> None:
    stacks = [stack_of_files([each], ["RUN x"]) for each in ({"a/.wh.b": b""}, {"a": None})]
    text = report.as_text(beside(stacks), Paper())
    assert "−   /a/b   deleted only the first time" in text


def test_the_report() -> None:
    first: Files = {"var/log/dpkg.log": b"12:00:01 install\n", "srv/n": b"2\n", "srv/x": b""}
    second: Files = {"var/log/dpkg.log": b"12:00:02 install\n", "srv/n": b"1\n"}
    stacks = [stack_of_files([each], ["RUN apt install"]) for each in (first, second)]
    assert report.as_text(beside(stacks), Paper()) == (
        "\n   layer 1   RUN apt install\n"
        "   ~   /srv/n   content from line 1\n"
        "        − 2\n"
        "        + 1\n"
        "   −   /srv/x   only the first time\n"
        "   ~   /var/log/dpkg.log   content from line 1   log\n"
        "        − 12:00:01 install\n"
        "        + 12:00:02 install\n"
        "\n   a log, with times: remove it in the same RUN: `rm -rf /var/log/*`\n"
    )
