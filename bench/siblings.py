"""Images that share their base and have a layer of their own each."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from bench import material
from bench.layouts import PLACE, layout, whole

COUNT = 5
_SIZE = 15 << 20
"""Bytes in the layer that each of them has for itself."""


def siblings() -> list[Path]:
    """Images of the base and a layer of its own each: files of the base by other names."""
    return [
        layout(f"pagecache-{number}", [material.python_tar(), _own_tar(number)])
        for number in range(COUNT)
    ]


def _own_tar(number: int) -> Path:
    path = PLACE / f"pagecache-{number}.tar"
    if not path.exists():
        with (
            whole(path) as partial,
            tarfile.open(material.python_tar()) as base,
            tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as own,
        ):
            for member in _slice(base, number):
                content = base.extractfile(member)
                member.name = f"opt/{number}/{member.name.lstrip('./')}"
                own.addfile(member, content)
    return path


def _slice(base: tarfile.TarFile, number: int) -> Iterator[tarfile.TarInfo]:
    seen = 0
    for member in base:
        if member.isreg():
            if seen // _SIZE == number:
                yield member
            seen += member.size
