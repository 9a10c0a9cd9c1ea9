"""The keys that detach a user from a terminal, found in what is typed."""

from __future__ import annotations

from lamina.errors import Invalid

DETACH_KEYS = b"\x10\x11"
"""Ctrl-P, Ctrl-Q."""
_CONTROLS = "@[\\]^_"


class BadKeys(Invalid):
    """Not a sequence of keys."""


def detach_keys(text: str) -> bytes:
    """`ctrl-p,ctrl-q` or `a,ctrl-c` as the bytes that a terminal sends.  Raises BadKeys."""
    return b"".join(_key(each) for each in text.split(",")) if text else b""


def _key(text: str) -> bytes:
    name = text.removeprefix("ctrl-")
    if len(name) == 1 and name.isascii():
        if name == text:
            return name.encode()
        if name.isalpha() or name in _CONTROLS:
            return bytes([ord(name.upper()) & 0x1F])
    raise BadKeys(f"not a key: {text!r}", hint="letters, and ctrl-a to ctrl-z: ctrl-p,ctrl-q")


class Typed:
    """What is typed, without the keys that detach."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._begun = b""
        """The beginning of the keys that was typed and not passed on yet."""
        self.detached = False

    def feed(self, data: bytes) -> bytes:
        """What of `data`, and of what came before it, is to be passed on."""
        if not self._keys:
            return data
        data = self._begun + data
        before, found, _ = data.partition(self._keys)
        if found:
            self.detached = True
            return before
        for length in range(min(len(self._keys) - 1, len(data)), 0, -1):
            if data.endswith(self._keys[:length]):
                self._begun = data[-length:]
                return data[:-length]
        self._begun = b""
        return data
