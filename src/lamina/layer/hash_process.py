"""sha256 of a stream of small files, in a process of its own.

A thread would not do: it needs the interpreter four times a file, and whoever makes the
stream needs it as often, so that the two wait for each other more than they work.
"""

from __future__ import annotations

import hashlib
import os
from struct import Struct
from types import TracebackType

from lamina.layer.errors import BadLayer

_HEAD = Struct("<QQ")
"""How many bytes of text follow, and how many are in the file of that path; 0 for plain text."""
_BATCH = 1 << 16
_PIECE = 1 << 16
"""Read at once: what fits into a processor's own cache is hashed in three quarters of the time."""
_DONE, _FAILED = b"=", b"!"


class HashProcess:
    """Hashes bytes and files in the order in which it is told of them.

    Use it in a `with` block, which ends the process; `digest` may be asked after it.  The
    process that makes one has no other thread: what that held locked would stay so.
    """

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._size = 0
        self._digest = b""

    def __enter__(self) -> HashProcess:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._orders)
            _work(orders, answers)
        os.close(orders)
        os.close(answers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            os.kill(self._child, 9)
        try:
            if kind is None:
                self._flush()
        finally:
            os.close(self._orders)
            answer = b"" if kind is not None else _all(self._answers)
            os.close(self._answers)
            os.waitpid(self._child, 0)
        if kind is None and answer[:1] != _DONE:
            said = answer[1:].decode("utf-8", "surrogateescape")
            raise BadLayer(said or "the process that hashes a layer was killed")
        self._digest = answer[1:]

    def feed(self, piece: bytes) -> None:
        """Hash `piece`."""
        self._tell(_HEAD.pack(len(piece), 0), piece)

    def feed_file(self, path: bytes, size: int) -> None:
        """Hash the `size` bytes of a file, read by the process.  The end of the block raises
        BadLayer when it has fewer."""
        if size:
            self._tell(_HEAD.pack(len(path), size), path)

    def digest(self) -> bytes:
        """The 32 bytes; after the `with` block."""
        return self._digest

    def _tell(self, head: bytes, text: bytes) -> None:
        self._waiting += (head, text)
        self._size += len(text)
        if self._size >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        left = memoryview(b"".join(self._waiting))
        self._waiting, self._size = [], 0
        try:
            while left:
                left = left[os.write(self._orders, left) :]
        except BrokenPipeError:
            pass  # it has given up, and says why at the end


def _work(orders: int, answers: int) -> None:
    """The process: an answer, and an end that runs nothing else."""
    try:
        try:
            answer = _DONE + _hashed(orders)
        except (OSError, BadLayer) as error:
            answer = _FAILED + str(error).encode("utf-8", "surrogateescape")
        os.write(answers, answer)
    finally:
        os._exit(0)


def _hashed(orders: int) -> bytes:
    """The sha256 of all that is asked for."""
    hasher = hashlib.sha256()
    buffer = memoryview(bytearray(_PIECE))
    with os.fdopen(orders, "rb", buffering=1 << 17) as told:
        while head := told.read(_HEAD.size):
            length, size = _HEAD.unpack(head)
            text = told.read(length)
            if not size:
                hasher.update(text)
                continue
            fd = os.open(text, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            while size and (count := os.readv(fd, [buffer[: min(size, _PIECE)]])):
                hasher.update(buffer[:count])
                size -= count
            os.close(fd)
            if size:
                raise BadLayer(f"{os.fsdecode(text)!r} changed while it was read")
    return hasher.digest()


def _all(fd: int) -> bytes:
    pieces: list[bytes] = []
    while piece := os.read(fd, 1 << 12):
        pieces.append(piece)
    return b"".join(pieces)
