"""Whole processes, timed from the outside: what a user waits for."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class Failed(Exception):
    """A command that was to be measured did not work."""


@dataclass(frozen=True)
class Engine:
    """docker, podman or lamina on a store of its own: the same verbs, the same flags."""

    name: str
    prefix: tuple[str, ...]
    environment: Mapping[str, str]
    flags: Mapping[str, tuple[str, ...]]
    """What a verb needs beside: podman's --tls-verify=false."""

    def command(self, verb: str, *args: str) -> list[str]:
        """The whole command line."""
        return [*self.prefix, verb, *self.flags.get(verb, ()), *args]

    def __call__(self, verb: str, *args: str, check: bool = True) -> str:
        """Run a verb outside of any measurement; returns what it printed."""
        done = subprocess.run(
            self.command(verb, *args),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise Failed(f"{self.name} {verb}: {(done.stderr or done.stdout).strip()[-300:]}")
        return done.stdout

    def time(self, verb: str, *args: str) -> Sample:
        """Run a verb and measure it."""
        return timed(self.command(verb, *args), self.environment, f"{self.name} {verb}")


@dataclass(frozen=True)
class Sample:
    """One run of a process."""

    seconds: float
    peak: int
    """Bytes of the largest resident set, of the process or any child it waited for."""


def timed(command: Sequence[str], environment: Mapping[str, str], what: str) -> Sample:
    """Run a command to its end.  Raises Failed."""
    # A child starts with its parent's peak as its own (exec(2) keeps it): ours begins anew.
    Path("/proc/self/clear_refs").write_text("5")
    with Path(os.devnull).open("rb") as nothing, _scratch() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, stdin=nothing, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said = os.pread(errors, 1 << 16, 0).decode(errors="replace").strip()
            raise Failed(f"{what}: {said[-300:]}")
    return Sample(seconds, usage.ru_maxrss * 1024)


class _scratch:  # noqa: N801  (reads as the open() it stands for)
    """An unnamed file in memory, as a descriptor."""

    def __enter__(self) -> int:
        self.fd = os.memfd_create("stderr")
        return self.fd

    def __exit__(self, *error: object) -> None:
        os.close(self.fd)


def settle() -> None:
    """Let earlier writes reach the disk, so that they are not paid for in the next sample."""
    os.sync()


def cold() -> None:
    """Forget all that the kernel has cached of files: the next to read them waits for the disk."""
    # Twice: what a loop device writes is dirty once more, in the file that it stands for.
    os.sync()
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


Trial = Callable[[], float]
"""Sets up what it needs, measures one run, cleans up; returns the figure."""


def interleaved(trials: Mapping[str, Trial], runs: int) -> tuple[dict[str, float], list[str]]:
    """The median of `runs` figures of each trial, taken in turn: A B C A B C.

    A trial that fails drops out; the second value says why.
    """
    figures: dict[str, list[float]] = {name: [] for name in trials}
    notes: list[str] = []
    for _ in range(runs):
        for name in [*figures]:
            settle()
            try:
                figures[name].append(trials[name]())
            except Failed as error:
                notes.append(str(error))
                del figures[name]
    return {name: statistics.median(values) for name, values in figures.items()}, notes
