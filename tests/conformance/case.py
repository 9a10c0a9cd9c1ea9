"""What a conformance case is: a Dockerfile, its files, and what must come out.

A case is one short block of data.  The same nodes say what lies in the context and what the
image must hold afterwards, above its base:

    Case(
        "a file into a directory that is missing",
        '''
        FROM busybox
        COPY a /d/
        ''',
        context=(file("a", "text"),),
        tree=(folder("d"), file("d/a", "text")),
    )

Expectations are written from what BuildKit's documentation and sources promise.
"""

from __future__ import annotations

import io
import tarfile
from textwrap import dedent
from typing import Any

import msgspec

from tests.conformance.compression import compressed

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Owner = tuple[int, int]


class Node(msgspec.Struct, frozen=True):
    """Something at a path: in a context, in an archive, or in an image."""

    path: str
    kind: str
    """`file`, `folder`, `link`, `hard`, `fifo` or `other`."""
    mode: int = 0
    """Permission bits, 0 for links."""
    owner: Owner = (0, 0)
    """uid, gid; a context has none, for a build sees its files as root's."""
    content: bytes = b""
    target: str = ""
    """Where a link points; for `hard`, the name before it that is the same file."""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    mtime: int | None = None
    """Seconds since the epoch; None when a case is not about it."""


def file(
    path: str,
    content: str | bytes = "",
    mode: int = 0o644,
    owner: Owner = (0, 0),
    xattrs: tuple[tuple[str, bytes], ...] = (),
    mtime: int | None = None,
) -> Node:
    """A regular file."""
    raw = content if isinstance(content, bytes) else content.encode()
    return Node(path, "file", mode, owner, raw, xattrs=xattrs, mtime=mtime)


def folder(path: str, mode: int = 0o755, owner: Owner = (0, 0)) -> Node:
    """A directory."""
    return Node(path, "folder", mode, owner)


def link(path: str, target: str, owner: Owner = (0, 0)) -> Node:
    """A symbolic link."""
    return Node(path, "link", 0, owner, target=target)


def hard(path: str, first: str) -> Node:
    """Another name of the file that is `first` by name."""
    return Node(path, "hard", target=first)


def fifo(path: str, mode: int = 0o644, owner: Owner = (0, 0)) -> Node:
    """A named pipe."""
    return Node(path, "fifo", mode, owner)


_TYPES = {"folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}
_TYPES |= {"fifo": tarfile.FIFOTYPE}


def tar(*nodes: Node, compression: str = "none") -> bytes:
    """An archive of nodes, always the same bytes."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for node in nodes:
            member = tarfile.TarInfo(node.path)
            member.type = _TYPES.get(node.kind, tarfile.REGTYPE)
            member.mode, member.mtime = node.mode or 0o644, node.mtime or 1_000_000_000
            member.uid, member.gid = node.owner
            member.linkname, member.size = node.target, len(node.content)
            member.pax_headers = {
                f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
                for name, value in node.xattrs
            }
            archive.addfile(member, io.BytesIO(node.content))
    return compressed(output.getvalue(), compression)


class Failure(msgspec.Struct, frozen=True):
    """An error that a build must end with."""

    line: int
    """Of the Dockerfile; 0 when it is not about a line."""
    words: str
    """Part of Lamina's sentence, or of what it shows below."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One build and what must come of it."""

    name: str
    dockerfile: str
    context: tuple[Node, ...] = ()
    beside: tuple[Node, ...] = ()
    """Files outside the context; options name their directory as `{beside}`."""
    options: tuple[str, ...] = ()
    """Of `docker build`."""
    given: tuple[tuple[str, str], ...] = ()
    """Images that are built first: name and Dockerfile."""
    tree: tuple[Node, ...] | None = ()
    """All that is new or differs from the base image.  None: it is not looked at."""
    gone: tuple[str, ...] = ()
    """What the base has and the image has not."""
    config: dict[str, Any] = {}
    """Fields of the configuration that differ from the base's; labels are added to its."""
    history: tuple[str, ...] | None = None
    """`created_by` of what the build added; None when the case is not about it."""
    scratch: bool = False
    """Whether the image has no base."""
    error: Failure | None = None


def case(name: str, dockerfile: str, *, error: tuple[int, str] | None = None, **more: Any) -> Case:
    """A case; the Dockerfile may be indented."""
    failure = Failure(*error) if error else None
    return Case(name=name, dockerfile=dedent(dockerfile.lstrip("\n")), error=failure, **more)
