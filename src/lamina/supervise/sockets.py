"""The socket of a container, in its directory: however long that one's path is."""

from __future__ import annotations

import _socket
import os

from lamina.supervise.frames import LONGEST, SOCKET

_WAITING = 8
"""How many may knock at once."""


def listen(directory: str) -> int:
    """The listening end, as a descriptor; a socket of before is replaced.  Raises OSError."""
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # A socket's address has at most 108 bytes; through a descriptor any directory fits.
        path = f"/proc/self/fd/{place}/{SOCKET}"
        if os.path.lexists(path):
            os.unlink(path)
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        listener.bind(path)
        listener.listen(_WAITING)
        return listener.detach()
    finally:
        os.close(place)


def connect(directory: str) -> int:
    """A connection to who watches the container.  Raises OSError when nobody does."""
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        connection.connect(f"/proc/self/fd/{place}/{SOCKET}")
        return connection.detach()
    finally:
        os.close(place)


def pair() -> tuple[int, int]:
    """Two ends of a connection, as descriptors that end at exec."""
    one, other = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    return one.detach(), other.detach()


def send(fd: int, message: bytes) -> None:
    """Send one message, waiting for room.  Raises OSError when nobody is there any more."""
    connection = _socket.socket(fileno=fd)
    try:
        connection.send(message, _socket.MSG_NOSIGNAL)
    finally:
        connection.detach()


def receive(fd: int) -> bytes:
    """The next message, waiting for it; empty when the other end is closed."""
    connection = _socket.socket(fileno=fd)
    try:
        return connection.recv(LONGEST + 1)
    except ConnectionResetError:
        # It was closed with something of ours unread, which is told before what it sent last.
        return connection.recv(LONGEST + 1)
    finally:
        connection.detach()
