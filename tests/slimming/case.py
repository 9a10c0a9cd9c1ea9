"""What a slimming case is: a Dockerfile of a kind people write, and how to see that it works."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Literal

import msgspec

Base = Literal["busybox", "debian", "python", "node", "tools"]
TIME = 1_000_000_000
"""When the files of every context were last changed: seconds since the epoch."""


class File(msgspec.Struct, frozen=True):
    """A file of a context."""

    content: bytes
    mode: int = 0o644


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One image: how it is built, and what its probe says as long as it works."""

    name: str
    dockerfile: str
    shows: str
    """What of its bytes nobody can see, or what is easily broken, in a few words."""
    base: Base
    """The first image that it stands on."""
    also: tuple[Base, ...] = ()
    """Further base images that its stages use."""
    files: Mapping[str, File] = {}
    probe: tuple[str, ...] = ()
    """Run in a container of the image; without any, what the image starts by itself."""
    says: str
    """All that the probe prints, but for spaces at both ends."""
    hides: int = 0
    """Bytes above the base that cannot be seen, at least."""
    network: bool = False
    """Whether the build asks Debian's, PyPI's or npm's servers for something."""
    issue: str = ""
    """The bug of another program that it comes from."""

    def lay(self, directory: Path) -> Path:
        """Write the Dockerfile and the context to `directory`, which is made; gives it back."""
        directory.mkdir(parents=True)
        for path, file in {**self.files, "Dockerfile": File(self.dockerfile.encode())}.items():
            place = directory / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.content)
            place.chmod(file.mode)
        return directory


def case(
    name: str,
    dockerfile: str,
    *,
    probe: str | tuple[str, ...] = (),
    says: str,
    shows: str,
    base: Base,
    also: tuple[Base, ...] = (),
    files: Mapping[str, str | bytes | File] | None = None,
    hides: int = 0,
    network: bool = False,
    issue: str = "",
) -> Case:
    """A case; its texts may be indented, and a probe that is one text is for a shell."""
    return Case(
        name=name,
        dockerfile=dedent(dockerfile).lstrip("\n"),
        shows=shows,
        base=base,
        also=also,
        files={path: _file(given) for path, given in (files or {}).items()},
        probe=("sh", "-c", dedent(probe).strip()) if isinstance(probe, str) else probe,
        says=dedent(says).strip(),
        hides=hides,
        network=network,
        issue=issue,
    )


def _file(given: str | bytes | File) -> File:
    if isinstance(given, File):
        return given
    return File(dedent(given).lstrip("\n").encode() if isinstance(given, str) else given)


def noise(size: int, seed: int = 1) -> bytes:
    """`size` bytes that do not compress, always the same for a seed."""
    import random

    return random.Random(seed).randbytes(size)


def tar_gz(files: Mapping[str, bytes]) -> bytes:
    """A small archive."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz", compresslevel=1) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(content), TIME
            archive.addfile(member, io.BytesIO(content))
    return output.getvalue()


def wheel(name: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A wheel of pure Python modules, version 1.0: its file name and content."""
    output = io.BytesIO()
    info = f"{name}-1.0.dist-info"
    written = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*written, f"{info}/RECORD"))
    with zipfile.ZipFile(output, "w") as archive:
        for path, content in {**written, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(zipfile.ZipInfo(path, (2001, 9, 9, 1, 46, 40)), content)
    return {f"{name}-1.0-py3-none-any.whl": output.getvalue()}
