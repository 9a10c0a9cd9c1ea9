"""Containers that a Python program runs and watches itself: `Session.run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import lamina
from lamina.store.root import open_store
from tests.rights import needs_rights
from tests.system.conftest import Lamina

pytestmark = needs_rights

_PROGRAM = """
import sys, lamina
with lamina.open(sys.argv[1]) as engine:
    print(engine.run("busybox", "sleep", "1000", network="none").status, flush=True)
    print("goes on", flush=True)
    sys.stdin.read()
"""


@contextmanager
def program(store: Lamina) -> Iterator[subprocess.Popen[str]]:
    """A program in which a container runs by now."""
    command = [sys.executable, "-c", _PROGRAM, str(store.root)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            name_of_running(store)
            yield process
        finally:
            process.kill()


def name_of_running(store: Lamina) -> str:
    deadline = time.monotonic() + 20
    while not (names := store("ps", "--format", "{{.Names}}").stdout.split()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return str(names[0])


def children_of_ours() -> set[str]:
    tasks = Path("/proc/self/task").iterdir()
    return {pid for each in tasks for pid in (each / "children").read_text().split()}


def test_output_status_input_and_nothing_left(busybox_store: Lamina) -> None:
    with lamina.open(busybox_store.root) as engine:
        engine.run("busybox", "true", network="none")
        open_before = set(os.listdir("/proc/self/fd"))
        threads, children = threading.active_count(), children_of_ours()
        script = "cat; echo oops >&2; exit 7"
        for _ in range(5):
            done = engine.run("busybox", "sh", "-c", script, stdin=b"given", network="none")
            assert (done.status, done.stdout, done.stderr) == (7, b"given", b"oops\n")
        with pytest.raises(lamina.errors.EngineError, match="not found"):
            engine.run("busybox", "nonsense", network="none")
        assert set(os.listdir("/proc/self/fd")) == open_before
        assert threading.active_count() == threads
    assert children_of_ours() == children
    assert list((busybox_store.root / "containers").iterdir()) == []
    assert list((busybox_store.root / "leases").iterdir()) == []


def test_side_by_side_in_threads(busybox_store: Lamina) -> None:
    said: list[bytes] = []
    with lamina.open(busybox_store.root) as engine:

        def work(number: int) -> None:
            done = engine.run("busybox", "sh", "-c", f"sleep 0.2; echo {number}", network="none")
            said.append(done.stdout)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert sorted(said) == [b"0\n", b"1\n", b"2\n", b"3\n"]


def test_an_interrupt_ends_it(busybox_store: Lamina) -> None:
    with program(busybox_store) as process:
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=20)[1]
    assert list((busybox_store.root / "containers").iterdir()) == []


def test_it_dies_with_the_program(busybox_store: Lamina) -> None:
    with program(busybox_store) as process:
        pid = int(
            open_store(busybox_store.root).containers.find(name_of_running(busybox_store)).pid
        )
        process.kill()
        process.wait()
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert busybox_store("ps", "-aq").stdout == ""
    assert list((busybox_store.root / "containers").iterdir()) == []


@pytest.mark.parametrize("how", [("rm", "-f"), ("stop", "-t", "0"), ("kill",)])
def test_ended_from_outside_it_ends_for_the_program(
    busybox_store: Lamina, how: tuple[str, ...]
) -> None:
    with program(busybox_store) as process:
        name = name_of_running(busybox_store)
        assert busybox_store("exec", name, "echo", "in").stdout == "in\n"
        busybox_store(*how, name)
        assert process.stdout is not None
        assert process.stdout.readline() == "137\n"
        assert process.stdout.readline() == "goes on\n"
        assert busybox_store("ps", "-aq").stdout == ""
        process.communicate("", timeout=20)
        assert process.returncode == 0
