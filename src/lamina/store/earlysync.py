"""Writing to disk while there is still more to write, so that little is left to wait for."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event, Thread

from lamina.linux.syscall import syncfs

_EVERY = 24 << 20


class EarlySync:
    """Starts a sync of a file system each time some 24 MB more were written to it.

    The kernel would keep all of it in memory until the one sync before the
    layer gets its name, and the disk would idle until then.  This changes no
    promise: that last sync is still done by the one who names the layer.  What
    fails here fails there again, so it is not reported twice.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written = 0
        self._due = Event()
        self._ended = False
        self._thread: Thread | None = None

    def __enter__(self) -> EarlySync:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._ended = True
            self._due.set()
            self._thread.join()

    def wrote(self, amount: int) -> None:
        """Some `amount` more bytes were written."""
        self._written += amount
        if self._written >= _EVERY:
            self._written = 0
            if self._thread is None:
                self._thread = Thread(target=self._work, name="early-sync", daemon=True)
                self._thread.start()
            self._due.set()

    def _work(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            while True:
                self._due.wait()
                self._due.clear()
                if self._ended:
                    return
                try:
                    syncfs(fd)
                except OSError:
                    return
        finally:
            os.close(fd)
