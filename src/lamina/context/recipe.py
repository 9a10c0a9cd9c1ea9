"""Finding the Dockerfile: beside the context's files, inside a context, or in a stream."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lamina.context.errors import BadOption, NoDockerfile
from lamina.context.stream import Stream
from lamina.context.tree import Tree, clean, resolve
from lamina.layer.entry import Kind

NAMES = ("Dockerfile", "dockerfile", "Containerfile")
"""What it is called when nobody says it, in the order of preference: BuildKit's and podman's."""
_MOST = 16 << 20
"""Bytes that a Dockerfile has at most: what is larger is something else."""


def on_disk(directory: Path, chosen: str | None) -> Path:
    """The Dockerfile of a context directory, or the one that was `chosen`, which may lie
    elsewhere: relative to the working directory.  Raises NoDockerfile, BadOption."""
    if chosen is not None:
        place = Path(chosen)
    else:
        place = next(
            (directory / n for n in NAMES if (directory / n).exists()), directory / NAMES[0]
        )
    if place.is_dir():
        raise BadOption(f"{place} is a directory, not a Dockerfile")
    if not place.exists():
        names = (each.name for each in place.parent.iterdir()) if place.parent.is_dir() else ()
        raise NoDockerfile(f"no Dockerfile at {place}", hint=_hint(place.name, names))
    return place


def read(stream: Stream, name: str) -> str:
    """A Dockerfile's text, whatever its bytes.  Raises BadOption for what is far too long."""
    raw = stream.read(_MOST + 1)
    if len(raw) > _MOST:
        raise BadOption(f"{name} is no Dockerfile: it is larger than {_MOST >> 20} MiB")
    return raw.decode("utf-8", "surrogateescape")


def inside(tree: Tree, chosen: str | None) -> tuple[str, str]:
    """Text and name of the Dockerfile in a tree; links are followed inside it.

    Raises NoDockerfile, BadOption.
    """
    for name in NAMES if chosen is None else (chosen,):
        entry = tree.lookup(resolve(tree.lookup, clean(name)))
        if entry is None:
            continue
        if entry.kind not in (Kind.FILE, Kind.HARDLINK):
            raise BadOption(f"{name} in the build context is not a file")
        with tree.open(entry).file as file:
            return read(file, name), name
    name = chosen or NAMES[0]
    entries = tree.children("") if "/" not in name else ()
    raise NoDockerfile(
        f"no {name} in the build context", hint=_hint(name, (each.name for each in entries))
    )


def _hint(name: str, names: Iterable[str]) -> str:
    import difflib

    there = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), there, 3, 0.5)
    near += [each for each in there if "dockerfile" in each and each not in near]
    if near:
        return f"there is {', '.join(there[each] for each in near[:3])}: name one with -f"
    return "name it with -f, or give another PATH"
