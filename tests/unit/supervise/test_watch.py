"""The loop beside a container, around processes that are none."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lamina.supervise import frames, sockets
from lamina.supervise.watch import Watch


class Beside:
    """A program with its streams, and the loop beside it in a thread."""

    def __init__(self, directory: Path, line: str, *, stdin: bool = False, **task: Any) -> None:
        self.directory = directory
        given, self.stdin = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), -1)
        out, out_end = os.pipe()
        error, error_end = os.pipe()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", line], stdin=given, stdout=out_end, stderr=error_end
        )
        for fd in (given, out_end, error_end):
            os.close(fd)
        self.ours, theirs = sockets.pair()
        self.watch = Watch(
            {
                "directory": str(directory),
                "pid": self.process.pid,
                "terminal": -1,
                "stdin": self.stdin,
                "stdout": out,
                "stderr": error,
                "socket": sockets.listen(str(directory)),
                "client": theirs,
                "once": True,
                "log": (f"{directory}/log.json", 0, 1),
                "health": None,
                "names": None,
                "relay": None,
                "policy": "no",
                "retries": 0,
                "restarts": 0,
                "groups": (),
                "started": time.monotonic(),
                "tries": 0,
                **task,
            }
        )
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.watch.run()
        if not self.watch.restarting:
            self.watch.farewell()

    def hear(self, connection: int | None = None) -> tuple[bytes, bytes, int]:
        """All that comes until the end: output, errors, exit status."""
        told = {frames.OUTPUT: b"", frames.ERROR: b"", frames.EXIT: b""}
        source = self.ours if connection is None else connection
        while message := sockets.receive(source):
            told[message[:1]] += message[1:]
        os.close(source)
        return told[frames.OUTPUT], told[frames.ERROR], int(told[frames.EXIT] or b"-1")

    def end(self) -> dict[str, Any]:
        """What it noted of the end."""
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.watch.close()
        self.process.returncode = 0  # the loop has waited for it
        found: dict[str, Any] = json.loads((self.directory / "exit").read_text())
        return found


def test_output_errors_and_the_exit_status(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "echo out; echo err >&2; exit 7")
    assert beside.hear() == (b"out\n", b"err\n", 7)
    end = beside.end()
    assert end["status"] == 7
    assert not end["restarting"]
    logged = [json.loads(line) for line in (tmp_path / "log.json").read_text().splitlines()]
    assert sorted((line["stream"], line["log"]) for line in logged) == [
        ("stderr", "err\n"),
        ("stdout", "out\n"),
    ]


def test_a_signal_is_128_and_its_number(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "kill -9 $$")
    assert beside.hear()[2] == 137
    assert beside.end()["status"] == 137


def test_input_and_its_end(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "cat; echo over", stdin=True)
    sockets.send(beside.ours, frames.INPUT + b"one\n")
    sockets.send(beside.ours, frames.INPUT + b"two\n")
    sockets.send(beside.ours, frames.INPUT_END)
    assert beside.hear() == (b"one\ntwo\nover\n", b"", 0)
    beside.end()


def test_much_input_waits_for_its_reader(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "sleep 0.3; wc -c", stdin=True)

    def speak() -> None:
        for _ in range(100):
            sockets.send(beside.ours, frames.INPUT + b"x" * frames.LONGEST)
        sockets.send(beside.ours, frames.INPUT_END)

    speaker = threading.Thread(target=speak)
    speaker.start()
    assert beside.hear()[0].strip() == str(100 * frames.LONGEST).encode()
    speaker.join()
    beside.end()


def test_much_output_waits_for_its_reader_and_none_is_lost(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "head -c 20000000 /dev/zero", log=None)
    time.sleep(0.3)
    output, _, status = beside.hear()
    assert (len(output), status) == (20_000_000, 0)
    beside.end()


def test_a_slow_log_takes_nothing_from_who_is_attached(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    os.mkfifo(slow)

    def read() -> None:
        with slow.open("rb") as stream:
            time.sleep(0.3)
            while stream.read(1 << 20):
                time.sleep(0.1)

    reader = threading.Thread(target=read)
    reader.start()
    beside = Beside(tmp_path, "head -c 60000 /dev/zero", log=(str(slow), 0, 1))
    assert len(beside.hear()[0]) == 60_000
    beside.end()
    reader.join(10)


def test_one_that_is_not_read_any_more(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "exec yes", log=None)
    assert sockets.receive(beside.ours).startswith(b"oy\n")
    sockets.send(beside.ours, frames.CLOSE + frames.OUTPUT)
    assert beside.hear()[2] in {141, 1}
    beside.end()


def test_who_attaches_later_gets_what_comes_then(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "echo first; read line; echo $line", stdin=True)
    assert sockets.receive(beside.ours) == b"ofirst\n"
    later = sockets.connect(str(tmp_path))
    sockets.send(later, frames.INPUT + b"second\n")
    assert beside.hear(later) == (b"second\n", b"", 0)
    assert beside.hear() == (b"second\n", b"", 0)
    beside.end()


def test_the_first_client_goes_and_takes_the_input_with_it(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "cat; echo over", stdin=True)
    later = sockets.connect(str(tmp_path))
    sockets.send(later, frames.INPUT + b"x\n")
    assert sockets.receive(later) == b"ox\n"
    os.close(beside.ours)
    assert beside.hear(later) == (b"over\n", b"", 0)
    beside.end()


def test_who_detaches_leaves_the_input_open(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "cat; echo over", stdin=True)
    later = sockets.connect(str(tmp_path))
    sockets.send(beside.ours, frames.DETACH)
    os.close(beside.ours)
    sockets.send(later, frames.INPUT + b"still here\n")
    assert sockets.receive(later) == b"ostill here\n"
    beside.process.kill()
    assert beside.hear(later)[2] == 137
    beside.end()


def test_an_output_that_a_child_keeps_open_ends_with_the_program(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "sleep 3 & echo out")
    begun = time.monotonic()
    assert beside.hear() == (b"out\n", b"", 0)
    assert time.monotonic() - begun < 2
    beside.end()


@pytest.mark.parametrize(
    ("policy", "retries", "restarts", "status", "again"),
    [
        ("no", 0, 0, 1, False),
        ("on-failure", 0, 9, 1, True),
        ("on-failure", 0, 0, 0, False),
        ("on-failure", 2, 1, 1, True),
        ("on-failure", 2, 2, 1, False),
        ("always", 0, 0, 0, True),
        ("unless-stopped", 0, 0, 3, True),
    ],
)
def test_whether_it_is_started_again(
    tmp_path: Path, policy: str, retries: int, restarts: int, status: int, again: bool
) -> None:
    line = f"exit {status}"
    beside = Beside(tmp_path, line, policy=policy, retries=retries, restarts=restarts)
    assert beside.end()["restarting"] is again
    os.close(beside.ours)


def test_one_that_is_stopped_is_not_started_again(tmp_path: Path) -> None:
    (tmp_path / frames.STOPPING).touch()
    beside = Beside(tmp_path, "exit 1", policy="always")
    assert not beside.end()["restarting"]
    os.close(beside.ours)


def test_a_stop_while_it_waits_to_be_started_again(tmp_path: Path) -> None:
    beside = Beside(tmp_path, "exit 1", policy="always", tries=6)
    beside.thread.join(10)
    assert json.loads((tmp_path / "exit").read_text())["restarting"]
    (tmp_path / frames.STOPPING).touch()
    beside.watch.pause_before_restart()
    assert not beside.watch.restarting
    assert not beside.end()["restarting"]
    os.close(beside.ours)


def test_memory_that_ran_out_is_noted(tmp_path: Path) -> None:
    group = tmp_path / "group"
    group.mkdir()
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    beside = Beside(tmp_path, "exit 1", groups=(str(group),))
    assert beside.end()["out_of_memory"]
    os.close(beside.ours)
