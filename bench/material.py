"""What is measured: images made once and kept in `.cache/bench`, in no engine's own form."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.layouts import CACHE, PLACE, layout, whole
from bench.measure import Failed
from lamina.base.archive import recipe_for
from lamina.base.bootstrap import distribution_rootfs
from lamina.base.busybox import busybox_rootfs, find_busybox

BIG_FILES = 16
BIG_FILE = 64 << 20


LARGE = (
    "openjdk-17-jre-headless", "golang-1.19-src", "libllvm14", "libclang-cpp14", "libstd-rust-1.63",
)  # fmt: skip
"""Debian packages of many bytes (a Java, an LLVM) and of many files (a standard library)."""
MODULES = (
    "@babel/runtime@7.24.5", "@mui/icons-material@5.15.18", "ace-builds@1.33.2",
    "caniuse-lite@1.0.30001600", "core-js@3.37.0", "core-js-pure@3.37.0", "date-fns@3.6.0",
    "dayjs@1.11.11", "effect@3.1.0", "highlight.js@11.9.0", "lodash@4.17.21", "lodash-es@4.17.21",
    "moment@2.30.1", "monaco-editor@0.48.0", "react-icons@5.2.1", "regenerator-runtime@0.14.1",
    "rxjs@7.8.1", "three@0.164.1", "tslib@2.6.2", "typescript@5.4.5",
)  # fmt: skip
"""npm packages that need nothing which is not in the list, so what is installed never changes."""
NEVER = 1_700_000_000
"""The time of files that an installer would give today's."""


def debian_tar() -> Path:
    """Debian bookworm, minbase: the same file as the system tests have."""
    return _debian(CACHE / "debian-bookworm.tar")


def large_tar() -> Path:
    """Debian with packages of many bytes and many files: over 800 MB, over 20,000 entries."""
    return _debian(PLACE / "large.tar", LARGE)


def python_tar() -> Path:
    """Debian with its Python, in one layer."""
    return _debian(PLACE / "python.tar", ("python3",))


def modules_tar() -> Path:
    """A node_modules of 60,000 entries, from whatever registry npm is set up for.

    Raises Failed when there is no npm, or it cannot fetch them.
    """
    path = PLACE / "modules.tar"
    if not path.exists():
        if not shutil.which("npm"):
            raise Failed("npm is not installed: it makes the layer of 60,000 entries")
        with tempfile.TemporaryDirectory(prefix="lamina-bench-npm-") as directory:
            place = Path(directory, "app")
            place.mkdir()
            _install_modules(place, Path(directory, "cache"))
            with whole(path) as partial:
                _pack(place.parent, "app", partial)
    return path


def _install_modules(place: Path, cache: Path) -> None:
    (place / "package.json").write_text('{"private": true}')
    command = [
        "npm", "install", "--ignore-scripts", "--legacy-peer-deps", "--no-package-lock",
        "--no-save", "--no-audit", "--no-fund", f"--cache={cache}", *MODULES,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"npm install: {done.stderr.strip()[-300:]}")
    # It names the registry that the packages came from.
    (place / "node_modules" / ".package-lock.json").unlink()


def _pack(parent: Path, name: str, tar: Path) -> None:
    """The same tar from the same files, whoever made them and when."""
    same = ["--sort=name", f"--mtime=@{NEVER}", "--owner=0", "--group=0", "--numeric-owner"]
    same += ["--mode=u=rwX,go=rX"]  # whatever the umask was
    pax = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"
    command = ["tar", "--format=pax", *same, pax, "-C", str(parent), "-cf", str(tar), name]
    subprocess.run(command, check=True)


def _debian(path: Path, include: tuple[str, ...] = ()) -> Path:
    """Debian bookworm, minbase and the packages `include`, as a tar at `path`; made once."""
    if not path.exists():
        recipe = recipe_for("debian", "bookworm", include=include)
        with (
            distribution_rootfs(recipe, environment=os.environ) as rootfs,
            whole(path) as partial,
            partial.open("wb") as output,
        ):
            output.writelines(rootfs.chunks)
    return path


def busybox_tar() -> Path:
    """What `lamina base busybox` is made of."""
    path = PLACE / "busybox.tar"
    if not path.exists():
        rootfs = busybox_rootfs(find_busybox(environment=os.environ))
        with whole(path) as partial:
            partial.write_bytes(b"".join(rootfs.chunks))
    return path


def debian() -> Path:
    """The Debian image, as an OCI layout."""
    return layout("debian", [debian_tar()])


def twin() -> Path:
    """An image of the same files in another layer: its tar has one file more."""
    tar = PLACE / "twin.tar"
    if not tar.exists():
        with whole(tar) as partial:
            content = debian_tar().read_bytes()
            end = _end_of_members(debian_tar())
            partial.write_bytes(content[:end] + _tar([("twin", b"another image\n", 0)]))
    return layout("twin", [tar])


def upgraded() -> Path:
    """An image on Debian's whose second layer upgrades every third package.

    An upgrade writes every file of its package anew: a program changes in some
    bytes, documentation and data stay as they are, and all get a new time.
    """
    tar = PLACE / "upgrade.tar"
    if not tar.exists():
        with whole(tar) as partial, tarfile.open(debian_tar()) as base:
            partial.write_bytes(_tar(_upgraded_files(base)))
    return layout("upgraded", [debian_tar(), tar])


def big() -> Path:
    """An image with one layer of 1 GB, half of it incompressible."""
    tar = PLACE / "big.tar"
    if not tar.exists():
        with whole(tar) as partial, tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as out:
            for number in range(BIG_FILES):
                member = tarfile.TarInfo(f"data/{number:02}")
                member.size, member.mtime = BIG_FILE, NEVER
                noise = hashlib.shake_128(bytes([number])).digest(BIG_FILE // 2)
                out.addfile(member, io.BytesIO(noise + bytes(BIG_FILE // 2)))
    return layout("big", [tar])


def large() -> Path:
    """An image of one layer of many bytes."""
    return layout("large", [large_tar()])


def modules() -> Path:
    """An image of one layer of 60,000 entries."""
    return layout("modules", [modules_tar()])


def python() -> Path:
    """An image of one layer with a Python in it."""
    return layout("python", [python_tar()])


def layered(count: int) -> Path:
    """An image of busybox and as many layers of one small file as make `count`."""
    return layout(f"layered-{count}", [busybox_tar(), *map(_tiny, range(1, count))])


def _tiny(number: int) -> Path:
    path = PLACE / "tiny" / f"{number:03}.tar"
    if not path.exists():
        with whole(path) as partial:
            partial.write_bytes(_tar([(f"layers/{number:03}", b"%d\n" % number, NEVER)]))
    return path


def seed(layout: Path, reference: str) -> None:
    """Put a layout's image into a registry, by a tool that is not measured."""
    copy = ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "--quiet"]
    subprocess.run([*copy, f"oci:{layout}:image", f"docker://{reference}"], check=True)


def _end_of_members(tar: Path) -> int:
    with tarfile.open(tar) as archive:
        last = archive.getmembers()[-1]
    return last.offset_data + -(-last.size // 512) * 512


def _upgraded_files(base: tarfile.TarFile) -> Iterator[tuple[str, bytes, int]]:
    members = {member.name.lstrip("./"): member for member in base}
    lists = sorted(name for name in members if name.startswith("var/lib/dpkg/info/"))
    for name in [each for each in lists if each.endswith(".list")][::3]:
        listed = base.extractfile(members[name])
        assert listed is not None
        for path in listed.read().decode().split("\n"):
            member = members.get(path.lstrip("/"))
            if member is None or not member.isreg():
                continue
            file = base.extractfile(member)
            assert file is not None
            content = file.read()
            if content[:4] == b"\x7fELF":
                content = content[:-16] + hashlib.md5(content).digest()
            yield path.lstrip("/"), content, int(member.mtime) + 86_400


def _tar(files: Iterator[tuple[str, bytes, int]] | Sequence[tuple[str, bytes, int]]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, mtime in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), mtime, 0o755
            archive.addfile(member, io.BytesIO(content))
    return output.getvalue()
