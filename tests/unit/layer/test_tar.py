"""Our tar reader and writer, against `tarfile` and against what is wrong with an archive."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.errors import BadLayer
from lamina.layer.tar import TarReader, clean_path
from lamina.layer.tarwriter import encode_header, write_tar
from tests.fakes.archives import (
    ANY_PATHS,
    FORMATS,
    Member,
    archive,
    cut,
    device,
    fifo,
    file,
    folder,
    hardlink,
    members,
    pieces,
    symlink,
)

Read = list[tuple[Entry, bytes]]


def read(data: bytes, *, step: int = 1 << 20) -> Read:
    """Every entry and its content."""
    reader = TarReader(cut(data, step))
    return [(entry, b"".join(map(bytes, reader.content()))) for entry in reader]


def entries(data: bytes) -> list[Entry]:
    return list(TarReader([data]))


def as_tarfile_has_it(data: bytes) -> Read:
    """The same, by the standard library."""
    found: Read = []
    with tarfile.open(
        fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape"
    ) as archived:
        for info in archived:
            kind = Kind(info.type[0] or ord("0"))
            content = b""
            if kind is Kind.FILE:
                stream = archived.extractfile(info)
                assert stream is not None
                content = stream.read()
            name = "/".join(part for part in info.name.split("/") if part not in ("", "."))
            link = info.linkname if kind is Kind.SYMLINK else ""
            if kind is Kind.HARDLINK:
                link = "/".join(part for part in info.linkname.split("/") if part not in ("", "."))
            entry = Entry(
                name,
                kind,
                info.mode & 0o7777,
                info.uid,
                info.gid,
                len(content),
                int(info.mtime) * 10**9,
                link,
                (info.devmajor, info.devminor) if kind in (Kind.CHAR, Kind.BLOCK) else (0, 0),
                tuple(
                    sorted(
                        (
                            key.removeprefix("SCHILY.xattr."),
                            value.encode("utf-8", "surrogateescape"),
                        )
                        for key, value in info.pax_headers.items()
                        if key.startswith("SCHILY.xattr.")
                    )
                ),
                offset=info.offset_data if kind is Kind.FILE else 0,
            )
            found.append((entry, content))
    return found


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=150)
@given(data=st.data(), step=st.sampled_from([1, 100, 511, 512, 513, 5000, 1 << 20]))
def test_it_reads_what_tarfile_reads(form: int, data: st.DataObject, step: int) -> None:
    pax = form == tarfile.PAX_FORMAT
    made = data.draw(st.lists(members(ANY_PATHS, pax=pax), max_size=6))
    try:
        raw = archive(*made, form=form)
    except ValueError:  # no room in ustar
        assume(False)
    ours, theirs = read(raw, step=step), as_tarfile_has_it(raw)
    assert [content for _, content in ours] == [content for _, content in theirs]
    for (mine, _), (other, _) in zip(ours, theirs, strict=True):
        assert mine == other


@settings(max_examples=150)
@given(
    st.lists(members(ANY_PATHS), max_size=5),
    st.lists(st.integers(0, 1500), max_size=30),
    st.sampled_from(FORMATS),
)
def test_what_is_kept_and_the_contents_are_the_whole_stream(
    made: list[Member], sizes: list[int], form: int
) -> None:
    try:
        raw = archive(*made, form=form)
    except ValueError:
        assume(False)
    kept: list[bytes] = []
    reader = TarReader(pieces(raw, sizes), keep=kept.append)
    rebuilt: list[bytes] = []
    for number, entry in enumerate(reader):
        rebuilt += kept
        kept.clear()
        assert raw[entry.offset - 512 :][:512] == rebuilt[-1] or entry.kind is not Kind.FILE
        if number % 3:  # a third is left to the reader to pass over
            rebuilt += map(bytes, reader.content())
        elif (view := reader.whole()) is not None:
            rebuilt.append(bytes(view))
        else:
            rebuilt += map(bytes, reader.content())
    assert b"".join(rebuilt + kept) == raw
    assert reader.position == len(raw)


def test_content_that_nobody_takes_is_passed_over() -> None:
    raw = archive(file("a", b"x" * 5000), file("b", b"y"), folder("c"))
    assert [entry.path for entry in TarReader(cut(raw, 700))] == ["a", "b", "c"]


@settings(max_examples=300)
@given(st.binary(max_size=3000))
def test_garbage_raises_nothing_but_bad_layer(data: bytes) -> None:
    with pytest.raises(BadLayer):
        read(data)


GOOD = archive(
    folder("usr"),
    file("usr/a" + "long" * 60, b"content" * 100, xattr="note", mtime=1.5),
    symlink("usr/b", "a"),
    hardlink("usr/c", "usr/a" + "long" * 60),
    device("usr/d", 1, 3),
    fifo("usr/e"),
)


@settings(max_examples=400)
@given(st.data())
def test_a_damaged_archive_raises_nothing_but_bad_layer(data: st.DataObject) -> None:
    raw = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
        block = at // 512 * 512
        if data.draw(st.booleans()):  # mend the checksum, so that the fields are looked at
            raw[block + 148 : block + 156] = b" " * 8
            total = sum(raw[block : block + 512])
            raw[block + 148 : block + 156] = b"%06o\0 " % total
    try:
        for entry, content in read(bytes(raw)):
            assert len(content) == entry.size
            assert clean_path(os_path(entry.path) or b".") == entry.path
    except BadLayer:
        pass


def test_cut_off_at_every_block_it_says_where() -> None:
    end = GOOD.rindex(b"ustar") // 512 * 512 + 512
    for length in range(0, end + 1, 128):
        with pytest.raises(BadLayer, match=r"cut off at byte|without its end marker"):
            read(GOOD[:length], step=1000)


def test_truncation_names_the_entry_before() -> None:
    raw = archive(file("first", b"1"), file("second", b"x" * 5000))
    with pytest.raises(BadLayer, match="'second'"):
        read(raw[:3000])


def test_a_second_end_block_may_be_missing_and_padding_may_be_long() -> None:
    body = archive(file("a", b"1"))[: 2 * 512]
    assert [entry.path for entry in entries(body + bytes(512))] == ["a"]
    assert [entry.path for entry in entries(body + bytes(512 * 1000 + 7))] == ["a"]


@pytest.mark.parametrize("tail", [b"x", bytes(511) + b"x", archive(file("b"))])
def test_data_behind_the_end(tail: bytes) -> None:
    with pytest.raises(BadLayer, match="data after the end of the tar, after 'a'"):
        entries(archive(file("a")) + tail)


def test_an_archive_of_nothing() -> None:
    assert entries(bytes(1024)) == []
    with pytest.raises(BadLayer, match="without its end marker"):
        entries(b"")


def test_a_checksum_that_is_wrong_names_the_entry_before() -> None:
    raw = bytearray(archive(file("a"), file("b")))
    raw[512] ^= 1
    with pytest.raises(BadLayer, match="after 'a': its checksum is wrong"):
        entries(bytes(raw))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("/etc/passwd", "an absolute name: '/etc/passwd'"),
        ("/passwd", "an absolute name: '/passwd'"),
        ("../x", "leaves its root: '../x'"),
        ("a/../../x", "leaves its root"),
        ("a/..", "leaves its root"),
        ("..", "leaves its root"),
        ("n" * 256, "component of 256 bytes"),
        ("a/" + "n" * 300 + "/b", "component of 300 bytes"),
        ("dir/" * 1100 + "x", "a name of 4401 bytes"),
    ],
)
def test_names_that_no_layer_may_have(name: str, complaint: str) -> None:
    with pytest.raises(BadLayer, match=complaint):
        entries(archive(file(name)))
    if not name.startswith("n" * 256):
        with pytest.raises(BadLayer, match=complaint):
            entries(archive(hardlink("a", name)))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("./a", "a"),
        ("././a//b/./c", "a/b/c"),
        ("a/", "a"),
        ("n" * 255, "n" * 255),
        ("...", "..."),
        ("..a/b..", "..a/b.."),
        ("naïve/ß", "naïve/ß"),
        ("\udcff\udc80", "\udcff\udc80"),
    ],
)
def test_names_are_cleaned(name: str, path: str) -> None:
    assert [entry.path for entry in entries(archive(file(name), form=tarfile.GNU_FORMAT))] == [path]


def test_the_root_is_the_empty_path_and_must_be_a_directory() -> None:
    assert [entry.path for entry in entries(archive(folder("./"), folder(".")))] == ["", ""]
    with pytest.raises(BadLayer, match="root of the layer is not a directory"):
        entries(archive(symlink(".", "/etc")))


def test_times_keep_their_nanoseconds() -> None:
    raw = archive(file("a", mtime=1.5), file("b", mtime=-0.25), file("c", mtime=7))
    assert [entry.mtime for entry in entries(raw)] == [1_500_000_000, -250_000_000, 7_000_000_000]


def block(
    name: bytes = b"name", flag: bytes = b"0", magic: bytes = b"ustar\x0000", **fields: bytes
) -> bytes:
    """A header block by hand, for what `tarfile` does not write."""
    places = {"mode": 100, "uid": 108, "gid": 116, "size": 124, "mtime": 136}
    raw = bytearray(512)
    raw[: len(name)] = name
    for field, place in places.items():
        value = fields.get(field, b"0")
        raw[place : place + len(value)] = value
    raw[156:157] = flag
    raw[257 : 257 + len(magic)] = magic
    for field, place in (("link", 157), ("major", 329), ("minor", 337), ("prefix", 345)):
        value = fields.get(field, b"")
        raw[place : place + len(value)] = value
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


END = bytes(1024)


def pax(*records: tuple[str, bytes], flag: bytes = b"x") -> bytes:
    body = b""
    for key, value in records:
        rest = b" " + key.encode() + b"=" + value + b"\n"
        length = len(rest) + 1
        while len(b"%d" % length) + len(rest) != length:
            length += 1
        body += b"%d" % length + rest
    return block(flag=flag, size=b"%o" % len(body)) + body + bytes(-len(body) % 512)


def test_base_256_numbers() -> None:
    size = 5000
    huge = b"\x80" + bytes(7) + size.to_bytes(4, "big")
    uid = b"\x80" + (3_000_000_000).to_bytes(7, "big")
    before = (-1).to_bytes(12, "big", signed=True)
    raw = block(size=huge, uid=uid, mtime=before) + bytes(size + -size % 512) + END
    (found,) = entries(raw)
    assert (found.size, found.uid, found.mtime) == (5000, 3_000_000_000, -1_000_000_000)


@pytest.mark.parametrize(
    "fields",
    [
        {"size": b"\xff" * 12},
        {"size": b"\x80" + b"\x7f" * 11},
        {"size": b"12x"},
        {"size": b"+12"},
        {"size": b"1_2"},
        {"size": b"899"},
        {"uid": b"\xff" * 8},
        {"uid": b"\x80\x7f" + bytes(6)},
        {"mode": b"rwx"},
        {"mtime": b"\x80" + b"\x7f" * 11},
        {"mtime": b"\x80" + bytes(6) + b"\x7f" * 5},
    ],
)
def test_numbers_that_are_none(fields: dict[str, bytes]) -> None:
    with pytest.raises(BadLayer):
        entries(block(**fields) + END)


def test_fields_may_be_blank_or_padded() -> None:
    raw = block(mode=b" 644 \0", uid=b"\0", gid=b"       ", mtime=b"  17\0")
    (found,) = entries(raw + END)
    assert (found.mode, found.uid, found.gid, found.mtime) == (0o644, 0, 0, 15 * 10**9)


def test_v7_has_directories_by_their_slash() -> None:
    raw = block(b"dir/", flag=b"\0", magic=b"") + block(b"file", flag=b"\0", magic=b"") + END
    assert [(e.path, e.kind) for e in entries(raw)] == [
        ("dir", Kind.DIRECTORY),
        ("file", Kind.FILE),
    ]


def test_the_prefix_counts_in_ustar_and_not_in_gnu() -> None:
    posix = block(b"name", prefix=b"some/where")
    gnu = block(b"name", magic=b"ustar  \0", prefix=b"00000000000\0")
    assert [entry.path for entry in entries(posix + gnu + END)] == ["some/where/name", "name"]


def test_contiguous_files_are_files() -> None:
    assert [entry.kind for entry in entries(block(flag=b"7") + END)] == [Kind.FILE]


def test_global_pax_headers_hold_until_changed_and_local_ones_for_one_entry() -> None:
    raw = (
        pax(("uid", b"7"), ("comment", b"hello"), flag=b"g")
        + block(b"a")
        + pax(("uid", b"8"))
        + block(b"b")
        + block(b"c")
        + pax(("uid", b""), flag=b"g")
        + block(b"d")
        + END
    )
    assert [(entry.path, entry.uid) for entry in entries(raw)] == [
        ("a", 7),
        ("b", 8),
        ("c", 7),
        ("d", 0),
    ]


def test_pax_overrides_size_path_link_and_time() -> None:
    raw = (
        pax(("path", b"other"), ("size", b"3"), ("mtime", b"2.000000001"))
        + block(b"name", size=b"777")
        + b"abc".ljust(512, b"\0")
        + pax(("linkpath", b"over/there"))
        + block(b"link", flag=b"2", link=b"here")
        + END
    )
    (first, content), (second, _) = read(raw)
    assert (first.path, content, first.mtime) == ("other", b"abc", 2_000_000_001)
    assert second.link == "over/there"


def test_xattrs_are_sorted_binary_and_may_be_empty() -> None:
    value = b"\x01\x00\x00\x02= \n\xff"
    raw = (
        pax(
            ("SCHILY.xattr.user.z", b""),
            ("SCHILY.xattr.security.capability", value),
            ("LIBARCHIVE.creationtime", b"1"),
        )
        + block()
        + END
    )
    assert entries(raw)[0].xattrs == (("security.capability", value), ("user.z", b""))


@pytest.mark.parametrize(
    "raw",
    [
        block(flag=b"S"),
        pax(("GNU.sparse.major", b"1"), ("GNU.sparse.name", b"x")) + block(),
        pax(("GNU.sparse.map", b"0,1")) + block(),
    ],
)
def test_sparse_files_are_refused_by_name(raw: bytes) -> None:
    with pytest.raises(BadLayer, match="'name' is a sparse file"):
        entries(raw + END)


@pytest.mark.parametrize("flag", [b"V", b"M", b"D", b"8", b"z"])
def test_unknown_types_are_refused_by_name(flag: bytes) -> None:
    with pytest.raises(BadLayer, match="'name' is of unknown type"):
        entries(block(flag=flag) + END)


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"12 a=b\n",
        b"3 \n",
        b"9 novalue\n",
        b"-5 a=b\n",
        b"0 a=b\n",
        b"99999999999999999999 a=b\n",
        b"6 a=b",
    ],
)
def test_pax_headers_that_cannot_be_read(body: bytes) -> None:
    raw = block(flag=b"x", size=b"%o" % len(body)) + body.ljust(512, b"\0") + block() + END
    with pytest.raises(BadLayer, match="pax header"):
        entries(raw)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", b"-1"),
        ("size", b"1e3"),
        ("size", b"9" * 30),
        ("uid", b"4294967296"),
        ("mtime", b"never"),
        ("mtime", b"1.2.3"),
        ("mtime", b"9" * 40),
        ("mtime", b"9" * 12),
        ("mtime", b"-" + b"9" * 12),
        ("path", b"a\0b"),
        ("path", b"../../etc"),
    ],
)
def test_pax_values_that_make_no_sense(key: str, value: bytes) -> None:
    with pytest.raises(BadLayer):
        entries(pax((key, value)) + block() + END)


def test_extended_headers_are_bounded() -> None:
    for flag in (b"x", b"g", b"L", b"K"):
        with pytest.raises(BadLayer, match="extended header of 1048577 bytes"):
            entries(block(flag=flag, size=b"%o" % ((1 << 20) + 1)) + END)


def test_links_must_lead_somewhere() -> None:
    for flag in (b"1", b"2"):
        with pytest.raises(BadLayer, match="'name' links to a name of 0 bytes"):
            entries(block(flag=flag) + END)


def test_memory_does_not_grow_with_the_stream() -> None:
    head = encode_header(Entry("big", Kind.FILE, 0o644, 0, 0, 1 << 28, 0))
    piece = bytes(1 << 16)

    def stream() -> Iterator[bytes]:
        yield head
        for _ in range(1 << 12):
            yield piece
        yield END

    tracemalloc.start()
    try:
        reader = TarReader(stream())
        assert sum(sum(map(len, reader.content())) for _ in reader) == 1 << 28
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# writing

PATHS = ANY_PATHS.filter(lambda path: len(os_path(path)) < 4000)
OWNERS = st.integers(0, (1 << 32) - 1)
TIMES = st.integers(-(1 << 40), (1 << 62))
BASE = {
    "path": PATHS,
    "mode": st.integers(0, 0o7777),
    "uid": OWNERS,
    "gid": OWNERS,
    "size": st.just(0),
    "mtime": TIMES,
    "xattrs": st.dictionaries(
        st.from_regex(r"(user|trusted)\.[a-z.]{1,12}", fullmatch=True),
        st.binary(max_size=40),
        max_size=3,
    ).map(lambda found: tuple(sorted(found.items()))),
}
DEVICES = st.tuples(st.integers(0, 4095), st.integers(0, (1 << 20) - 1))
ENTRIES = st.one_of(
    st.builds(Entry, kind=st.sampled_from([Kind.FILE, Kind.DIRECTORY, Kind.FIFO]), **BASE),
    st.builds(Entry, kind=st.sampled_from([Kind.SYMLINK, Kind.HARDLINK]), link=PATHS, **BASE),
    st.builds(Entry, kind=st.sampled_from([Kind.CHAR, Kind.BLOCK]), device=DEVICES, **BASE),
)


def content_of(contents: dict[str, bytes]) -> Callable[[Entry], list[bytes]]:
    return lambda entry: [contents[entry.path][:7], contents[entry.path][7:]]


@settings(max_examples=200)
@given(st.lists(ENTRIES, max_size=5, unique_by=lambda entry: entry.path), st.data())
def test_what_is_written_reads_back(made: list[Entry], data: st.DataObject) -> None:
    contents: dict[str, bytes] = {}
    sized = []
    for entry in made:
        content = data.draw(st.binary(max_size=1200)) if entry.kind is Kind.FILE else b""
        contents[entry.path] = content
        sized.append(msgspec.structs.replace(entry, size=len(content)))
    raw = b"".join(write_tar(sized, content_of(contents)))
    assert len(raw) % 512 == 0
    found = read(raw)
    assert [content for _, content in found] == [contents[entry.path] for entry in sized]
    assert [msgspec.structs.replace(entry, offset=0) for entry, _ in found] == sized
    theirs = as_tarfile_has_it(raw)
    assert [entry.path for entry, _ in theirs] == [entry.path for entry in sized]


def test_writing_depends_on_the_entries_alone() -> None:
    made = [Entry("a", Kind.FILE, 0o644, 0, 0, 1, 10**9), Entry("b", Kind.FIFO, 0o600, 5, 6, 0, 0)]
    first = b"".join(write_tar(made, lambda _: [b"x"]))
    assert first == b"".join(write_tar(iter(made), lambda _: [b"", b"x", b""]))
    assert b"root" not in first


def test_plain_entries_need_no_pax_header() -> None:
    for path in ("a", "n" * 100, "d" * 155 + "/" + "n" * 100):
        assert len(encode_header(Entry(path, Kind.FILE, 0o644, 0o7777777, 0, 0, 0))) == 512
    for path in ("ä", "n" * 101, "d" * 156 + "/" + "n" * 100):
        assert len(encode_header(Entry(path, Kind.FILE, 0o644, 0, 0, 0, 0))) > 512


@pytest.mark.parametrize("content", [b"", b"12345", b"1234567"])
def test_content_of_another_length_than_promised(content: bytes) -> None:
    entry = Entry("a", Kind.FILE, 0o644, 0, 0, 6, 0)
    with pytest.raises(BadLayer, match="'a' changed while it was read"):
        list(write_tar([entry], lambda _: [content]))
