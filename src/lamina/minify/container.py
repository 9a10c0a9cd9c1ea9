"""A container that is only watched: started, listened to, ended, and nothing of it left."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from lamina.run.launch import Running, start
from lamina.run.spec import ContainerSpec, Streams

_PIECE = 65536


class Contained:
    """A running container and what it has printed."""

    def __init__(self, running: Running, readers: tuple[int, int]) -> None:
        self._running = running
        self._pieces: tuple[list[bytes], list[bytes]] = ([], [])
        self._thread = Thread(target=self._listen, args=(readers,), name="output", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._running.pid

    def wait(self, timeout: float) -> int | None:
        """The exit status; None when it still runs after so many seconds."""
        if (status := self._running.poll()) is not None:
            return status
        pidfd = os.pidfd_open(self.pid)
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            poll.poll(timeout * 1000)
        finally:
            os.close(pidfd)
        return self._running.poll()

    def kill(self, number: int) -> None:
        """Send its first process a signal."""
        self._running.kill(number)

    def catches(self, number: int) -> bool:
        """Whether its first process handles a signal.  The kernel does not even deliver one
        that it does not: it is the first of its pid namespace."""
        try:
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as stream:
                lines = dict(line.split(":", 1) for line in stream if ":" in line)
        except OSError:
            return False
        return bool(int(lines.get("SigCgt", "0"), 16) >> (number - 1) & 1)

    def outputs(self) -> tuple[tuple[str, bytes], ...]:
        """All that it printed, when it has ended; so far, while it runs."""
        if self._running.poll() is not None:
            self._thread.join()
        names = ("stdout", "stderr")
        return tuple((name, b"".join(each)) for name, each in zip(names, self._pieces, strict=True))

    def end(self) -> None:
        """Kill it, if it runs, and wait until it is gone."""
        self._running.kill()
        self._running.wait()
        self._thread.join()

    def _listen(self, readers: tuple[int, int]) -> None:
        places = dict(zip(readers, self._pieces, strict=True))
        poll = select.poll()
        for fd in readers:
            poll.register(fd, select.POLLIN)
        while places:
            for fd, _ in poll.poll():
                piece = os.read(fd, _PIECE)
                if piece:
                    places[fd].append(piece)
                else:
                    poll.unregister(fd)
                    os.close(fd)
                    del places[fd]


@contextmanager
def contained(spec: ContainerSpec, *, watch: int = -1) -> Iterator[Contained]:
    """The container for the length of a `with` block: at its end it is killed.

    Its standard input is at its end.  A program that cannot be executed exits with 126 or
    127, and the reason is the last it printed.  Raises what `start` raises.
    """
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    out_read, out_write = os.pipe()
    error_read, error_write = os.pipe()
    running: Running | None = None
    box: Contained | None = None
    try:
        try:
            running = start(spec, Streams(null, out_write, error_write), watch=watch)
            if running.refused:
                os.write(error_write, f"lamina: {running.refused}\n".encode())
        finally:
            for fd in (null, out_write, error_write):
                os.close(fd)
        box = Contained(running, (out_read, error_read))
        yield box
    finally:
        # An interrupt may come at any moment; what runs by then is ended.
        if box is not None:
            box.end()
        else:
            if running is not None:
                running.kill()
                running.wait()
            os.close(out_read)
            os.close(error_read)


def await_until(deadline: float, box: Contained, pause: float = 0.01) -> bool:
    """Wait a little; whether there is time left and the container runs."""
    return time.monotonic() < deadline and box.wait(pause) is None


def ready_directory(place: Path) -> Path:
    """`place` with the directories that a container's root file system needs."""
    place.mkdir(mode=0o700)
    for name in ("upper", "work"):
        (place / name).mkdir(mode=0o755)
        (place / name).chmod(0o755)
    return place
