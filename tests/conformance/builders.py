"""The builders that cases go through: Lamina here in this process, its peers as programs."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Protocol

from lamina.cli.main import run
from lamina.engine import open_engine
from lamina.explain.stack import open_stack
from tests.conformance.case import PATH
from tests.conformance.outcome import Made, Outcome, made_in_archive, made_of
from tests.conformance.place import Laid

IMAGE = f"conformance-{os.getpid()}"
"""What every case's image is called: two runs beside each other share a daemon."""
BASE = "busybox"
"""The base image: the tar of `lamina base busybox`, imported with these changes."""
BASE_CHANGES = (f"ENV {PATH}", 'CMD ["/bin/sh"]')
EMPTY = Made({}, {}, ())
"""An image without a base: what scratch is."""


class Builder(Protocol):
    """Builds cases; it has the base image."""

    name: str
    history: bool
    """Whether it writes history lines in BuildKit's form."""

    def build(self, laid: Laid) -> Outcome:
        """Build one case that lies on disk."""
        ...

    def base(self) -> Made:
        """The base image as this builder has it."""
        ...


class Lamina:
    """Implements `Builder`: the command line, on a store that has the base image."""

    name = "lamina"
    history = True

    def __init__(self, root: Path) -> None:
        self._root = root

    def build(self, laid: Laid) -> Outcome:
        for name, dockerfile in laid.given:
            status, said = self._run("-t", name, "-f", str(dockerfile), str(laid.context))
            assert status == 0, said
        status, said = self._run(*arguments(laid))
        return Outcome(status, said, self._made(IMAGE) if status == 0 else None)

    def base(self) -> Made:
        return self._made(BASE)

    def _made(self, name: str) -> Made:
        return made_of(open_stack(open_engine(self._root).store, name))

    def _run(self, *options: str) -> tuple[int, str]:
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            status = run(["--root", str(self._root), "build", *options])
        return status, said.getvalue()


class Docker:
    """Implements `Builder`: a docker daemon's classic builder, or its BuildKit."""

    def __init__(self, command: Sequence[str], scratch: Path, *, buildkit: bool) -> None:
        self.name = "buildkit" if buildkit else "docker"
        self.history = buildkit
        self._command = command
        self._archive = scratch / f"{self.name}.tar"
        self._environment = {**os.environ, "DOCKER_BUILDKIT": str(int(buildkit))}

    def build(self, laid: Laid) -> Outcome:
        for name, dockerfile in laid.given:
            given = self._run("build", "-t", name, "-f", str(dockerfile), str(laid.context))
            if given.returncode:
                return _failed(given)
        done = self._run("build", "--no-cache", "--network=host", *arguments(laid))
        return _failed(done) if done.returncode else Outcome(0, done.stdout, self._saved(IMAGE))

    def base(self) -> Made:
        return self._saved(BASE)

    def _saved(self, name: str) -> Made:
        self._archive.unlink(missing_ok=True)
        saved = self._run("save", "-o", str(self._archive), name)
        assert saved.returncode == 0, saved.stdout
        return made_in_archive(self._archive)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return _ran([*self._command, *words], self._environment)


class Buildah:
    """Implements `Builder`: buildah, its storage and settings given with the command."""

    name = "buildah"
    history = False

    def __init__(self, command: Sequence[str], scratch: Path) -> None:
        self._command = command
        self._archive = scratch / "buildah.tar"

    def build(self, laid: Laid) -> Outcome:
        for name, dockerfile in laid.given:
            given = self._bud("-t", name, "-f", str(dockerfile), str(laid.context))
            if given.returncode:
                return _failed(given)
        done = self._bud(*arguments(laid))
        return _failed(done) if done.returncode else Outcome(0, done.stdout, self._saved(IMAGE))

    def base(self) -> Made:
        return self._saved(BASE)

    def _bud(self, *words: str) -> subprocess.CompletedProcess[str]:
        # One layer an instruction, and no label of its own, as the others make images.
        fixed = ["--isolation=chroot", "--format=docker", "--layers", "--no-cache"]
        fixed += ["--identity-label=false", "--pull=never"]
        return _ran([*self._command, "build", *fixed, *words], dict(os.environ))

    def _saved(self, name: str) -> Made:
        self._archive.unlink(missing_ok=True)
        where = f"docker-archive:{self._archive}"
        saved = _ran([*self._command, "push", name, where], dict(os.environ))
        assert saved.returncode == 0, saved.stdout
        return made_in_archive(self._archive)


def arguments(laid: Laid) -> tuple[str, ...]:
    """Of every builder's `build` command."""
    file = () if "-f" in laid.case.options else ("-f", str(laid.dockerfile))
    return "-t", IMAGE, *laid.case.options, *file, str(laid.context)


def _ran(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=120,
    )


def _failed(done: subprocess.CompletedProcess[str]) -> Outcome:
    return Outcome(done.returncode or 1, done.stdout, None)
