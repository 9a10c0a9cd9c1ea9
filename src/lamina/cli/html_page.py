"""The page of `explain --html`: where it goes, and the line that says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.cli.format import emit, escape, prose_size
from lamina.errors import NotFound

if TYPE_CHECKING:
    from lamina.explain.stack import Stack


class NoDirectory(NotFound):
    """The directory that a file is to be written in is not there."""


def write_page(target: str, new: Stack, old: Stack | None) -> None:
    """Write the page of one image, or of two side by side, to a file, which then is whole or as
    it was before; `-` is standard output.  Raises NoDirectory and OSError."""
    from lamina.page.page import page

    if target != "-" and not Path(target).parent.is_dir():
        raise NoDirectory(f"no directory {escape(str(Path(target).parent))} to write the page in")
    text = page(new, old)
    if target == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(text)
        return
    _replace(Path(target), text)
    emit(f"wrote {escape(target)}, {prose_size(len(text))}: open it in a browser")


def _replace(path: Path, data: bytes) -> None:
    if path.exists() and not path.is_file():  # a pipe or a device has no name to replace
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name[:200]}-{os.urandom(4).hex()}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
