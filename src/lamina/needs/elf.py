"""What an ELF file asks of the system that runs it: its loader, libraries and versions.  Pure.

Read are the header, the program headers and the dynamic section (System V gABI, chapters 4
and 5; for versions the LSB, "Symbol Versioning"), nothing else.  Section headers are not
looked at: strip takes them away, and the loader does not know them either.

Why no library: pyelftools needs 3.4 s for the needs and versions of 500 programs of a Debian
whose bytes are in memory, this 0.03 s, and a command that advises has half a second in all.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping

import msgspec

MAGIC = b"\x7fELF"
MACHINES: Mapping[int, str] = {
    3: "386",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "amd64",
    183: "arm64",
    243: "riscv64",
    258: "loong64",
}
"""e_machine in the words of OCI platforms; ppc64 and mips leave their byte order open."""

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH = 1, 5, 14, 15, 29
_VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_WEAK = 2
"""VER_FLG_WEAK: the loader only warns where the version is missing."""
_LONGEST = 4096
"""Bytes of one string that is taken."""
_MOST = 20_000
"""Of entries of a table that are looked at: real files have hundreds."""
_LIBRARY = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_+.\-]*\.so(?:\.[0-9]+)*\Z")
_NAME = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-")
_LONGEST_NAME = 255
_MOST_STRINGS = 100_000
"""Places with `.so` of one file that are looked at: real files have thousands."""


class Elf(msgspec.Struct, frozen=True):
    """What one ELF file says of itself."""

    bits: int
    """32 or 64."""
    machine: int
    """e_machine."""
    little: bool
    """Whether its bytes are little-endian."""
    interpreter: str = ""
    """The loader's path as written (PT_INTERP); empty for a library and a static program."""
    needed: tuple[str, ...] = ()
    """DT_NEEDED: a name, or a path where there is a slash in it."""
    rpath: tuple[str, ...] = ()
    """DT_RPATH, by directories; `$ORIGIN` as written.  A RUNPATH makes the loader ignore it."""
    runpath: tuple[str, ...] = ()
    soname: str = ""
    wants: Mapping[str, tuple[str, ...]] = {}
    """Library (by its soname) → versions of symbols that it must define: `GLIBC_2.34`."""
    defines: tuple[str, ...] = ()
    """Versions of symbols that are defined here, the library's own name among them."""

    @property
    def architecture(self) -> str:
        """In the words of OCI platforms; `machine N` for a rare one."""
        name = MACHINES.get(self.machine, f"machine {self.machine}")
        return f"{name}le" if self.little and name in ("ppc64", "mips") else name

    def fits(self, other: Elf) -> bool:
        """Whether both can be in one process."""
        mine = (self.bits, self.machine, self.little)
        return mine == (other.bits, other.machine, other.little)


def read_elf(raw: bytes) -> Elf | None:
    """What the bytes of a file say; None for what is no ELF file.

    Damaged or hostile ones raise nothing: what cannot be read of them is as if it were not
    there.
    """
    if raw[:4] != MAGIC or len(raw) < 52 or raw[4] not in (1, 2) or raw[5] not in (1, 2):
        return None
    try:
        return _Reader(raw).elf()
    except (struct.error, OverflowError):
        return None


def library_names(raw: bytes) -> set[str]:
    """The strings in a file that look like names of libraries: it may open them by dlopen(3).

    A string counts that ends (by a NUL) in `.so` or `.so.1.2` and has no character that names
    of libraries do not have; of a path the last component.  Names that a program puts together
    (`libnss_%s.so.2`) are not found.
    """
    found: set[str] = set()
    at = raw.find(b".so")
    for _ in range(_MOST_STRINGS):
        if at < 0:
            break
        end = raw.find(b"\0", at, at + _LONGEST_NAME)
        if end < 0:
            at = raw.find(b".so", at + 3)
            continue
        start, floor = at, max(at - _LONGEST_NAME, 0)
        while start > floor and raw[start - 1] in _NAME:
            start -= 1
        before = raw[start - 1 : start] if start else b"\0"
        if before in (b"\0", b"/"):
            match = _LIBRARY.match(raw, start, end)
            if match is not None:
                found.add(match[0].decode("ascii"))
        # Each string is looked at once, however often it says `.so`; but of a path only the
        # last component can be a name.
        slash = raw.rfind(b"/", at, end)
        at = raw.find(b".so", slash if slash >= 0 else end)
    return found


class _Segment(msgspec.Struct, frozen=True):
    kind: int
    offset: int
    address: int
    size: int


class _Reader:
    """One file's bytes; raises struct.error where they end too early."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.wide = raw[4] == 2
        self.order = "<" if raw[5] == 1 else ">"

    def elf(self) -> Elf:
        machine = self.unpack("HH", 16)[1]
        segments = list(self.segments())
        self.loads = [each for each in segments if each.kind == _PT_LOAD]
        base = Elf(64 if self.wide else 32, machine, self.order == "<")
        interpreter = next(
            (self.string(each.offset, each.size) for each in segments if each.kind == _PT_INTERP),
            "",
        )
        dynamic = next((each for each in segments if each.kind == _PT_DYNAMIC), None)
        tags = self.tags(dynamic) if dynamic is not None else []
        first = dict(reversed(tags))
        strings = self.place(first.get(_STRTAB, -1))
        if strings is None:
            return msgspec.structs.replace(base, interpreter=interpreter)

        def texts(tag: int) -> list[str]:
            return [
                text for each, value in tags if each == tag and (text := self.at(strings, value))
            ]

        return msgspec.structs.replace(
            base,
            interpreter=interpreter,
            needed=tuple(dict.fromkeys(texts(_NEEDED))),
            rpath=_directories(texts(_RPATH)),
            runpath=_directories(texts(_RUNPATH)),
            soname="".join(texts(_SONAME)[:1]),
            wants=self.wants(strings, first),
            defines=self.defines(strings, first),
        )

    def unpack(self, form: str, offset: int) -> tuple[int, ...]:
        if offset < 0 or offset > len(self.raw):
            raise struct.error("beyond the file")
        return struct.unpack_from(self.order + form, self.raw, offset)

    def segments(self) -> Iterator[_Segment]:
        start = self.unpack("Q", 32)[0] if self.wide else self.unpack("I", 28)[0]
        size, count = self.unpack("HH", 54 if self.wide else 42)
        for number in range(count):
            at = start + number * size
            try:
                if self.wide:
                    kind, _, offset, address, _, length = self.unpack("IIQQQQ", at)
                else:
                    kind, offset, address, _, length = self.unpack("IIIII", at)
            except struct.error:
                return
            yield _Segment(kind, offset, address, length)

    def tags(self, dynamic: _Segment) -> list[tuple[int, int]]:
        """The dynamic section, up to its end or the file's."""
        form, width = ("QQ", 16) if self.wide else ("II", 8)
        stop = min(dynamic.offset + min(dynamic.size, _MOST * width), len(self.raw))
        found: list[tuple[int, int]] = []
        for at in range(dynamic.offset, stop - width + 1, width):
            tag, value = self.unpack(form, at)
            if tag == 0:
                break
            found.append((tag, value))
        return found

    def place(self, address: int) -> int | None:
        """Where in the file what is loaded at `address` lies."""
        for each in self.loads:
            if each.address <= address < each.address + each.size:
                offset = address - each.address + each.offset
                return offset if offset < len(self.raw) else None
        return None

    def string(self, offset: int, size: int = _LONGEST) -> str:
        limit = min(offset + min(size, _LONGEST), len(self.raw))
        end = self.raw.find(b"\0", offset, limit) if offset < limit else limit
        return self.raw[offset : end if end >= 0 else limit].decode("utf-8", "surrogateescape")

    def at(self, strings: int, value: int) -> str:
        """A string of the table that lies at `strings`."""
        return self.string(strings + value)

    def wants(self, strings: int, first: Mapping[int, int]) -> dict[str, tuple[str, ...]]:
        """DT_VERNEED: for each library a record, and for each version one behind it."""
        at = self.place(first.get(_VERNEED, -1))
        found: dict[str, list[str]] = {}
        left = _MOST
        for _ in range(min(first.get(_VERNEEDNUM, 0), _MOST) if at is not None else 0):
            assert at is not None
            try:
                _, count, file, aux, following = self.unpack("HHIII", at)
                versions = found.setdefault(self.at(strings, file), [])
                inner = at + aux
                for _ in range(min(count, left)):
                    _, flags, _, name, more = self.unpack("IHHII", inner)
                    if not flags & _WEAK:
                        versions.append(self.at(strings, name))
                    left -= 1
                    if not more:
                        break
                    inner += more
            except struct.error:
                break
            if not following or left <= 0:
                break
            at += following
        return {name: tuple(dict.fromkeys(versions)) for name, versions in found.items()}

    def defines(self, strings: int, first: Mapping[int, int]) -> tuple[str, ...]:
        """DT_VERDEF: a record for each version, whose first name is its own."""
        at = self.place(first.get(_VERDEF, -1))
        found: list[str] = []
        for _ in range(min(first.get(_VERDEFNUM, 0), _MOST) if at is not None else 0):
            assert at is not None
            try:
                _, _, _, _, _, aux, following = self.unpack("HHHHIII", at)
                found.append(self.at(strings, self.unpack("II", at + aux)[0]))
            except struct.error:
                break
            if not following:
                break
            at += following
        return tuple(dict.fromkeys(found))


def _directories(texts: list[str]) -> tuple[str, ...]:
    return tuple(each for text in texts for each in text.split(":") if each)
