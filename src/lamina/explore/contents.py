"""The first bytes of a file as lines that a terminal can show: text, or a hex dump.  Pure."""

from __future__ import annotations

from lamina.explore.glyphs import Glyphs

FIRST = 64 * 1024
"""Bytes of a file that are shown."""
_ROW = 16
_TAB = 4


def is_text(data: bytes) -> bool:
    """Whether bytes read as UTF-8 text; the last character may be cut."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.end == len(data)
    return True


def lines(data: bytes, glyphs: Glyphs) -> list[str]:
    """Text line by line, everything but printable characters written out; other bytes as hex."""
    if not is_text(data):
        return [_hex(data[at : at + _ROW], at) for at in range(0, len(data), _ROW)]
    text = data.decode(errors="ignore").replace("\r\n", "\n").removesuffix("\n")
    return [glyphs.safe(line.expandtabs(_TAB)) for line in text.split("\n")] if text else []


def _hex(row: bytes, at: int) -> str:
    halves = row[:8].hex(" "), row[8:].hex(" ")
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
    return f"{at:08x}  {halves[0]:<23}  {halves[1]:<23}  |{text}|"
