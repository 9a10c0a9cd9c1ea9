"""What on this machine is of the stores below a directory: of tests that are over, nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from lamina.network.state import token
from lamina.store.events import Journal
from lamina.store.mounts import LayerMounts
from lamina.store.place import RUN

_DEPTH = 5
"""How far below the directory a store lies at most."""
_SECONDS = 20


def left_behind(base: Path) -> dict[str, list[str]]:
    """What is left of the stores below `base`, by kind, once nothing more of it goes away.

    The stores come to their end here, so that what the kernel has mounted of their layers
    may go as well.
    """
    roots = [*_stores(base, _DEPTH)]
    names = {f"lamina-{token(root)}" for root in roots}
    ids = {id_ for root in roots for id_ in _containers(root)}
    for root in roots:
        (root / "oci-layout").unlink()
    deadline = time.monotonic() + _SECONDS
    while (found := _found(base, names, ids)) and time.monotonic() < deadline:
        time.sleep(0.1)  # whoever watched a container ends a moment after its command line
    return found


def _found(base: Path, tables: set[str], ids: set[str]) -> dict[str, list[str]]:
    LayerMounts(base).sweep()
    found = {
        "processes": [*processes(base)],
        "mounts": [*_mounts(base)],
        "bridges": [*_bridges(base)],
        "tables": [each for each in _tables() if each in tables],
        "control groups": [each for each in _groups() if os.path.basename(each) in ids],
        "directories": [*_directories(base)],
    }
    return {kind: each for kind, each in found.items() if each}


def _stores(place: Path, depth: int) -> Iterator[Path]:
    if all(os.path.isfile(place / name) for name in ("oci-layout", "format")):
        yield place
    elif depth:
        try:
            with os.scandir(place) as entries:
                inside = [each.path for each in entries if each.is_dir(follow_symlinks=False)]
        except OSError:
            return  # an ordinary user's, or a file system that was full
        for each in inside:
            yield from _stores(Path(each), depth - 1)


def _containers(root: Path) -> Iterator[str]:
    for event in Journal(root / "events").read():
        if event.kind == "container":
            yield event.id


def processes(base: Path) -> Iterator[str]:
    """The pid and command line of each that names something below the directory, or holds it."""
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        place = Path("/proc", pid)
        try:
            line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            held = [os.readlink(each) for each in ((place / "cwd"), *(place / "fd").iterdir())]
        except OSError:
            continue  # it has just ended, or is somebody else's
        named = f"{base}/" in line or any(each.startswith(f"{base}/") for each in held)
        if named and int(pid) != os.getpid():
            yield f"{pid} {line[:200]}"


def _mounts(base: Path) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if f"{base}/" in line:
            yield line


def _bridges(base: Path) -> Iterator[str]:
    for link in Path("/sys/class/net").iterdir():
        try:
            alias = (link / "ifalias").read_text().strip()
        except OSError:
            continue  # it has just gone
        if f"{base}/" in alias:
            yield f"{link.name}: {alias}"


def _tables() -> list[str]:
    program = shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        return []
    done = subprocess.run([program, "list", "tables"], capture_output=True, text=True, check=False)
    return [line.split()[-1] for line in done.stdout.splitlines()]


def _groups() -> Iterator[str]:
    for place, _, _ in os.walk("/sys/fs/cgroup"):
        yield place


def _directories(base: Path) -> Iterator[str]:
    for file in RUN.glob("*/root"):
        try:
            root = file.read_text()
        except OSError:
            continue  # another sweep was faster
        if root.startswith(f"{base}/"):
            yield f"{file.parent}: {root}"
