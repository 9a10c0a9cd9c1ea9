"""The program between us and the container's."""

from __future__ import annotations

import fcntl
import os
import platform
import struct

import pytest

from lamina.errors import Unsupported
from lamina.linux import trampoline

pytestmark = pytest.mark.skipif(
    platform.machine() not in {"x86_64", "aarch64"}, reason="there is none for this machine"
)


def test_it_is_a_small_static_program_for_two_machines() -> None:
    for machine, number in (("x86_64", 62), ("aarch64", 183)):
        program = trampoline.program(machine)
        assert program[:4] == b"\x7fELF"
        assert struct.unpack_from("<HH", program, 16) == (2, number)
        assert len(program) < 256
    with pytest.raises(Unsupported, match="riscv64"):
        trampoline.program("riscv64")


def test_its_memory_is_sealed() -> None:
    fd = trampoline.descriptor()
    assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)


def run(status_pipe: bool, *args: str) -> tuple[bytes, int]:
    """Execute the trampoline in a child; what it wrote to descriptor 3, and how it ended."""
    program = trampoline.descriptor()
    reader, writer = os.pipe()
    pid = os.posix_spawn(
        f"/proc/self/fd/{program}",
        list(args),
        {"A": "b"},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, writer, 3) if status_pipe else (os.POSIX_SPAWN_CLOSE, 3)
        ],
    )
    os.close(writer)
    said = b""
    while piece := os.read(reader, 100):
        said += piece
    os.close(reader)
    return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_it_becomes_the_program_and_closes_the_status() -> None:
    script = 'test "$A$0$1" = bzeroone && ! test -e /proc/self/fd/3 && exit 7'
    assert run(True, "/bin/sh", "sh", "-c", script, "zero", "one") == (b"", 7)


def test_it_reports_the_kernels_error() -> None:
    said, status = run(True, "/nonesuch", "x")
    assert (struct.unpack("q", said)[0], status) == (-2, 127)
    said, _ = run(True, "/etc/passwd", "x")
    assert struct.unpack("q", said)[0] == -13


def test_run_by_anyone_else_it_ends() -> None:
    assert run(False, "/bin/true", "true") == (b"", 127)
