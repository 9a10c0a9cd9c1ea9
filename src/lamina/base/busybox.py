"""The tiny base image: the root file system that one static busybox makes.  Reproducible."""

from __future__ import annotations

import io
import os
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lamina.base.rootfs import ArchiveUnreachable, Rootfs, ToolMissing

_PT_INTERP = 3
_BUSYBOX_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
    "nobody:x:65534:65534:nobody:/home:/bin/false\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/shadow": "root:*:::::::\ndaemon:*:::::::\nnobody:*:::::::\n",
    "etc/hosts": "",
    "etc/hostname": "",
    "etc/resolv.conf": "",
}
_BUSYBOX_MODES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777, "etc/shadow": 0o600}
_BUSYBOX_DIRECTORIES = frozenset(
    [
        "bin",
        "dev",
        "etc",
        "home",
        "proc",
        "root",
        "sys",
        "tmp",
        "usr",
        "usr/bin",
        "usr/sbin",
        "var",
        "var/tmp",
    ]
)


@dataclass(frozen=True, slots=True)
class Busybox:
    """A statically linked busybox: the whole userland in one file."""

    binary: bytes
    applets: tuple[str, ...]
    mtime: int
    """Seconds; as packaged, so it names the build."""

    @property
    def version(self) -> str:
        """As the binary says it: `1.35.0`; empty when it does not."""
        found = re.search(rb"BusyBox v([0-9.]+)", self.binary)
        return found[1].decode() if found else ""


def busybox_rootfs(busybox: Busybox) -> Rootfs:
    """The smallest useful userland: busybox, a link for each applet, and a few files of /etc."""
    return Rootfs(
        iter((_busybox_tar(busybox),)),
        busybox.mtime,
        ("/bin/sh",),
        "lamina base busybox",
        {
            "org.opencontainers.image.title": "busybox",
            "org.opencontainers.image.version": busybox.version,
        },
    )


def find_busybox(*, environment: Mapping[str, str]) -> Busybox:
    """The host's statically linked busybox, or that of the package `busybox-static`.

    Raises ToolMissing when there is neither, ArchiveUnreachable when it cannot be fetched.
    """
    for place in ("/bin/busybox", "/usr/bin/busybox"):
        path = Path(place)
        if path.is_file() and is_static(binary := path.read_bytes()):
            return Busybox(binary, _applets(path), int(path.stat().st_mtime))
    if not shutil.which("apt-get", path=environment.get("PATH", os.defpath)):
        raise ToolMissing("no statically linked busybox on this host", hint="install busybox")
    with tempfile.TemporaryDirectory(prefix="lamina-base-") as directory:
        return _downloaded_busybox(Path(directory), environment)


def _downloaded_busybox(directory: Path, environment: Mapping[str, str]) -> Busybox:
    fetched = subprocess.run(
        ["apt-get", "-qq", "download", "busybox-static"],
        env={**environment, "LC_ALL": "C"},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    packages = list(directory.glob("*.deb"))
    if not packages:
        reason = next(iter(fetched.stderr.strip().splitlines()[-1:]), "no answer")
        raise ArchiveUnreachable(
            f"cannot fetch the package busybox-static: {reason.removeprefix('E: ')[:300]}",
            hint="apt-get update, or apt install busybox-static",
        )
    unpacked = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", str(packages[0])], capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(unpacked.stdout)) as archive:
        member = next(each for each in archive if each.name.endswith("bin/busybox"))
        content = archive.extractfile(member)
        assert content is not None
        path = directory / "busybox"
        path.write_bytes(content.read())
    path.chmod(0o755)
    return Busybox(path.read_bytes(), _applets(path), int(member.mtime))


def is_static(binary: bytes) -> bool:
    """Whether a 64-bit little-endian ELF program asks for no interpreter (elf(5), PT_INTERP)."""
    if binary[:6] != b"\x7fELF\x02\x01":
        return False
    (table,) = struct.unpack_from("<Q", binary, 32)
    size, count = struct.unpack_from("<HH", binary, 54)
    kinds = (struct.unpack_from("<I", binary, table + size * row)[0] for row in range(count))
    return _PT_INTERP not in kinds


def _applets(path: Path) -> tuple[str, ...]:
    listed = subprocess.run([str(path), "--list"], capture_output=True, text=True, check=True)
    return tuple(sorted(set(listed.stdout.split()) - {"busybox"}))


def _busybox_tar(busybox: Busybox) -> bytes:
    """The tar, in a fixed order, every time the binary's own."""
    files = {name: text.encode() for name, text in _BUSYBOX_FILES.items()}
    pretty = f"BusyBox {busybox.version}".strip()
    files["etc/os-release"] = f'NAME="BusyBox"\nID=busybox\nPRETTY_NAME="{pretty}"\n'.encode()
    files["bin/busybox"] = busybox.binary
    links = {f"bin/{name}" for name in busybox.applets}
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted({*_BUSYBOX_DIRECTORIES, *files, *links}):
            member = tarfile.TarInfo(name)
            member.mtime = busybox.mtime
            member.mode = _BUSYBOX_MODES.get(name, 0o644 if name.startswith("etc/") else 0o755)
            if name in _BUSYBOX_DIRECTORIES:
                member.type = tarfile.DIRTYPE
            elif name in links:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, "busybox", 0o777
            else:
                member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files.get(name, b"")))
    return output.getvalue()
