"""A Unix socket whose connections go on to another one: with another owner, at another place."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

_PIECE = 1 << 16
_PATIENCE = 10
"""Seconds after which a side that takes nothing is given up."""
_WAITING = 16
"""Connections that may wait to be taken."""


@contextmanager
def forwarded(
    place: Path, target: Path, *, mode: int = 0o600, uid: int = 0, gid: int = 0
) -> Iterator[None]:
    """Listen at `place`, with that mode and owner, for the length of a `with` block.

    Each connection is carried to the socket `target`; one that cannot be made there is
    closed.  Raises OSError when `place` cannot be made.
    """
    listener = _listener(place)
    ours, theirs = socket.socketpair()
    thread = Thread(target=_Forwarder(listener, theirs, target).run, name="forwarder", daemon=True)
    try:
        os.chown(place, uid, gid)
        os.chmod(place, mode)
        thread.start()
        yield
    finally:
        ours.close()
        if thread.ident is not None:
            thread.join()
        theirs.close()
        listener.close()
        place.unlink(missing_ok=True)


def _listener(place: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = os.open(place.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # A socket's path may have 107 bytes; by descriptor it is short wherever it lies.
        listener.bind(f"/proc/self/fd/{directory}/{place.name}")
        listener.listen(_WAITING)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    finally:
        os.close(directory)
    return listener


class _Forwarder:
    """Carries bytes between pairs of sockets until `end` is closed on the other side."""

    def __init__(self, listener: socket.socket, end: socket.socket, target: Path) -> None:
        self._listener = listener
        self._end = end
        self._target = target
        self._others: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        self._selector.register(self._end, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in self._selector.select()]
            if self._end in ready:
                break
            for each in ready:
                if each is self._listener:
                    self._accept()
                elif isinstance(each, socket.socket) and each in self._others:
                    self._carry(each)
        for each in list(self._others):
            each.close()
        self._selector.close()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            near, _ = self._listener.accept()
            far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            far.settimeout(_PATIENCE)
            try:
                far.connect(os.fspath(self._target))
            except OSError:
                near.close()
                far.close()
                return
            near.settimeout(_PATIENCE)
            for one, other in ((near, far), (far, near)):
                self._others[one] = other
                self._selector.register(one, selectors.EVENT_READ)

    def _carry(self, source: socket.socket) -> None:
        target = self._others[source]
        try:
            piece = source.recv(_PIECE)
            if piece:
                target.sendall(piece)
                return
        except OSError:
            pass  # one side is gone: so is the connection
        for each in (source, target):
            self._selector.unregister(each)
            del self._others[each]
            each.close()
