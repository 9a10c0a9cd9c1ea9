"""What the system tests of containers share: a busybox image, and a way to run in it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from lamina.run.launch import launch
from lamina.run.spec import ContainerSpec, Overlay, Process, Streams
from tests.system import ready
from tests.system.conftest import COMMAND

BUSYBOX = shutil.which("busybox") or ""


def _static_busybox() -> bool:
    return bool(BUSYBOX) and b"ld-linux" not in Path(BUSYBOX).read_bytes()[:4096]


needs_busybox = pytest.mark.skipif(not _static_busybox(), reason="needs busybox-static")

PASSWD = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n"
GROUP = "root:x:0:\nbob:x:1000:\nextra:x:55:bob\n"
ID = "0123456789abcdef" * 4


def make_rootfs(place: Path) -> Path:
    """A root file system of busybox and the files that look up users."""
    (place / "bin").mkdir(parents=True)
    for name in ("etc", "root", "tmp", "home"):
        (place / name).mkdir()
    shutil.copy(BUSYBOX, place / "bin" / "busybox")
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    for applet in applets.stdout.split():
        if applet != "busybox":
            (place / "bin" / applet).symlink_to("busybox")
    (place / "etc" / "passwd").write_text(PASSWD)
    (place / "etc" / "group").write_text(GROUP)
    (place / "tmp").chmod(0o1777)
    return place


@dataclass(frozen=True)
class Outcome:
    """How a container ended and what it printed."""

    status: int
    out: str
    error: str
    upper: Path


def run_in(
    directory: Path,
    lowers: tuple[Path, ...],
    args: tuple[str, ...],
    change: Callable[[ContainerSpec], ContainerSpec] = lambda spec: spec,
    **process: object,
) -> Outcome:
    """Launch `args` over `lowers`; `change` has the last word on the specification."""
    spec = ContainerSpec(
        ID,
        directory,
        Overlay(lowers, directory / "upper", directory / "work", volatile=True),
        Process(args, ("PATH=/bin",), **process),  # type: ignore[arg-type]
    )
    out, error = directory.with_suffix(".out"), directory.with_suffix(".err")
    with open(out, "wb") as out_file, open(error, "wb") as error_file, open(os.devnull) as null:
        streams = Streams(null.fileno(), out_file.fileno(), error_file.fileno())
        status = launch(change(spec), streams)
    return Outcome(status, out.read_text(), error.read_text(), directory / "upper")


class Box:
    """A root file system to run scripts in; each run has a fresh writable layer."""

    def __init__(self, place: Path, rootfs: Path) -> None:
        self.place = place
        self.rootfs = rootfs
        self.count = 0

    def run(
        self,
        *args: str,
        change: Callable[[ContainerSpec], ContainerSpec] = lambda spec: spec,
        **process: object,
    ) -> Outcome:
        self.count += 1
        return run_in(self.place / f"c{self.count}", (self.rootfs,), args, change=change, **process)

    def sh(self, script: str, **changes: object) -> Outcome:
        """Run a script; `changes` are fields of the specification."""
        return self.run(
            "sh",
            "-c",
            script,
            change=lambda spec: replace(spec, **changes),
        )


def rootfs_tar(rootfs: Path) -> bytes:
    """The tar of a root file system: all in it is root's, whoever made it."""

    def roots(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(rootfs, arcname=".", filter=roots)
    return buffer.getvalue()


class Cli:
    """The `lamina` command on a store of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def argv(self, *args: str) -> list[str]:
        code = "from lamina.cli.main import main; main()"
        return [sys.executable, "-c", code, "--root", str(self.root), *args]

    def __call__(self, *args: str, input_: str | bytes = b"") -> subprocess.CompletedProcess[bytes]:
        data = input_.encode() if isinstance(input_, str) else input_
        return ready.run([str(COMMAND), "--root", str(self.root), *args], stdin=data)

    def out(self, *args: str) -> str:
        """Standard output of a command that must succeed."""
        done = self(*args)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()
