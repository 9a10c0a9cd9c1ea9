"""Bytes to a process and from it, until both have ended."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lamina.run.carry import Input, carry
from lamina.run.keys import Typed


class Piped:
    """A shell with its streams carried to pipes that a test holds the other ends of."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def pipe(self) -> tuple[int, int]:
        reader, writer = os.pipe()
        for fd in (reader, writer):
            self._stack.callback(self.close, fd)
        return reader, writer

    @staticmethod
    def close(fd: int) -> None:
        try:
            os.close(fd)
        except OSError:
            pass

    def run(self, script: str, data: bytes | None = None) -> tuple[bytes, int]:
        """Its output, and how it ended."""
        out, inside = self.pipe()
        result, printed = self.pipe()
        stdin: int | None = subprocess.DEVNULL
        given = None
        if data is not None:
            source, typing = os.pipe()
            self._stack.callback(self.close, source)
            stdin, target = os.pipe()
            given = Input(source, target, typed=Typed(b""), pipe=True)
            threading.Thread(target=self._type, args=(typing, data)).start()
        process = subprocess.Popen(["sh", "-c", script], stdin=stdin, stdout=inside)
        os.close(inside)
        if data is not None and stdin is not None:
            os.close(stdin)
        collected: list[bytes] = []
        reader = threading.Thread(target=self._collect, args=(result, collected))
        reader.start()
        pidfd = os.pidfd_open(process.pid)
        assert carry(pidfd, {out: printed}, given)
        os.close(pidfd)
        os.close(printed)
        reader.join()
        return b"".join(collected), process.wait()

    @staticmethod
    def _type(fd: int, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(fd, view) :]
        except BrokenPipeError:
            pass  # the test is over, and nobody wanted it
        os.close(fd)

    @staticmethod
    def _collect(fd: int, into: list[bytes]) -> None:
        while piece := os.read(fd, 1 << 16):
            into.append(piece)


@pytest.fixture
def piped() -> Iterator[Piped]:
    with ExitStack() as stack:
        yield Piped(stack)


def test_what_it_prints_arrives_whole(piped: Piped) -> None:
    assert piped.run("echo a; sleep 0.05; echo b; exit 3") == (b"a\nb\n", 3)


def test_input_of_any_size_goes_there_and_ends(piped: Piped) -> None:
    data = os.urandom(1 << 20)
    assert piped.run("cat", data) == (data, 0)
    assert piped.run("wc -c", b"") == (b"0\n", 0)


def test_a_process_that_reads_nothing_holds_nobody_up(piped: Piped) -> None:
    assert piped.run("exec <&-; sleep 0.05; echo done", bytes(1 << 20)) == (b"done\n", 0)


def test_what_is_left_in_the_background_is_not_waited_for(piped: Piped) -> None:
    begun = time.monotonic()
    assert piped.run("sleep 5 & echo here") == (b"here\n", 0)
    assert time.monotonic() - begun < 3


def test_a_reader_that_goes_away_is_a_broken_pipe_for_it(piped: Piped) -> None:
    out, inside = os.pipe()
    result, printed = os.pipe()
    os.close(result)
    process = subprocess.Popen(["sh", "-c", "while :; do echo x; done"], stdout=inside)
    os.close(inside)
    pidfd = os.pidfd_open(process.pid)
    assert carry(pidfd, {out: printed}, None)
    assert process.wait() == -13
    os.close(pidfd)
    os.close(printed)


def test_keys_that_detach_leave_it_running(piped: Piped) -> None:
    source, typing = piped.pipe()
    stdin, target = piped.pipe()
    process = subprocess.Popen(["cat"], stdin=stdin, stdout=subprocess.DEVNULL)
    pidfd = os.pidfd_open(process.pid)
    os.write(typing, b"text\x10\x11")
    given = Input(source, target, typed=Typed(b"\x10\x11"), pipe=True)
    assert not carry(pidfd, {}, given)
    assert process.poll() is None
    process.kill()
    process.wait()
    os.close(pidfd)
