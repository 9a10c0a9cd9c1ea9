"""The `lamina` command without its start: a process that has imported all of it forks for each.

Every command has a process, an environment, a working directory, a umask and streams of its
own, as one that is started has; but the interpreter and the modules are there.  A test that is
about how a command starts, or dies, starts it (`COMMAND`); with LAMINA_TEST_STARTED=1 all do.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

_LARGEST = 1 << 17
_APART = ("lamina.explore", "lamina.query", "lamina.supervise")
"""Parts that bring large libraries, or are programs of their own."""
_OF_THE_START = ("PYTHON", "LANG", "LC_", "TZ")
"""What the variables begin with that an interpreter reads when it starts."""


def run(
    command: Sequence[str],
    *,
    stdin: bytes | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run `lamina` with arguments, and variables beside ours, as `subprocess.run` would: to its
    end, and to that of all that it printed."""
    env = env or {}
    whole = {**os.environ, **env}
    if os.environ.get("LAMINA_TEST_STARTED") or any(each.startswith(_OF_THE_START) for each in env):
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=whole,
        ) as process:
            try:
                out, error = process.communicate(stdin)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, error)
    place = os.path.abspath(cwd or ".")
    request = json.dumps([list(command), place, whole, _umask()]).encode()
    with contextlib.ExitStack() as ends:
        asking, answering = _pair(ends)
        output, output_end = _pipe(ends)
        errors, errors_end = _pipe(ends)
        given, sink = (os.open(os.devnull, os.O_RDONLY), -1) if stdin is None else os.pipe()
        try:
            fds = [given, output_end, errors_end, answering.fileno()]
            socket.send_fds(_ready()[0], [request], fds)
        finally:
            answering.close()
            for fd in (given, output_end, errors_end):
                os.close(fd)
        pid = int(asking.recv(20))
        try:
            printed = _carried((output, errors), sink, stdin or b"")
            status = os.waitstatus_to_exitcode(int(asking.recv(20)))
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(list(command), status, *printed)


def _umask() -> int:
    """Ours: os.umask would have to set another to tell it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))


def _pair(ends: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return ends.enter_context(ours), ends.enter_context(theirs)


def _pipe(ends: contextlib.ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    ends.callback(os.close, reader)
    return reader, writer


def _carried(sources: Sequence[int], sink: int, data: bytes) -> list[bytes]:
    """What comes from each of `sources`, to the end, while `data` goes to `sink`."""
    printed: dict[int, list[bytes]] = {fd: [] for fd in sources}
    left = memoryview(data)
    with selectors.DefaultSelector() as waiting:
        for fd in sources:
            waiting.register(fd, selectors.EVENT_READ)
        if sink >= 0:
            os.set_blocking(sink, False)
            waiting.register(sink, selectors.EVENT_WRITE)
        while waiting.get_map():
            for key, _ in waiting.select():
                if key.fd == sink:
                    try:
                        left = left[os.write(sink, left) :]
                    except BrokenPipeError:
                        left = left[:0]  # not everybody reads what is given
                    if not left:
                        waiting.unregister(sink)
                        os.close(sink)
                elif chunk := os.read(key.fd, 1 << 16):
                    printed[key.fd].append(chunk)
                else:
                    waiting.unregister(key.fd)
    return [b"".join(each) for each in printed.values()]


@cache
def _ready() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The process that forks, and the way to ask it; it ends when nobody can ask any more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
    atexit.register(_end, ours, process)
    return ours, process


def _end(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    control.close()
    process.wait()


# the process that forks


def serve(control: socket.socket) -> None:
    """Fork for each that asks, and say its pid and how it ended, until nobody can ask."""
    _import_all()
    running: dict[int, tuple[int, int]] = {}
    with selectors.DefaultSelector() as waiting:
        waiting.register(control, selectors.EVENT_READ)
        for fd in _happens(waiting):
            if fd != control.fileno():
                waiting.unregister(fd)
                pid, answer = running.pop(fd)
                _say(answer, os.waitpid(pid, 0)[1])
                os.close(answer)
                os.close(fd)
                continue
            request, given, _, _ = socket.recv_fds(control, _LARGEST, 4)
            if not request:
                return
            pid = os.fork()
            if pid == 0:
                _become(request, given)
            _say(given[3], pid)
            for each in given[:3]:
                os.close(each)
            pidfd = os.pidfd_open(pid)
            running[pidfd] = (pid, given[3])
            waiting.register(pidfd, selectors.EVENT_READ)


def _happens(waiting: selectors.BaseSelector) -> Iterator[int]:
    while True:
        for key, _ in waiting.select():
            yield key.fd


def _say(answer: int, number: int) -> None:
    with contextlib.suppress(OSError):  # who asked may be gone
        os.write(answer, str(number).encode())


def _import_all() -> None:
    import lamina
    import lamina.cli.entry

    for each in pkgutil.walk_packages(lamina.__path__, "lamina."):
        if not each.name.startswith(_APART):
            importlib.import_module(each.name)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page of it


def _become(request: bytes, given: Sequence[int]) -> NoReturn:
    from lamina.cli.entry import main

    words, directory, env, umask = json.loads(request)
    for number, fd in enumerate(given[:3]):
        os.dup2(fd, number)
    os.closerange(3, 1 << 16)
    os.chdir(directory)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = words
    try:
        main()  # which ends the process, unless something fails that nobody foresaw
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
