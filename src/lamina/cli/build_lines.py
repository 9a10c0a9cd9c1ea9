"""What a command prints, as lines that a terminal can show."""

from __future__ import annotations

import re

from lamina.text import escape

_LONGEST = 1 << 16
"""Bytes of a line without an end that are kept before it is shown as one."""
_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[()*+#%][ -~]|[ -~])"
)


class Lines:
    """Gathers output into lines.  A line in which a progress bar went back and forth is
    what stood there last."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, piece: bytes) -> list[str]:
        """The lines that `piece` ends."""
        *ended, self._rest = (self._rest + piece).split(b"\n")
        found = [shown(line) for line in ended]
        if len(self._rest) > _LONGEST:
            self._rest = self._rest.rstrip(b"\r").rpartition(b"\r")[2]
            if len(self._rest) > _LONGEST // 2:
                found.append(shown(self._rest))
                self._rest = b""
        return found

    @property
    def current(self) -> str:
        """The line that has no end yet; empty when there is none."""
        return shown(self._rest)

    def last(self) -> list[str]:
        """The line that will have no end any more, if there is one."""
        rest, self._rest = self._rest, b""
        return [shown(rest)] if rest else []


def shown(line: bytes) -> str:
    """A line as a terminal would show it, without colours; what could do harm is written out."""
    text = line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "surrogateescape")
    return escape(_SEQUENCE.sub("", text).expandtabs(), keep="")
