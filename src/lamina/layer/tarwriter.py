"""Writing tar streams: ustar, and pax (POSIX.1-2017) where ustar has no room.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.errors import BadLayer
from lamina.layer.tar import BLOCK, NANO, XATTR

_ZEROS = bytes(BLOCK)


def write_tar(
    entries: Iterable[Entry], content: Callable[[Entry], Iterable[bytes]]
) -> Iterator[bytes]:
    """The tar stream of `entries` in the given order; `content` gives a FILE's bytes.

    Deterministic: whole header from the entry, no user names, no clock; ustar
    where it fits, a pax header where not.  Ends with two zero blocks.

    Raises BadLayer when the content is not as long as the entry's size.
    """
    for entry in entries:
        yield encode_header(entry)
        if entry.size:
            written = 0
            for piece in content(entry):
                written += len(piece)
                yield piece
            if written != entry.size:
                raise BadLayer(f"{entry.path!r} changed while it was read")
            if padding := -entry.size % BLOCK:
                yield _ZEROS[:padding]
    yield _ZEROS + _ZEROS


def encode_header(entry: Entry) -> bytes:
    """The header block of an entry, with a pax header before it where ustar has no room."""
    if entry.kind is Kind.FILE and (block := _plain_block(entry)) is not None:
        return block
    name = os_path(entry.path) or b"."
    if entry.kind is Kind.DIRECTORY:
        name += b"/"
    link = os_path(entry.link)
    pax: dict[bytes, bytes] = {}
    prefix, short = _split_name(name)
    if short is None:
        pax[b"path"] = name
        prefix, short = b"", name[:100]
    if len(link) > 100:
        pax[b"linkpath"] = link
    seconds, nanos = divmod(entry.mtime, NANO)
    if nanos or not 0 <= seconds < 1 << 33:
        pax[b"mtime"] = _time_text(entry.mtime)
    for key, value, bits in ((b"uid", entry.uid, 21), (b"gid", entry.gid, 21)):
        if value >= 1 << bits:
            pax[key] = str(value).encode()
    if entry.size >= 1 << 33:
        pax[b"size"] = str(entry.size).encode()
    for attribute, value_ in entry.xattrs:
        pax[XATTR + os_path(attribute)] = value_
    header = _block(
        short,
        entry.mode,
        entry.uid if entry.uid < 1 << 21 else 0,
        entry.gid if entry.gid < 1 << 21 else 0,
        entry.size if entry.size < 1 << 33 else 0,
        min(max(seconds, 0), (1 << 33) - 1),
        entry.kind,
        link[:100],
        entry.device,
        prefix,
    )
    if not pax:
        return header
    body = b"".join(_pax_record(key, pax[key]) for key in sorted(pax))
    size = len(body)
    extended = _block(b"PaxHeaders/" + name.rstrip(b"/")[-80:], 0o644, 0, 0, size, 0, 0x78)
    return extended + body + _ZEROS[: -size % BLOCK] + header


def _plain_block(entry: Entry) -> bytes | None:
    """The header of a file about which nothing is unusual, as nearly all are; else None."""
    path, mtime = entry.path, entry.mtime
    if (
        entry.xattrs
        or len(path) > 100
        or not path.isascii()
        or mtime % NANO
        or not 0 <= mtime < NANO << 33
        or entry.size >= 1 << 33
        or entry.uid >= 1 << 21
        or entry.gid >= 1 << 21
    ):
        return None
    head = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (
        path.encode().ljust(100, b"\0"),
        entry.mode,
        entry.uid,
        entry.gid,
        entry.size,
        mtime // NANO,
    )
    return b"%b%06o\0 %b" % (head, sum(head) + _PLAIN_SUM, _PLAIN_TAIL)


def _block(
    name: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    seconds: int,
    flag: int,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
    prefix: bytes = b"",
) -> bytes:
    head = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (
        name.ljust(100, b"\0"),
        mode,
        uid,
        gid,
        size,
        seconds,
    )
    tail = b"%c%bustar\x0000%b%07o\0%07o\0%b" % (
        flag,
        link.ljust(100, b"\0"),
        bytes(64),
        device[0],
        device[1],
        prefix.ljust(167, b"\0"),
    )
    return b"%b%06o\0 %b" % (head, sum(head) + sum(tail) + 256, tail)


def _split_name(name: bytes) -> tuple[bytes, bytes | None]:
    """A name as ustar's prefix and name; (…, None) when it does not fit or is not ASCII."""
    if not name.isascii():
        return b"", None
    if len(name) <= 100:
        return b"", name
    cut = name.rfind(b"/", 0, min(156, len(name) - 1))
    if cut > 0 and len(name) - cut - 1 <= 100:
        return name[:cut], name[cut + 1 :]
    return b"", None


def _pax_record(key: bytes, value: bytes) -> bytes:
    """One `LENGTH KEY=VALUE\\n`, whose length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if rest + len(str(length)) != length:
        length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _time_text(nanoseconds: int) -> bytes:
    sign = b"-" if nanoseconds < 0 else b""
    seconds, fraction = divmod(abs(nanoseconds), NANO)
    if not fraction:
        return b"%b%d" % (sign, seconds)
    return b"%b%d.%b" % (sign, seconds, (b"%09d" % fraction).rstrip(b"0"))


_PLAIN_TAIL = _block(b"", 0, 0, 0, 0, 0, Kind.FILE)[156:]
"""What stands behind the checksum of a plain file."""
_PLAIN_SUM = sum(_PLAIN_TAIL) + 256
