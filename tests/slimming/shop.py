"""A store in which cases are built and slimmed with the `lamina` command, and looked at."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lamina.engine import open_engine
from lamina.linux.initial import is_initial
from lamina.oci.digest import Digest
from tests.slimming.case import Case
from tests.slimming.tree import Tree, mounted
from tests.system import ready
from tests.system.conftest import COMMAND

_OWN = ("busybox", "debian")
"""Bases that are imported; the others come in an archive."""


class Failed(Exception):
    """A command did not do what it should; says what it printed."""


class Shop:
    """A store with base images, and the command on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._bases: set[str] = set()

    def lamina(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one command.  Raises Failed when it is checked and its exit status is not 0."""
        command = [str(COMMAND), "--root", str(self.root), *words]
        ran = ready.run(command)
        said = [each.decode(errors="backslashreplace") for each in (ran.stdout, ran.stderr)]
        done = subprocess.CompletedProcess(command, ran.returncode, *said)
        if check and done.returncode:
            told = f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
            raise Failed(f"lamina {' '.join(words)}: {told}")
        return done

    def has(self, base: str) -> bool:
        """Whether the store has a base image."""
        return base in self._bases

    def take(self, path: Path, base: str) -> None:
        """Let the store have a base: from a tar for debian and busybox, else an archive of all."""
        if base in _OWN:
            name = {"debian": "debian:bookworm"}.get(base, base)
            command = "bash" if base == "debian" else "/bin/sh"
            self.lamina("import", "--change", f'CMD ["{command}"]', str(path), name)
            self._bases.add(base)
            return
        self.lamina("load", "-i", str(path))
        self._bases |= {"debian", "python", "node", "tools"}

    def build(self, case: Case, place: Path, name: str, *options: str) -> None:
        """Build a case as `name`; its context is written to `place`."""
        context = case.lay(place)
        network = ("--network", "host", "--allow", "network.host") if case.network else ()
        self.lamina("build", "-q", *network, *options, "-t", name, str(context))

    def probe(self, image: str, case: Case) -> str:
        """What the probe of a case says in a new container, without a network."""
        entry: tuple[str, ...] = ()
        if case.probe:
            entry = ("--entrypoint", case.probe[0])
        words = ("run", "--rm", "--network", "none", *entry, image, *case.probe[1:])
        return self.lamina(*words).stdout.strip()

    def tree(self, image: str) -> Tree:
        """What a container of the image sees, read from an overlay of its layers."""
        with self._shown(image) as directory:
            return mounted(directory)

    @contextmanager
    def _shown(self, image: str) -> Iterator[Path]:
        point = self.root.parent / "shown"
        point.mkdir(exist_ok=True)
        chain = [Digest(text) for text in self.diff_ids(image)]
        layers = open_engine(self.root).store.layers
        with layers.lowers(chain) as lowers:
            # Two at least: an overlay without an upper directory needs them.
            empty = self.root.parent / "empty"
            empty.mkdir(exist_ok=True)
            lower = ":".join(str(each) for each in [*reversed(lowers), empty])
            marks = "" if is_initial() else ",userxattr"
            options = f"ro{marks},lowerdir={lower}"
            words = ["mount", "-t", "overlay", "overlay", "-o", options, str(point)]
            subprocess.run(words, check=True)
            try:
                yield point
            finally:
                subprocess.run(["umount", str(point)], check=True)

    def inspect(self, image: str) -> dict[str, Any]:
        """The configuration document of an image."""
        engine = open_engine(self.root)
        raw = engine.store.images.find(image).config.raw
        document: dict[str, Any] = json.loads(raw)
        return document

    def diff_ids(self, image: str) -> Sequence[str]:
        """Its layers, the lowest first."""
        found: list[str] = self.inspect(image)["rootfs"]["diff_ids"]
        return found

    def explained(self, image: str) -> dict[str, Any]:
        """What `lamina explain` finds."""
        found: dict[str, Any] = json.loads(self.lamina("explain", "--format", "json", image).stdout)
        return found
