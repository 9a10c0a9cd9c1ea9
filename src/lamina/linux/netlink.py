"""Netlink sockets: messages to the kernel's network and their answers (netlink(7)).

Why not pyroute2, which speaks all of this: on the machine of bench/results.md importing it
takes 220 to 380 ms, its lower modules without the package's own `__init__` still 100 to 150
(asyncio, and classes for every message there is), and `pyroute2.minimal` no less.  A
container with a bridge and a published port is to start in 150 ms, all told; what is needed
of netlink for that is a dozen kinds of message, and these modules import in 3 ms.  The tests
read back with pyroute2 what they told the kernel.
"""

from __future__ import annotations

import _socket
import errno
import os
import struct
from collections.abc import Iterator, Sequence

import msgspec

ROUTE, NETFILTER = 0, 12

REQUEST, ACK, ROOT, MATCH = 1, 4, 0x100, 0x200
EXCL, CREATE, APPEND = 0x200, 0x400, 0x800
DUMP = ROOT | MATCH
_NESTED = 0x8000
_TYPE = 0x3FFF
_ERROR, _DONE = 2, 3
_CAPPED, _TLVS = 0x100, 0x200
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_SOL_NETLINK, _CAP_ACK, _EXT_ACK, _STRICT = 270, 10, 11, 12
_LARGEST = 1 << 18
_MOST_MESSAGES = 64
"""In one write: their answers must find room in the socket."""


class Message(msgspec.Struct, frozen=True):
    """One request, without its header."""

    kind: int
    flags: int
    body: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """A `struct nlattr` with its value, padded."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | _NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """An attribute that is a string, with the NUL at its end."""
    return attribute(kind, os.fsencode(value) + b"\0")


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by kind; of several of one kind the last."""
    return dict(attribute_list(data))


def attribute_list(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Attributes in their order; stops where the data makes no sense."""
    place = 0
    while place + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, place)
        if length < 4:
            return
        yield kind & _TYPE, data[place + 4 : place + length]
        place += (length + 3) & ~3


class Netlink:
    """A netlink socket, of the network namespace in which its thread is when it is made."""

    def __init__(self, protocol: int) -> None:
        self._socket = _socket.socket(
            _socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, protocol
        )
        self._sequence = 0
        for option in (_CAP_ACK, _EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def ask(self, *messages: Message) -> None:
        """Have messages carried out, one after the other, each of its own.

        Raises OSError for the first that failed, with the kernel's words; the others were
        carried out nevertheless.
        """
        for start in range(0, len(messages), _MOST_MESSAGES):
            part = messages[start : start + _MOST_MESSAGES]
            self._send([msgspec.structs.replace(each, flags=each.flags | ACK) for each in part])
            failures: list[OSError] = []
            answered = 0
            while answered < len(part):
                for kind, body in self._receive():
                    if kind == _ERROR:
                        answered += 1
                        failures += _failure(body)
            if failures:
                raise failures[0]

    def ask_whole(self, messages: Sequence[Message]) -> None:
        """Have messages carried out that are one transaction: the last one has the ACK.

        Raises OSError for the first that failed; then none was carried out.
        """
        self._send(messages)
        failures: list[OSError] = []
        while True:
            try:
                answers = list(self._receive(_socket.MSG_DONTWAIT))
            except BlockingIOError:
                break  # the kernel answers before it returns from the write
            for kind, body in answers:
                if kind == _ERROR:
                    failures += _failure(body)
        if failures:
            raise failures[0]

    def dump(self, message: Message) -> list[bytes]:
        """The bodies of all that the kernel has to tell.  Raises OSError."""
        self._send([msgspec.structs.replace(message, flags=message.flags | DUMP)])
        found: list[bytes] = []
        while True:
            for kind, body in self._receive():
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    failures = _failure(body)
                    if failures:
                        raise failures[0]
                    return found
                found.append(body)

    def get(self, message: Message) -> bytes:
        """The body of the one answer.  Raises OSError."""
        self._send([message])
        for kind, body in self._receive():
            if kind == _ERROR and (failures := _failure(body)):
                raise failures[0]
            if kind != _ERROR:
                return body
        raise OSError(errno.EPROTO, "netlink: no answer")

    def _send(self, messages: Sequence[Message]) -> None:
        raw = bytearray()
        for each in messages:
            self._sequence += 1
            length = _HEADER.size + len(each.body)
            raw += _HEADER.pack(length, each.kind, each.flags | REQUEST, self._sequence, 0)
            raw += each.body + bytes(-length % 4)
        if len(raw) > _LARGEST // 2:
            self._socket.setsockopt(_socket.SOL_SOCKET, 32, 4 * len(raw))  # SO_SNDBUFFORCE
        self._socket.send(raw)

    def _receive(self, flags: int = 0) -> Iterator[tuple[int, bytes]]:
        data = self._socket.recv(_LARGEST, flags)
        place = 0
        while place + _HEADER.size <= len(data):
            length, kind, more, _, _ = _HEADER.unpack_from(data, place)
            if length < _HEADER.size:
                return
            body = data[place + _HEADER.size : place + length]
            yield kind, (struct.pack("=I", more) + body if kind == _ERROR else body)
            place += (length + 3) & ~3


def _failure(body: bytes) -> list[OSError]:
    """What an acknowledgement says went wrong, if anything."""
    flags, code = struct.unpack_from("=Ii", body)
    if code == 0:
        return []
    said = ""
    if flags & _TLVS:
        (original,) = struct.unpack_from("=I", body, 8)
        rest = 8 + (_HEADER.size if flags & _CAPPED else (original + 3) & ~3)
        said = attributes(body[rest:]).get(1, b"").rstrip(b"\0").decode(errors="replace")
    strerror = os.strerror(-code)
    return [OSError(-code, f"netlink: {strerror}" + (f" ({said})" if said else ""))]
