"""A container's health: its check carried out from time to time, and what came of it.

The state is `health` in the container's directory, as Docker's inspect shows it:
`{"Status": …, "FailingStreak": …, "Log": […]}`.
"""

from __future__ import annotations

import os
import signal
from _json import encode_basestring as quoted
from time import monotonic

from lamina.supervise import frames
from lamina.supervise.log import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_KEPT = 5
"""Checks in the log."""
_LONGEST = 4096
"""Bytes of a check's output."""
_TIMED_OUT = 137


class Health:
    """The check of `task["health"]`: `probe` (a program and its arguments), and `interval`,
    `timeout`, `start_period`, `start_interval` in seconds, and `retries`."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        self._rules = task["health"]
        self._path = f"{task['directory']}/{frames.HEALTH}"
        self._begun = monotonic()
        self._status = "starting"
        self._failures = 0
        self._log: list[str] = []
        self._pid = 0
        self._pidfd = -1
        self._output = -1
        self._started = ""
        self.due = self._begun + self._pause()
        """When `turn` is to be called (monotonic seconds)."""
        self._write()

    def _starting(self) -> bool:
        return (
            self._status == "starting" and monotonic() - self._begun < self._rules["start_period"]
        )

    def _pause(self) -> float:
        rules = self._rules
        return float(rules["start_interval"] if self._starting() else rules["interval"])

    def turn(self, now: float) -> int | None:
        """Begin a check, or end one that takes too long; a descriptor that tells its end."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self.due = now + 1e9
            return None
        self._output = os.memfd_create("check")
        self._started = timestamp()
        self._pid = os.posix_spawn(
            self._rules["probe"][0],
            self._rules["probe"],
            {},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, self._output, 1),
                (os.POSIX_SPAWN_DUP2, self._output, 2),
            ],
        )
        self._pidfd = os.pidfd_open(self._pid)
        self.due = now + self._rules["timeout"]
        return self._pidfd

    def ended(self, now: float) -> None:
        """Take the result of the check that has ended."""
        _, raw = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(raw)
        status = code if code >= 0 else _TIMED_OUT
        text = os.pread(self._output, _LONGEST, 0).decode("utf-8", "replace")
        if code < 0:
            text = f"Health check exceeded timeout ({self._rules['timeout']:g}s)"
        os.close(self._output)
        os.close(self._pidfd)
        self._pid = 0
        self._judge(status)
        self._log.append(
            f'{{"Start":"{self._started}","End":"{timestamp()}",'
            f'"ExitCode":{status},"Output":{quoted(text)}}}'
        )
        del self._log[:-_KEPT]
        self.due = now + self._pause()
        self._write()

    def end(self) -> None:
        """The container has ended: so does a check that runs."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0

    def _judge(self, status: int) -> None:
        if status == 0:
            self._status, self._failures = "healthy", 0
        elif not self._starting():
            self._failures += 1
            if self._failures >= self._rules["retries"]:
                self._status = "unhealthy"

    def _write(self) -> None:
        log = ",".join(self._log)
        text = f'{{"Status":"{self._status}","FailingStreak":{self._failures},"Log":[{log}]}}'
        try:
            with open(self._path + ".new", "wb", 0) as stream:
                stream.write(text.encode("utf-8", "replace"))
            os.rename(self._path + ".new", self._path)
        except OSError:
            return  # removed by force, or a full disk
