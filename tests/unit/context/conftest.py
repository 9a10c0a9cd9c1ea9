"""A small context, and an eye on which of its files are read."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.context.tree import Tree
from lamina.copying.select import Selected, select

_watching: list[tuple[bytes, list[str]]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _watching or not isinstance(arguments[0], bytes | str):
        return
    base, found = _watching[-1]
    path = os.fsencode(arguments[0])
    if path.startswith(base + b"/") and stat.S_ISREG(os.lstat(path).st_mode):
        found.append(os.fsdecode(path[len(base) + 1 :]))


sys.addaudithook(_hook)


@contextmanager
def watch(root: Path) -> Iterator[list[str]]:
    """Fills a list with the files below `root` that are opened, relative to it."""
    found: list[str] = []
    _watching.append((os.fsencode(root), found))
    try:
        yield found
    finally:
        _watching.pop()


def selected(tree: Tree, *sources: str) -> list[Selected]:
    """What COPY's sources stand for, one after the other."""
    return [each for source in sources for each in select(tree, source)[1]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small context."""
    place = tmp_path / "context"
    (place / "src" / "deep").mkdir(parents=True)
    (place / "src" / "a.c").write_text("a")
    (place / "src" / "b.c").write_text("b")
    (place / "src" / "deep" / "c.h").write_text("c")
    (place / "link").symlink_to("src/a.c")
    (place / "loop").symlink_to("loop")
    (place / "out").symlink_to("/etc/passwd")
    return place
