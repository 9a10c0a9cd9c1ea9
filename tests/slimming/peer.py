"""docker-squash from PyPI, with a docker daemon of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Squashed(NamedTuple):
    """What docker-squash made of an image."""

    seconds: float
    failure: str
    """Its last words, when it made nothing."""


class Squash:
    """The program, and the daemon that it asks for images."""

    def __init__(self, program: Path, socket: Path) -> None:
        self._program = program
        self._environment = {**os.environ, "DOCKER_HOST": f"unix://{socket}"}

    def load(self, archive: Path) -> None:
        """Let the daemon have the image of an archive."""
        self._run(["docker", "load", "-q", "-i", str(archive)], check=True)

    def forget(self, image: str) -> None:
        """Take an image from the daemon."""
        self._run(["docker", "rmi", "-f", image], check=True)

    def squash(self, image: str, lines: int, output: Path) -> Squashed:
        """Squash what the last `lines` lines of history made; write an archive to `output`."""
        words = [str(self._program), "--load-image=false", "--output-path", str(output)]
        started = time.monotonic()
        done = self._run([*words, "-f", str(lines), "-t", "squashed:latest", image])
        taken = time.monotonic() - started
        if done.returncode == 0 and output.exists():
            return Squashed(taken, "")
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return Squashed(taken, last)

    def loads(self, archive: Path) -> str:
        """Load what it made; what the daemon says when it does not take it."""
        done = self._run(["docker", "load", "-q", "-i", str(archive)])
        return "" if done.returncode == 0 else done.stderr.strip()[-200:]

    def _run(self, words: list[str], *, check: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env=self._environment, capture_output=True, text=True, check=check
        )


@contextmanager
def squashing(directory: Path, program: Path) -> Iterator[Squash]:
    """A daemon for as long as the block lasts, its data in `directory`."""
    socket = directory / "socket"
    command = ["dockerd", "--iptables=false", "--bridge=none", "--storage-driver=overlay2"]
    command += ["--data-root", f"{directory}/data", "-p", f"{directory}/pid"]
    command += ["--exec-root", f"{directory}/run", "-H", f"unix://{socket}"]
    with (directory / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        asked = ["docker", "-H", f"unix://{socket}", "version"]
        deadline = time.monotonic() + 30
        while subprocess.run(asked, capture_output=True, check=False).returncode:
            if daemon.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"dockerd does not start: {(directory / 'log').read_text()[-300:]}")
            time.sleep(0.1)  # a daemon gives no other sign that it is ready
        yield Squash(program, socket)
    finally:
        daemon.terminate()
        daemon.wait()
