"""Bytes through pipes, beside a process that ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lamina.run.relay import Input, Output, relay


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def run(script: str, target: Path, given: bytes | None = None) -> list[tuple[str, bytes]]:
    """Relay a shell's output into `target`, and `given` into the shell."""
    recorded: list[tuple[str, bytes]] = []
    out_read, out_write = os.pipe()
    process = subprocess.Popen(
        ["sh", "-c", script], stdin=subprocess.PIPE, stdout=out_write, stderr=subprocess.DEVNULL
    )
    os.close(out_write)
    assert process.stdin is not None
    inner = os.dup(process.stdin.fileno())
    process.stdin.close()
    source = target.with_name("source")
    source.write_bytes(given or b"")
    with open(source, "rb") as reader, open(target, "wb") as writer:
        if given is None:
            os.close(inner)
        arriving = Input(reader.fileno(), inner, True) if given is not None else None
        relay(
            process.pid,
            [Output(out_read, writer.fileno(), "stdout")],
            arriving,
            lambda name, data: recorded.append((name, data)),
        )
    process.wait()
    return recorded


def test_output_is_carried_and_recorded(target: Path) -> None:
    recorded = run("echo a; sleep 0.05; echo b", target)
    assert target.read_bytes() == b"a\nb\n"
    assert b"".join(data for _, data in recorded) == b"a\nb\n"
    assert {name for name, _ in recorded} == {"stdout"}


def test_more_input_than_a_pipe_holds(target: Path) -> None:
    data = os.urandom(1 << 20)
    run("cat", target, data)
    assert target.read_bytes() == data


def test_a_program_that_does_not_read_its_input(target: Path) -> None:
    run("exec 0<&-; echo done", target, b"x" * (1 << 20))
    assert target.read_bytes() == b"done\n"


def test_output_may_end_long_before_the_program(target: Path) -> None:
    run("echo a; exec 1>&-; sleep 0.1", target)
    assert target.read_bytes() == b"a\n"


def test_a_reader_that_has_gone_stops_the_program(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    out_read, out_write = os.pipe()
    with subprocess.Popen(["yes"], stdout=out_write) as process:
        os.close(out_write)
        relay(process.pid, [Output(out_read, write, "stdout")], None, lambda *_: None)
        assert process.wait() == -13
    os.close(write)
