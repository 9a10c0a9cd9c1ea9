"""A root file system from a distribution's packages, through mmdebstrap or debootstrap.

Reproducible: the same release and packages give the same layer and the same
image id, on any day and on any host.  Times come from the archive's own `Date`;
what a running system would write (logs, caches, machine id, the host's name and
resolver) is emptied; a private mirror fetches the packages and is never named
in the image.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lamina.base.archive import APT_HELPER, Pocket, Recipe, resolve, sources
from lamina.base.rootfs import BadRecipe, BootstrapFailed, NotRoot, Rootfs, ToolMissing
from lamina.errors import EngineError

CHUNK = 1 << 20
_DEBOOTSTRAP_VARIANTS = ("minbase", "buildd")
Report = Callable[[str], None]


@contextmanager
def distribution_rootfs(
    recipe: Recipe, *, environment: Mapping[str, str], report: Report = lambda line: None
) -> Iterator[Rootfs]:
    """Install `recipe` and give the root file system while the block lasts.

    Needs root and mmdebstrap (or debootstrap, which installs from the main
    archive alone).  `environment` is the tools' (PATH, proxies); `report` is told
    each step, from another thread.  Nothing is left behind, also on an interrupt.

    Raises NotRoot, ToolMissing, UnknownSuite, ArchiveUnreachable; and, from the
    stream, BootstrapFailed.
    """
    if os.geteuid() != 0:
        raise NotRoot(
            f"making {recipe.distribution.name}:{recipe.suite} from packages needs root",
            hint="run it with sudo, or `lamina pull` the image",
        )
    tool = _tool(recipe, environment)
    pockets, release = resolve(recipe, environment)
    settings = {
        **environment,
        "SOURCE_DATE_EPOCH": str(release.date),
        "LAMINA_SOURCES": sources(pockets, recipe.distribution),
        "LAMINA_DISTRIBUTION": recipe.distribution.name,
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    run = _mmdebstrap if tool == "mmdebstrap" else _debootstrap
    with run(recipe, pockets, settings, report) as chunks:
        yield Rootfs(
            chunks,
            release.date,
            ("bash",),
            _created_by(recipe),
            {
                "org.opencontainers.image.title": recipe.distribution.name,
                "org.opencontainers.image.version": release.version or recipe.suite,
                "org.opencontainers.image.ref.name": release.codename or recipe.suite,
            },
        )


def _created_by(recipe: Recipe) -> str:
    include = "".join(f" {option}" for option in _including(recipe))
    return (
        f"lamina base {recipe.distribution.name}:{recipe.suite} --variant={recipe.variant}{include}"
    )


def _including(recipe: Recipe) -> list[str]:
    """The tools' own option; neither takes an empty list."""
    return [f"--include={','.join(recipe.include)}"] if recipe.include else []


def _tool(recipe: Recipe, environment: Mapping[str, str]) -> str:
    path = environment.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    name = f"{recipe.distribution.name}:{recipe.suite}"
    if not Path(APT_HELPER).exists():
        raise ToolMissing(
            f"making {name} needs apt, which is not installed here",
            hint=f"lamina pull {name}",
        )
    if shutil.which("mmdebstrap", path=path):
        return "mmdebstrap"
    if shutil.which("debootstrap", path=path):
        if recipe.variant not in _DEBOOTSTRAP_VARIANTS:
            raise ToolMissing(
                f"debootstrap has no variant {recipe.variant}",
                hint="apt install mmdebstrap, or take --variant minbase",
            )
        return "debootstrap"
    raise ToolMissing(f"making {name} needs mmdebstrap", hint="apt install mmdebstrap")


# What a running system writes and a base image has not: removed, or emptied where the
# file has to be there for the container to mount its own over it.
_CLEAN = r"""
set -eu
cd "$1"
rm -rf etc/apt/sources.list etc/apt/sources.list.d/* var/lib/apt/lists/* var/cache/apt/*.bin
rm -f var/cache/apt/archives/*.deb var/cache/ldconfig/aux-cache var/lib/dbus/machine-id
rm -f var/log/dpkg.log var/log/bootstrap.log var/log/alternatives.log var/log/apt/*
rm -f var/cache/debconf/*-old var/lib/dpkg/*-old etc/passwd- etc/group- etc/shadow- etc/gshadow-
rm -f etc/.pwd.lock
mkdir -p etc/apt/sources.list.d
list="etc/apt/sources.list.d/$LAMINA_DISTRIBUTION.sources"
printf '%s' "$LAMINA_SOURCES" > "$list"
for file in etc/resolv.conf etc/hostname etc/machine-id; do : > "$file"; done
chmod 0644 "$list" etc/resolv.conf etc/hostname etc/machine-id
"""


@contextmanager
def _mmdebstrap(
    recipe: Recipe, pockets: Sequence[Pocket], environment: Mapping[str, str], report: Report
) -> Iterator[Iterator[bytes]]:
    keyring = recipe.distribution.keyring
    command = [
        "mmdebstrap",
        "--mode=root",
        "--format=tar",
        f"--variant={recipe.variant}",
        *_including(recipe),
        f"--customize-hook={_CLEAN}",
        recipe.suite,
        "-",
        *(
            f"deb [signed-by={keyring}] {each.fetched_from} {each.suite}"
            f" {recipe.distribution.components}"
            for each in pockets
        ),
    ]
    with streaming(command, environment, report) as chunks:
        yield chunks


@contextmanager
def _debootstrap(
    recipe: Recipe, pockets: Sequence[Pocket], environment: Mapping[str, str], report: Report
) -> Iterator[Iterator[bytes]]:
    with tempfile.TemporaryDirectory(prefix="lamina-base-") as directory:
        root = Path(directory, "root")
        keyring = f"--keyring={recipe.distribution.keyring}"
        command = [
            "debootstrap",
            f"--variant={recipe.variant}",
            *_including(recipe),
            keyring,
            recipe.suite,
        ]
        with streaming([*command, str(root), pockets[0].fetched_from], environment, report) as out:
            for line in out:
                report(line.decode(errors="replace").strip())
        subprocess.run(["sh", "-c", _CLEAN, "clean", str(root)], env=environment, check=True)
        when = f"@{environment['SOURCE_DATE_EPOCH']}"
        pax = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"
        same = ["--sort=name", f"--mtime={when}", "--clamp-mtime", "--numeric-owner", pax]
        pack = ["tar", "--format=pax", "--xattrs", *same, "-C", str(root), "-c", "."]
        with streaming(pack, environment, report) as chunks:
            yield chunks


@contextmanager
def streaming(
    command: Sequence[str], environment: Mapping[str, str], report: Report
) -> Iterator[Iterator[bytes]]:
    """Run a tool and give what it prints; the last piece comes only if the tool succeeds.

    Leaving the block early ends the tool, and waits until it has cleaned up.
    """
    said: list[str] = []

    def listen(stream: Iterable[str]) -> None:
        for line in stream:
            said.append(line.rstrip())
            if line.startswith("I: ") and line.endswith("...\n"):
                report(line[3:-4])

    def pieces() -> Iterator[bytes]:
        assert process.stdout is not None
        while chunk := process.stdout.read1(CHUNK):  # type: ignore[attr-defined]
            yield chunk
        listener.join()
        if process.wait() != 0:
            raise _failure(command[0], process.returncode, said)

    # A session of its own: Ctrl-C reaches us, and we end the tool in order.
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    text = io.TextIOWrapper(process.stderr, errors="replace")
    listener = threading.Thread(target=listen, args=(text,), daemon=True)
    listener.start()
    try:
        yield pieces()
    finally:
        # First of all: it waits for what it has started, and that may wait for us to read.
        assert process.stdout is not None
        process.stdout.close()
        if process.poll() is None:
            process.terminate()
            process.wait()
        listener.join()
        text.close()


def _failure(tool: str, status: int, said: Sequence[str]) -> EngineError:
    errors = [line[3:].strip() for line in said if line.startswith("E: ")]
    if missing := re.search(r"Unable to locate package (\S+)", "\n".join(said)):
        return BadRecipe(f"the archive has no package {missing[1]}", hint="check --include")
    spoken = [*errors, *(line for line in said if line.strip()), f"exit status {status}"]
    return BootstrapFailed(
        f"{tool} failed: {spoken[0][:300]}",
        hint="the tool said so; try again, or give another --mirror",
    )
