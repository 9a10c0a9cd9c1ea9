"""The files of a case, laid on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from tests.conformance.case import Case, Node

TIME = 1_000_000_000
"""Seconds since the epoch."""


class Laid(msgspec.Struct, frozen=True):
    """A case on disk, ready to be built."""

    case: Case
    """With what stands for places and addresses filled in."""
    context: Path
    dockerfile: Path
    """Outside the context, unless the case has a file of that name in it."""
    given: tuple[tuple[str, Path], ...]
    """Names and Dockerfiles of the images to build first, without files."""


def lay(case: Case, place: Path, words: Mapping[str, str], number: int = 0) -> Laid:
    """Write a case's files under `place`, which is there and empty.

    Files were last changed `number` seconds after a time that does not change: BuildKit takes
    a file of the same size and time for the one that it has seen in another case.
    `@NAME@` in Dockerfiles, options and history becomes `words["NAME"]`; `@CONTEXT@` is the
    context's directory, `@BESIDE@` that of `case.beside`.
    """
    context = place / "context"
    case = filled(case, {**words, "CONTEXT": str(context), "BESIDE": str(place / "beside")})
    for directory, nodes in ((context, case.context), (place / "beside", case.beside)):
        directory.mkdir()
        lay_nodes(directory, nodes, TIME + number)
    inside = any(node.path == "Dockerfile" for node in case.context)
    dockerfile = (context if inside else place) / "Dockerfile"
    dockerfile.write_text(case.dockerfile)
    given = []
    for name, text in case.given:
        given.append((name, place / f"{name}.Dockerfile"))
        given[-1][1].write_text(text)
    return Laid(case, context, dockerfile, tuple(given))


def filled(case: Case, words: Mapping[str, str]) -> Case:
    """The case with words for its `@NAME@`s."""

    def fill(text: str) -> str:
        for name, word in words.items():
            text = text.replace(f"@{name}@", word)
        return text

    return msgspec.structs.replace(
        case,
        dockerfile=fill(case.dockerfile),
        options=tuple(map(fill, case.options)),
        history=None if case.history is None else tuple(map(fill, case.history)),
    )


def lay_nodes(directory: Path, nodes: Iterable[Node], time: int) -> None:
    """Make each node; parents that nobody names are made, 0755."""
    nodes = list(nodes)
    for node in nodes:
        path = directory / node.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if node.kind == "folder":
            path.mkdir(exist_ok=True)
        elif node.kind == "link":
            path.symlink_to(node.target)
        elif node.kind == "hard":
            path.hardlink_to(directory / node.target)
        elif node.kind == "fifo":
            os.mkfifo(path)
        else:
            path.write_bytes(node.content)
        for name, value in node.xattrs:
            os.setxattr(path, name, value, follow_symlinks=False)
        if node.kind not in ("link", "hard"):
            path.chmod(node.mode)
    for node in nodes:
        changed = node.mtime or time
        os.utime(directory / node.path, (changed, changed), follow_symlinks=False)
