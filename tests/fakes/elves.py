"""Small ELF files: header, program headers, a dynamic section and what it points to."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

_BASE = 0x10000
"""The address that the file's first byte is loaded at: addresses are no offsets."""


class _Strings:
    def __init__(self) -> None:
        self.raw = b"\0"

    def add(self, text: str) -> int:
        at = len(self.raw)
        self.raw += text.encode() + b"\0"
        return at


def elf(
    *needed: str,
    interpreter: str = "",
    soname: str = "",
    rpath: str = "",
    runpath: str = "",
    wants: Mapping[str, Sequence[str]] | None = None,
    weak: Mapping[str, Sequence[str]] | None = None,
    defines: Sequence[str] = (),
    strings: Sequence[str] = (),
    bits: int = 64,
    little: bool = True,
    machine: int = 62,
) -> bytes:
    """The bytes of a shared object; of a program when it has an `interpreter`.

    `weak` are versions that it can do without, `strings` lie in it and mean nothing to loaders.
    """
    order = "<" if little else ">"
    wide = bits == 64
    header, entry = (64, 56) if wide else (52, 32)
    count = 3 if interpreter else 2
    table = _Strings()
    tags = [(1, table.add(name)) for name in needed]
    for tag, text in ((14, soname), (15, rpath), (29, runpath)):
        if text:
            tags.append((tag, table.add(text)))
    need = _verneed(order, table, wants or {}, weak or {})
    define = _verdef(order, table, defines)
    body = header + count * entry
    interp = interpreter.encode() + b"\0" if interpreter else b""
    at_need = body + len(interp)
    at_define = at_need + len(need)
    at_strings = at_define + len(define)
    at_dynamic = at_strings + len(table.raw)
    tags.append((5, _BASE + at_strings))
    if need:
        names = {*(wants or {}), *(weak or {})}
        tags += [(0x6FFFFFFE, _BASE + at_need), (0x6FFFFFFF, len(names))]
    if define:
        tags += [(0x6FFFFFFC, _BASE + at_define), (0x6FFFFFFD, len(defines))]
    word = "QQ" if wide else "II"
    dynamic = b"".join(struct.pack(order + word, *tag) for tag in [*tags, (0, 0)])
    extra = b"\0" + b"\0".join(each.encode() for each in strings) + b"\0"
    total = at_dynamic + len(dynamic)
    segments = [(1, 0, total), (2, at_dynamic, len(dynamic))]
    if interpreter:
        segments.insert(0, (3, body, len(interp)))
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if little else 2, 1]) + bytes(9)
    form = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
    head = ident + struct.pack(
        order + form, 3, machine, 1, 0, header, 0, 0, header, entry, count, 0, 0, 0
    )
    programs = b"".join(_segment(order, wide, *each) for each in segments)
    return head + programs + interp + need + define + table.raw + dynamic + extra


def _segment(order: str, wide: bool, kind: int, offset: int, size: int) -> bytes:
    address = _BASE + offset
    if wide:
        return struct.pack(order + "IIQQQQQQ", kind, 4, offset, address, address, size, size, 1)
    return struct.pack(order + "IIIIIIII", kind, offset, address, address, size, size, 4, 1)


def _verneed(
    order: str,
    table: _Strings,
    wants: Mapping[str, Sequence[str]],
    weak: Mapping[str, Sequence[str]],
) -> bytes:
    names = list(dict.fromkeys((*wants, *weak)))
    raw = b""
    for place, name in enumerate(names):
        versions = [(each, 0) for each in wants.get(name, ())]
        versions += [(each, 2) for each in weak.get(name, ())]
        following = 16 * (1 + len(versions)) if place < len(names) - 1 else 0
        raw += struct.pack(order + "HHIII", 1, len(versions), table.add(name), 16, following)
        for at, (version, flags) in enumerate(versions):
            more = 16 if at < len(versions) - 1 else 0
            raw += struct.pack(order + "IHHII", 0, flags, 2, table.add(version), more)
    return raw


def _verdef(order: str, table: _Strings, defines: Sequence[str]) -> bytes:
    raw = b""
    for place, version in enumerate(defines):
        following = 28 if place < len(defines) - 1 else 0
        raw += struct.pack(order + "HHHHIII", 1, 0, place + 1, 1, 0, 20, following)
        raw += struct.pack(order + "II", table.add(version), 0)
    return raw
