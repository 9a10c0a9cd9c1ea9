"""Reading tar streams: POSIX.1-2017 pax, ustar, GNU and the old V7 form.  Pure.

Our own and not the standard library's `tarfile`, because this is the hot path
of every pull: headers are parsed in a third of the time, content is never
copied, and every byte that is not content can be kept, so that the stream
comes back exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from zlib import adler32

from lamina.layer.entry import MAX_NAME, MAX_PATH, Entry, Kind, os_path, text_path
from lamina.layer.errors import BadLayer

BLOCK = 512
_ZEROS = bytes(BLOCK)
_MAX_META = 1 << 20
"""Bytes of one pax or GNU long-name record; real ones are far below 64 KiB."""
NANO = 1_000_000_000
_SPECIAL = (b"", b".", b"..")
_FILES = frozenset(b"0\x007")
_KINDS = {int(kind): kind for kind in Kind}
# By names of their own: to ask the enum takes several times as long, six times an entry.
_FILE, _DIRECTORY, _SYMLINK, _HARDLINK = Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.HARDLINK
_DEVICES = (Kind.CHAR, Kind.BLOCK)
XATTR = b"SCHILY.xattr."
_SPARSE = (b"GNU.sparse.", b"SCHILY.realsize")


class TarReader:
    """The entries of a tar stream, with their content as it comes.

    Iterate over the reader for entries; after each one of kind FILE take
    `content()`, or leave it, and it is passed over.  Memory does not grow with
    the stream.  `keep`, when given, gets every byte that is not content, in
    order: headers, padding, the end blocks and what follows them.  `jump`, when
    given, takes the stream so many bytes further, unread, where content is left.

    Raises BadLayer for what breaks the format, naming the entry.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        *,
        keep: Callable[[bytes], object] | None = None,
        jump: Callable[[int], object] | None = None,
    ) -> None:
        self._chunks = iter(chunks)
        self._jump = jump
        self._buffer: memoryview = memoryview(b"")
        self._at = 0
        self._read = 0
        self._keep = keep
        self._left = 0
        self._padding = 0
        self._last = ""

    @property
    def position(self) -> int:
        """Bytes of the stream taken so far."""
        return self._read

    def __iter__(self) -> Iterator[Entry]:
        global_pax: dict[bytes, bytes] = {}
        while True:
            local_pax: dict[bytes, bytes] = {}
            header = self._header(local_pax, global_pax)
            if header is None:
                self._finish()
                return
            pax = _in_force(global_pax, local_pax) if global_pax or local_pax else local_pax
            entry = _entry(header, pax, self._read)
            self._last = entry.path
            self._left = entry.size
            self._padding = -entry.size % BLOCK
            yield entry
            if self._left or self._padding:
                self._skip()

    def content(self) -> Iterator[memoryview]:
        """What is left of the current entry's content, in pieces; each is valid until the next."""
        while self._left:
            if self._at == len(self._buffer):
                self._refill()
            start = self._at
            end = min(len(self._buffer), start + self._left)
            self._at = end
            self._left -= end - start
            self._read += end - start
            yield self._buffer[start:end]
        self._pass_padding()

    def _pass_padding(self) -> None:
        if self._padding:
            padding, self._padding = self._padding, 0
            self._kept(padding)

    def _kept(self, count: int, *, at_header: bool = False) -> bytes:
        """The next bytes, which are not content."""
        taken = self._take(count, at_header=at_header)
        if self._keep is not None:
            self._keep(taken)
        return taken

    def _skip(self) -> None:
        """Pass over what is left of the current content."""
        padded = self._left + self._padding
        end = self._at + padded
        if end > len(self._buffer) and self._jump is None:
            for _ in self.content():
                pass
            return
        if end > len(self._buffer) and self._jump is not None:
            self._jump(end - len(self._buffer))
            end = len(self._buffer)
        if self._padding and self._keep is not None:
            self._keep(bytes(self._buffer[end - self._padding : end]))
        self._at = end
        self._read += padded
        self._left = self._padding = 0

    def whole(self) -> memoryview | None:
        """All of the current content, if it lies in memory in one piece; else None, and take
        `content()`.  Valid until the next call."""
        start, end = self._at, self._at + self._left
        if end > len(self._buffer):
            return None
        self._at = end
        self._read += self._left
        self._left = 0
        view = self._buffer[start:end]
        if end + self._padding <= len(self._buffer):
            self._pass_padding()
        # Else content() takes the padding when the iteration goes on.
        return view

    def _header(self, pax: dict[bytes, bytes], global_pax: dict[bytes, bytes]) -> bytes | None:
        """The next real header, its extended headers merged into the two; None at the end."""
        while True:
            header = self._kept(BLOCK, at_header=True)
            if not header:
                raise BadLayer(f"the tar ends without its end marker{self._after()}")
            if header == _ZEROS:
                return None
            if not _checksum_holds(header):
                raise BadLayer(f"not a tar header{self._after()}: its checksum is wrong")
            flag = header[156]
            if flag not in b"xgXLK":
                return header
            size = _number(header[124:136], "size")
            if size > _MAX_META:
                raise BadLayer(f"an extended header of {size} bytes{self._after()}")
            body = self._kept(size)
            self._kept(-size % BLOCK)
            if flag == 0x67:  # g
                _read_pax(body, global_pax)
            elif flag in b"xX":
                _read_pax(body, pax)
            elif flag == 0x4C:  # L
                pax[b"path"] = body.partition(b"\0")[0]
            else:
                pax[b"linkpath"] = body.partition(b"\0")[0]

    def _take(self, count: int, *, at_header: bool = False) -> bytes:
        end = self._at + count
        if end <= len(self._buffer):
            taken = bytes(self._buffer[self._at : end])
            self._at = end
            self._read += count
            return taken
        pieces: list[bytes] = []
        wanted = count
        while wanted:
            if self._at == len(self._buffer) and not self._next():
                if at_header and wanted == count:
                    return b""
                raise self._truncated()
            piece = bytes(self._buffer[self._at : self._at + wanted])
            self._at += len(piece)
            wanted -= len(piece)
            pieces.append(piece)
        self._read += count
        return b"".join(pieces)

    def _refill(self) -> None:
        if not self._next():
            raise self._truncated()

    def _next(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._buffer, self._at = memoryview(chunk), 0
                return True
        return False

    def _finish(self) -> None:
        """Past the first zero block: the second, then zeros to the end, as tar writes them."""
        while self._at < len(self._buffer) or self._next():
            rest = bytes(self._buffer[self._at :])
            self._at = len(self._buffer)
            self._read += len(rest)
            if rest.count(0) != len(rest):
                raise BadLayer(f"data after the end of the tar{self._after()}")
            if self._keep is not None:
                self._keep(rest)

    def _truncated(self) -> BadLayer:
        return BadLayer(f"the tar is cut off at byte {self._read}{self._after()}")

    def _after(self) -> str:
        return f", after {self._last!r}" if self._last else ""


def _entry(header: bytes, pax: dict[bytes, bytes], offset: int) -> Entry:
    flag = header[156]
    name = pax.get(b"path") if pax else None
    if name is None:
        name = header[:100].partition(b"\0")[0]
        # GNU's old format keeps times where ustar has the prefix: magic tells them apart.
        if header[257:263] == b"ustar\0" and header[345]:
            name = header[345:500].partition(b"\0")[0] + b"/" + name
    if flag == 0x53 or (pax and any(key.startswith(_SPARSE) for key in pax)):
        raise BadLayer(f"{text_path(name)!r} is a sparse file, which layers do not have")
    if flag in _FILES:
        # V7 marks a directory by a trailing slash alone.
        kind = _DIRECTORY if name.endswith(b"/") else _FILE
    elif flag in _KINDS:
        kind = _KINDS[flag]
    else:
        raise BadLayer(f"{text_path(name)!r} is of unknown type {chr(flag)!r}")
    path = clean_path(name)
    if path == "" and kind is not _DIRECTORY:
        raise BadLayer(f"the root of the layer is not a directory but {chr(flag)!r}")
    mode, uid, gid = _ids(header[100:124])
    size = _number(header[124:136], "size")
    mtime = _mtime(header[136:148])
    link = ""
    if kind is _SYMLINK or kind is _HARDLINK:
        target = _target(header, pax, path)
        link = text_path(target) if kind is _SYMLINK else clean_path(target)
    device = (0, 0)
    if kind in _DEVICES:
        device = (_number(header[329:337], "major"), _number(header[337:345], "minor"))
    mtime *= NANO
    xattrs: tuple[tuple[str, bytes], ...] = ()
    if pax:
        uid = _pax_number(pax, b"uid", uid)
        gid = _pax_number(pax, b"gid", gid)
        size = _pax_number(pax, b"size", size)
        if b"mtime" in pax:
            mtime = _pax_time(pax[b"mtime"], path)
        xattrs = tuple(
            sorted(
                (text_path(key[len(XATTR) :]), value)
                for key, value in pax.items()
                if key.startswith(XATTR)
            )
        )
    if not -(1 << 63) <= mtime < 1 << 63:
        raise BadLayer(f"{path!r} has a time out of range: {mtime // NANO} s")
    if not (0 <= uid < 1 << 32 and 0 <= gid < 1 << 32):
        raise BadLayer(f"{path!r} has an owner out of range: {uid}:{gid}")
    if kind is not _FILE:
        size = offset = 0
    elif not 0 <= size < 1 << 62:
        raise BadLayer(f"{path!r} has a size out of range: {size}")
    return Entry(
        path, kind, mode & 0o7777, uid, gid, size, mtime, link, device, xattrs, b"", offset
    )


def _target(header: bytes, pax: dict[bytes, bytes], path: str) -> bytes:
    target = pax.get(b"linkpath")
    if target is None:
        target = header[157:257].partition(b"\0")[0]
    if not target or len(target) > MAX_PATH:
        raise BadLayer(f"{path!r} links to a name of {len(target)} bytes")
    return target


def clean_path(name: bytes) -> str:
    """A member's name as a path of the layer (see `entry`).

    Raises BadLayer for what could lead out of the layer or onto no file system:
    absolute names, `..`, NUL, components over 255 and names over 4096 bytes.
    """
    if not name:
        raise BadLayer("an entry without a name")
    if len(name) > MAX_PATH:
        raise BadLayer(f"a name of {len(name)} bytes: {text_path(name[:40])!r}…")
    # Most names by the short way: their directory is known, and the last component simple.
    short = name.removesuffix(b"/").removeprefix(b"./")
    head, slash, last = short.rpartition(b"/")
    if last in _SPECIAL or b"\0" in last or len(last) > MAX_NAME or (slash and not _clean(head)):
        return _clean_path(name)
    return short.decode("utf-8", "surrogateescape")


@lru_cache(maxsize=256)
def _clean(name: bytes) -> bool:
    """Whether `name` is the path of a directory as it stands."""
    try:
        return name != b"" and os_path(_clean_path(name)) == name
    except BadLayer:
        return False


def _clean_path(name: bytes) -> str:
    if name[:1] == b"/":
        raise BadLayer(f"an absolute name: {text_path(name)!r}")
    parts = name.split(b"/")
    if b".." in parts:
        raise BadLayer(f"a name that leaves its root: {text_path(name)!r}")
    if b"" in parts or b"." in parts:
        parts = [part for part in parts if part and part != b"."]
    if len(name) > MAX_NAME and (longest := max(map(len, parts), default=0)) > MAX_NAME:
        raise BadLayer(f"a name with a component of {longest} bytes: {text_path(name[:40])!r}…")
    if b"\0" in name:
        raise BadLayer(f"a name with a zero byte: {text_path(name)!r}")
    return b"/".join(parts).decode("utf-8", "surrogateescape")


@lru_cache(maxsize=256)
def _ids(field: bytes) -> tuple[int, int, int]:
    """Mode, uid and gid: most entries of a layer share a few."""
    return _number(field[:8], "mode"), _number(field[8:16], "uid"), _number(field[16:], "gid")


@lru_cache(maxsize=256)
def _mtime(field: bytes) -> int:
    return _number(field, "mtime")


def is_header(block: bytes) -> bool:
    """Whether a block is a tar header, whatever it says."""
    return len(block) == BLOCK and _checksum_holds(block)


def _checksum_holds(header: bytes) -> bool:
    field = header[148:156]
    digits = field.partition(b"\0")[0].strip(b" ").lstrip(b"0")
    # Adler-32 has 1 + the sum of its bytes in its low half, as long as that is below 65521,
    # and takes a tenth of the time of sum(): half a header stays below.
    total = (adler32(header[:256]) & 0xFFFF) + (adler32(header[256:]) & 0xFFFF) - 2
    # The field itself counts as eight spaces.
    return digits == b"%o" % (total - sum(field) + 256)


def _number(field: bytes, what: str) -> int:
    """A numeric header field: octal text, or base-256 (GNU) when its top bit is set."""
    first = field[0]
    if first & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        if first & 0x40:
            value -= 1 << (8 * len(field) - 1)
        if not -(1 << 62) < value < 1 << 62:
            raise BadLayer(f"a header with a {what} out of range")
        return value
    digits = field[:-1]  # as most write it: all digits but for the end
    if field[-1] & 0xDF or not digits.isdigit():
        digits = field.partition(b"\0")[0].strip(b" ")
    if not digits:
        return 0
    try:
        # int() takes signs and underscores, which tar does not have.
        if not digits.isdigit():
            raise ValueError
        return int(digits, 8)
    except ValueError:
        raise BadLayer(f"a header whose {what} is no number: {digits!r}") from None


def _pax_number(pax: dict[bytes, bytes], key: bytes, header_value: int) -> int:
    """What a pax header says of a number, else what the header said."""
    text = pax.get(key)
    if text is None:
        return header_value
    if not text.isdigit() or len(text) > 19:
        raise BadLayer(f"a pax header whose {key.decode()} is no number: {text[:40]!r}")
    return int(text)


def _pax_time(text: bytes, path: str) -> int:
    """Seconds since the epoch as decimal text → nanoseconds."""
    negative = text.startswith(b"-")
    whole, _, fraction = text.removeprefix(b"-").partition(b".")
    if not whole.isdigit() or len(whole) > 12 or (fraction and not fraction.isdigit()):
        raise BadLayer(f"{path!r} has a time that is no number: {text[:40]!r}")
    value = int(whole) * NANO + int(fraction[:9].ljust(9, b"0") or b"0")
    return -value if negative else value


def _read_pax(body: bytes, into: dict[bytes, bytes]) -> None:
    """Merge the records `LENGTH KEY=VALUE\\n` of a pax header."""
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 12)
        digits = body[at:space] if space > 0 else b""
        end = at + int(digits) if digits.isdigit() else 0
        if space < 0 or end <= space or end > len(body) or body[end - 1] != 0x0A:
            if not body[at:].strip(b"\0"):
                return
            raise BadLayer("a pax header that cannot be read")
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if not equals:
            raise BadLayer("a pax header without a value")
        into[key] = value
        at = end


def _in_force(global_pax: dict[bytes, bytes], local_pax: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The records that count for an entry; an empty value leaves the word to the header."""
    both = {**global_pax, **local_pax}
    return {key: value for key, value in both.items() if value or key.startswith(XATTR)}
