"""Secrets that a command prints or writes: hidden in its output, looked for in its layer."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock

_SHORTEST_HIDDEN = 4
"""Bytes: what is shorter stands in too many words that have nothing to do with it."""
_SHORTEST_SOUGHT = 8
_PIECE = 1 << 20
_MASK = b"***"


def parts(secret: bytes) -> list[bytes]:
    """What of a secret is hidden in output: all of it, and each of its lines, without the
    blanks around them; nothing shorter than four bytes."""
    found = [secret.strip(), *(line.strip() for line in secret.splitlines())]
    return [each for each in dict.fromkeys(found) if len(each) >= _SHORTEST_HIDDEN]


class Redactor:
    """Passes bytes on to `output`, with `***` for each secret in them.

    What may be the beginning of a secret waits for what comes next, so a secret is found
    across the pieces it comes in; `flush` at the end passes on what still waits.  Pieces may
    come from several threads.
    """

    def __init__(self, secrets: Iterable[bytes], output: Callable[[bytes], None]) -> None:
        known = {part for secret in secrets for part in parts(secret)}
        # The longest first: one may begin like another.
        self._known = sorted(known, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._known)))
        self._output = output
        self._waiting = b""
        self._lock = Lock()

    def feed(self, piece: bytes) -> None:
        """Pass on what cannot belong to a secret that is not at its end."""
        with self._lock:
            self._feed(piece)

    def _feed(self, piece: bytes) -> None:
        if not self._known:
            self._output(piece)
            return
        text = self._waiting + piece
        done, clear = 0, b""
        keep = len(text) - self._beginning(text)
        for found in self._pattern.finditer(text):
            # One that could still become a longer one waits with it.
            if found.start() >= keep:
                break
            clear += text[done : found.start()] + _MASK
            done = found.end()
        keep = max(keep, done)
        self._waiting = text[keep:]
        if ready := clear + text[done:keep]:
            self._output(ready)

    def flush(self) -> None:
        """Pass on what waits."""
        if self._waiting:
            rest, self._waiting = self._waiting, b""
            self._output(self._pattern.sub(_MASK, rest))

    def _beginning(self, text: bytes) -> int:
        """The length of the longest end of `text` with which a secret begins."""
        longest = 0
        for secret in self._known:
            for length in range(min(len(secret) - 1, len(text)), longest, -1):
                if text.endswith(secret[:length]):
                    longest = length
                    break
        return longest


def places(directory: Path, secrets: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """(name of the secret, path) of every file below `directory` that has a secret of eight
    bytes or more in its content, name or link; paths begin with a slash."""
    sought = {name: secret.strip() for name, secret in secrets.items()}
    sought = {name: each for name, each in sought.items() if len(each) >= _SHORTEST_SOUGHT}
    waiting = [os.fsencode(directory)] if sought else []
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                for name in _found(entry, sought):
                    yield name, os.fsdecode(entry.path[len(os.fsencode(directory)) :])


def _found(entry: os.DirEntry[bytes], sought: Mapping[str, bytes]) -> set[str]:
    found = {name for name, secret in sought.items() if secret in entry.name}
    if entry.is_symlink():
        link = os.readlink(entry.path)
        found |= {name for name, secret in sought.items() if secret in link}
    elif entry.is_file(follow_symlinks=False):
        found |= _in_file(entry.path, sought)
    return found


def _in_file(path: bytes, sought: Mapping[str, bytes]) -> set[str]:
    overlap = max(map(len, sought.values())) - 1
    found: set[str] = set()
    text = b""
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            text = text[-overlap:] + piece
            found |= {name for name, secret in sought.items() if secret in text}
    return found
