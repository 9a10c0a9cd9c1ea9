"""/dev, /proc and /sys where nothing can be mounted: what of them can be had without.

Device nodes are made if this process may make and open them.  Otherwise /dev/null is a file
that is emptied whenever something was written to it, /dev/zero one of 64 GiB without a block,
and /dev/random and /dev/urandom are pipes that are always full.  /dev/stdout and /dev/stderr
are pipes, too, since they cannot be links into /proc; what comes out goes where the command's
own output goes.  /proc has what is the same for all processes, as it is at this moment.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

from lamina.linux.ability import no_devices
from lamina.linux.inotify import watch_writes

_NODES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_ZEROS = 64 << 30
_PIECE = 65536
_DIRECTORIES = {"pts": 0o755, "shm": 0o1777, "mqueue": 0o1777}
_TEXTS = (
    *("cpuinfo", "devices", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version"),
    *("sys/fs/file-max", "sys/crypto/fips_enabled", "sys/vm/overcommit_memory"),
    *("sys/kernel/osrelease", "sys/kernel/ostype", "sys/kernel/version", "sys/kernel/hostname"),
    *("sys/kernel/pid_max", "sys/kernel/threads-max", "sys/kernel/ngroups_max"),
    *("sys/kernel/cap_last_cap", "sys/kernel/overflowuid", "sys/kernel/overflowgid"),
    *("sys/kernel/random/entropy_avail", "sys/kernel/random/poolsize"),
)
_MOUNTS = "none / rootfs rw 0 0\n"


class KernelFiles:
    """The three directories, made in `scratch`, and what keeps the files of /dev going."""

    def __init__(self, scratch: Path, output: Callable[[bytes], None]) -> None:
        """`output` hears, in a thread of ours, what is written to /dev/stdout and /dev/stderr."""
        self.dev, self.proc, self.sys = (scratch / name for name in ("dev", "proc", "sys"))
        self._output = output
        self._fds: list[int] = []
        self._null, self._written = -1, -1
        self._stop, self._stopped = os.pipe()
        _make_proc(self.proc)
        self.sys.mkdir(mode=0o555)
        self._make_dev()
        self._thread = Thread(target=self._serve, name="dev", daemon=True)

    def __enter__(self) -> KernelFiles:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._stopped)
        self._thread.join()
        for fd in (self._stop, *self._fds):
            os.close(fd)

    def _make_dev(self) -> None:
        self.dev.mkdir(mode=0o755)
        for name, mode in _DIRECTORIES.items():
            (self.dev / name).mkdir()
            (self.dev / name).chmod(mode)
        self._printed = [self._pipe(name) for name in ("stdout", "stderr")]
        self._random: list[int] = []
        if not no_devices(self.dev):
            for name, numbers in _NODES.items():
                os.mknod(self.dev / name, stat.S_IFCHR | 0o666, os.makedev(*numbers))
                (self.dev / name).chmod(0o666)
            return
        self._random = [self._pipe(name) for name in ("random", "urandom")]
        for name in ("null", "zero"):
            (self.dev / name).touch()
            (self.dev / name).chmod(0o666 if name == "null" else 0o444)
        with suppress(OSError):
            os.truncate(self.dev / "zero", _ZEROS)
        # Open, and not by its name: the directory is moved to where the command finds it.
        self._null = os.open(self.dev / "null", os.O_RDWR | os.O_CLOEXEC)
        self._written = watch_writes(str(self.dev / "null"))
        self._fds += [self._null, self._written]

    def _pipe(self, name: str) -> int:
        """Our end of a new pipe, which is open both ways so that the other end always opens."""
        os.mkfifo(self.dev / name)
        (self.dev / name).chmod(0o666)
        fd = os.open(self.dev / name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._fds.append(fd)
        return fd

    def _serve(self) -> None:
        """Until the end: pass on, empty, fill."""
        poll = select.poll()
        poll.register(self._stop, select.POLLHUP)
        for fd in self._printed:
            poll.register(fd, select.POLLIN)
        for fd in self._random:
            poll.register(fd, select.POLLOUT)
        if self._null >= 0:
            poll.register(self._written, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            for fd in ready:
                if fd in self._printed:
                    self._pass_on(fd)
                elif fd in self._random:
                    with suppress(BlockingIOError):
                        os.write(fd, os.urandom(4096))
                elif fd == self._written:
                    self._empty(fd)
            if self._stop in ready and not set(self._printed) & set(ready):
                return

    def _pass_on(self, fd: int) -> None:
        with suppress(BlockingIOError):
            self._output(os.read(fd, _PIECE))

    def _empty(self, fd: int) -> None:
        with suppress(BlockingIOError):
            os.read(fd, _PIECE)
        if os.fstat(self._null).st_size:
            os.truncate(self._null, 0)


def _make_proc(place: Path) -> None:
    place.mkdir(mode=0o755)
    for name in _TEXTS:
        try:
            text = (Path("/proc") / name).read_bytes()
        except OSError:
            continue
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(text)
        (place / name).chmod(0o444)
    (place / "self").mkdir()
    (place / "self" / "mounts").write_text(_MOUNTS)
    (place / "mounts").symlink_to("self/mounts")
