"""A terminal handed over by a container runtime: a descriptor through a Unix socket."""

from __future__ import annotations

import os
import socket


class ConsoleSocket:
    """Listens in a directory; a runtime connects and sends the container's terminal."""

    def __init__(self, directory: int, name: str) -> None:
        """Listen at `name` in a directory given as a descriptor.  Raises OSError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # By descriptor: the path of a socket has room for 107 bytes.
            self._socket.bind(f"/proc/self/fd/{directory}/{name}")
            self._socket.listen(1)
            self._socket.setblocking(False)
        except OSError:
            self._socket.close()
            raise

    def take(self) -> int:
        """The terminal's master that was sent, or -1 when none was; the caller closes it."""
        try:
            peer, _ = self._socket.accept()
            with peer:
                _, found, _, _ = socket.recv_fds(peer, 4096, 1)
        except OSError:
            return -1
        if not found:
            return -1
        os.set_inheritable(found[0], False)
        return found[0]

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
