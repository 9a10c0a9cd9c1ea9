"""A fresh journaled ext4 to measure on, whatever the host's own file system does."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 24 << 30
"""Bytes; the file is sparse."""
LAYER_MOUNTS = Path("/run/lamina")
"""Where our own layers are mounted: a directory a store, whose file `root` says which."""


@contextmanager
def fresh_disk(directory: Path) -> Iterator[Path]:
    """A new ext4 file system, mounted from a file in `directory` while the block lasts."""
    image, mounted = directory / "disk.img", directory / "disk"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(SIZE)
    # Tables written now: a lazy initialisation would run behind the first measurements.
    eager = "lazy_itable_init=0,lazy_journal_init=0"
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", eager, str(image)], check=True)
    try:
        subprocess.run(["mount", "-o", "loop", str(image), str(mounted)], check=True)
        try:
            yield mounted
        finally:
            unmount_layers(mounted)
            _unmount_below(mounted)
    finally:
        image.unlink()


def unmount_layers(place: Path) -> None:
    """Unmount the layers of all our stores that are `place` or lie in it, and of no other."""
    for said in LAYER_MOUNTS.glob("*/root"):
        root = Path(os.fsdecode(said.read_bytes()))
        if root.is_relative_to(place.resolve()):
            for mounted in filter(os.path.ismount, said.parent.iterdir()):
                subprocess.run(["umount", "--lazy", str(mounted)], check=False)
            shutil.rmtree(said.parent, ignore_errors=True)


def _unmount_below(mounted: Path) -> None:
    """Unmount `mounted` and what an engine left mounted in it, the innermost first."""
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [line.split(" ")[4] for line in table]
    below = [place for place in places if place == str(mounted) or f"{mounted}/" in place]
    for place in sorted(below, key=len, reverse=True):
        if subprocess.run(["umount", place], check=False, capture_output=True).returncode != 0:
            subprocess.run(["umount", "--lazy", place], check=False)
