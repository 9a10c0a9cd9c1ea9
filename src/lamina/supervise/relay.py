"""Published ports where the kernel cannot redirect: connections carried by hand.

The kernel sends on what comes for a published port of IPv4, and of IPv6 where the container
has IPv6.  Two things are left, which Docker leaves to a proxy as well: the host's `::1`, and
IPv6 for a container that has only IPv4.  Their connections come to a socket that listens,
and are carried to the container here, without threads.
"""

from __future__ import annotations

import _socket
import select

from lamina.supervise import members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PIECE = 1 << 16
_MOST = 200
"""Connections at a time; the others wait to be taken."""


class _End:
    """One side of a connection."""

    def __init__(self, socket: _socket.socket) -> None:
        self.socket = socket
        self.fd = socket.fileno()
        self.other: _End = self
        self.unsent = b""
        """What is to be written here."""
        self.over = False
        """Whether no more comes from here."""
        self.closed = False
        """Whether it was told that no more comes."""
        self.connecting = False


class Relay:
    """Carries the connections of `listeners` (descriptor, port of the container), which it
    then owns, to the container of the task: `directory` and `container` say where it is.

    Whoever has it polls `filenos()` for reading, and calls `handle` when there is something.
    """

    def __init__(self, task: Mapping[str, Any]) -> None:
        self._task = task
        self._poll = select.epoll()
        self._ends: dict[int, _End] = {}
        self._listeners: dict[int, tuple[_socket.socket, int]] = {}
        for fd, port in task["listeners"]:
            socket = _socket.socket(fileno=fd)
            socket.setblocking(False)
            self._listeners[fd] = (socket, port)
            self._poll.register(fd, select.EPOLLIN)

    def filenos(self) -> list[int]:
        """What to poll for reading."""
        return [self._poll.fileno()]

    def handle(self, fd: int = -1) -> None:
        """Do what can be done without waiting.  Raises nothing."""
        for ready, event in self._poll.poll(0):
            if ready in self._listeners:
                self._accept(ready)
            elif ready in self._ends:
                end = self._ends[ready]
                try:
                    self._move(end, event)
                except BlockingIOError:
                    continue
                except OSError:
                    self._drop(end)

    def close(self) -> None:
        """Close all that it has open."""
        for end in list(self._ends.values()):
            if end.fd in self._ends:
                self._drop(end)
        for socket, _ in self._listeners.values():
            socket.close()
        self._poll.close()

    def _accept(self, fd: int) -> None:
        socket, port = self._listeners[fd]
        try:
            number, _ = socket._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        end = _End(_socket.socket(fileno=number))
        end.socket.setblocking(False)
        there = self._connect(port) if len(self._ends) < 2 * _MOST else None
        if there is None:
            end.socket.close()
            return
        end.other, there.other = there, end
        there.connecting = True
        self._ends[end.fd], self._ends[there.fd] = end, there
        self._poll.register(end.fd, 0)
        self._poll.register(there.fd, select.EPOLLOUT)

    def _connect(self, port: int) -> _End | None:
        address = self._address()
        if not address:
            return None
        family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
        try:
            socket = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        except OSError:
            return None
        socket.setblocking(False)
        try:
            socket.connect((address, port))
        except BlockingIOError:
            pass
        except OSError:
            socket.close()
            return None
        return _End(socket)

    def _address(self) -> str:
        """The container's address as it is now: of a network with a way out."""
        member = members.load(self._task["directory"], self._task["container"]) or {}
        for endpoint in members.endpoints(member):
            if not endpoint.get("internal"):
                found = endpoint.get("ip6") or endpoint.get("ip")
                if isinstance(found, str):
                    return found
        return ""

    def _move(self, end: _End, event: int) -> None:
        if end.connecting:
            error = end.socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
            if error or event & select.EPOLLERR:
                raise OSError(error, "refused")
            end.connecting = False
        if event & (select.EPOLLERR):
            raise OSError("reset")
        if end.unsent:
            end.unsent = end.unsent[end.socket.send(end.unsent, _socket.MSG_NOSIGNAL) :]
        other = end.other
        if event & (select.EPOLLIN | select.EPOLLHUP) and not end.over and not other.unsent:
            data = end.socket.recv(_PIECE)
            if data:
                other.unsent = data
            else:
                end.over = True
        self._settle(end)

    def _settle(self, end: _End) -> None:
        """Tell each side of the other's end, and wait for what can happen next."""
        for each in (end, end.other):
            if each.other.over and not each.unsent and not each.closed and not each.connecting:
                each.closed = True
                each.socket.shutdown(_socket.SHUT_WR)
        if end.closed and end.other.closed:
            self._drop(end)
            return
        for each in (end, end.other):
            wanted = select.EPOLLOUT if each.unsent or each.connecting else 0
            if not each.over and not each.other.unsent and not each.connecting:
                wanted |= select.EPOLLIN
            self._poll.modify(each.fd, wanted)

    def _drop(self, end: _End) -> None:
        for each in (end, end.other):
            if self._ends.pop(each.fd, None) is not None:
                self._poll.unregister(each.fd)
                each.socket.close()
