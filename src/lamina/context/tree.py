"""File trees that a build copies from: the same few questions to a context or to layers."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple, Protocol, runtime_checkable

from lamina.errors import Invalid
from lamina.layer.entry import Entry, Kind

_MOST_LINKS = 255
ROOT = Entry("", Kind.DIRECTORY, 0o755, 0, 0, 0, 0)


class LinkLoop(Invalid):
    """Symbolic links that lead to each other without an end."""

    def __init__(self, path: str) -> None:
        super().__init__(f"too many symbolic links in /{path}")


class Content(NamedTuple):
    """What a file holds."""

    file: BinaryIO
    """Open, at the content's beginning, nothing read yet: its descriptor may be copied from."""
    size: int
    """Bytes; the descriptor may have more to give, which belong to somebody else."""


class Tree(Protocol):
    """A tree of files, by clean relative path; `""` is its root."""

    def lookup(self, path: str) -> Entry | None:
        """What is at `path`, itself: no link is followed, not even in its parents."""
        ...

    def children(self, path: str) -> Sequence[Entry]:
        """What is in a directory, sorted by name."""
        ...

    def digest(self, entry: Entry) -> bytes:
        """The sha256 of a file's content."""
        ...

    def open(self, entry: Entry) -> Content:
        """A file's content; the caller closes it."""
        ...


@runtime_checkable
class Fingerprinted(Tree, Protocol):
    """A tree that knows what stands for all that is in a directory (see `fingerprint`)."""

    def fingerprint(self, entry: Entry) -> bytes:
        """The sha256 that stands for a directory and all below it, whoever owns it."""
        ...


def clean(path: str) -> str:
    """`path` relative to a root, without `.`, `..` and double slashes; `..` stops at the root."""
    return posixpath.normpath("/" + path).lstrip("/")


def resolve(lookup: Callable[[str], Entry | None], path: str) -> str:
    """Where `path` leads when every link in it is followed inside the root, as chroot would.

    What does not exist is taken as it is written.  Raises LinkLoop.
    """
    parts = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    at, links = "", 0
    while parts:
        part = parts.pop()
        if part == "..":
            at = posixpath.dirname(at)
            continue
        here = f"{at}/{part}" if at else part
        found = lookup(here)
        if found is None or found.kind is not Kind.SYMLINK:
            at = here
            continue
        links += 1
        if links > _MOST_LINKS:
            raise LinkLoop(path)
        if found.link.startswith("/"):
            at = ""
        parts += [step for step in reversed(found.link.split("/")) if step not in ("", ".")]
    return at
