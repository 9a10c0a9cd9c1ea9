"""An image or a container, as programs see it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import BinaryIO

import msgspec

from lamina.api.rows import Rows
from lamina.explain.advice import Advice, advise
from lamina.explain.blame import blame
from lamina.explain.compare import Comparison, compare
from lamina.explain.lookup import Barrier, Step, search
from lamina.explain.package_records import Package
from lamina.explain.packages import packages
from lamina.explain.stack import Stack
from lamina.explain.view import Node, View, clean, file_at, nodes_at, open_view
from lamina.layer.entry import Kind
from lamina.oci.config import Execution
from lamina.report.fragment import image_fragment

_TYPES = {
    Kind.FILE: "file",
    Kind.HARDLINK: "file",
    Kind.DIRECTORY: "directory",
    Kind.SYMLINK: "link",
    Kind.CHAR: "character device",
    Kind.BLOCK: "block device",
    Kind.FIFO: "named pipe",
}


class Layer(msgspec.Struct, frozen=True):
    """One layer of an image, and what became of what it ships."""

    number: int
    """1 is the lowest."""
    instruction: str
    """What made it, as a line of a Dockerfile."""
    created: str
    """RFC 3339; empty when the image does not tell."""
    size: int
    """Bytes of file content."""
    visible_bytes: int
    hidden_bytes: int
    diff_id: str
    """Empty for a container's own layer, which changes."""


class File(msgspec.Struct, frozen=True):
    """A file, directory, link or device of an image."""

    path: str
    """Absolute.  Bytes that are no UTF-8 are surrogates (PEP 383)."""
    type: str
    """`file`, `directory`, `link`, `character device`, `block device`, `named pipe`."""
    size: int
    """Bytes of content."""
    mode: int
    """Permission bits, set-id and sticky included."""
    uid: int
    gid: int
    mtime: datetime
    layer: int
    """The number of the layer that ships it."""
    link: str = ""
    """Where a symbolic link points."""
    sha256: str = ""
    """Of the content, in hexadecimal; empty for what is no file, or changes."""
    hidden_by: int | None = None
    """The number of the layer that hides it; None when it can be seen."""
    hidden_kind: str = ""
    """How: `deleted`, `overwritten`, `duplicated`, `opaque`, `replaced`, `superseded`."""

    @property
    def visible(self) -> bool:
        """Whether a container of the image sees it."""
        return self.hidden_by is None


class Wasted(msgspec.Struct, frozen=True):
    """A file's content that is shipped and that nobody can see."""

    path: str
    size: int
    """Bytes of content."""
    kind: str
    """`deleted`, `overwritten`, `duplicated`, `opaque`, `replaced`, `superseded`."""
    shipped_by: int
    """A layer's number."""
    hidden_by: int
    instruction: str
    """What hid it."""


class Blame(msgspec.Struct, frozen=True):
    """A file, directory or link that is seen, and who wrote it."""

    path: str
    size: int
    """Bytes of content."""
    layer: int
    """The number of the layer that last wrote it."""
    instruction: str
    """What made that layer."""
    content_layer: int
    """The layer that its content is from; another one if `layer` only changed the mode, the
    owner or the times, or nothing."""
    content_instruction: str


class Found(msgspec.Struct, frozen=True):
    """What one layer has to say of a path."""

    layer: int
    instruction: str
    what: str
    """`file`, `directory`, …, `whiteout` or `opaque` where it hides what is below, empty for
    nothing."""
    size: int
    """Bytes of the file, or of all files that it has in the directory."""
    reached: bool
    """Whether the search from the top comes down to this layer."""
    shown: bool
    """Whether what it has is seen."""


class Image:
    """An image, or a container with its own layer on top.

    Everything is read when it is first asked for, and then kept.  Methods raise LayerDamaged
    where a layer cannot be read.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def __repr__(self) -> str:
        return f"<Image {self.name}, {len(self._stack)} layers>"

    def _repr_html_(self) -> str:
        return image_fragment(self._stack)

    @property
    def name(self) -> str:
        """What people call it."""
        return self._stack.name

    @property
    def id(self) -> str:
        """Digest of the config, or a container's id."""
        return self._stack.identity

    @property
    def config(self) -> Execution:
        """What a container of it starts with: environment, command, user, labels…"""
        return self._stack.config.execution if self._stack.config else Execution()

    @property
    def size(self) -> int:
        """Bytes of file content in all layers: `visible_bytes` + `hidden_bytes`."""
        return self._stack.account.bytes

    @property
    def visible_bytes(self) -> int:
        """Of the files that a container sees, each content once."""
        return self._stack.account.visible_bytes

    @property
    def hidden_bytes(self) -> int:
        """Of what is shipped and cannot be seen."""
        return self._stack.account.hidden_bytes

    @cached_property
    def layers(self) -> Rows[Layer]:
        """The lowest first."""
        stack = self._stack
        return Rows(
            [
                Layer(
                    place + 1,
                    origin.instruction,
                    origin.created,
                    layer.bytes,
                    layer.visible_bytes,
                    layer.hidden_bytes,
                    "" if stack.is_container and place == len(stack) - 1 else str(layer.diff_id),
                )
                for place, (origin, layer) in enumerate(
                    zip(stack.origins, stack.account.layers, strict=True)
                )
            ]
        )

    def files(
        self, path: str = "/", *, layer: int | None = None, hidden: bool = False
    ) -> Rows[File]:
        """Everything below `path`, directories before what is in them.

        With `layer` (a number) all that this layer ships, seen or not; with `hidden` only
        what cannot be seen.  Raises NoSuchLayer and NoSuchPath.
        """
        found = _walk(self._stack, self._view(layer, hidden), path)
        # A view of hidden files has the directories above them as well, which may be seen.
        return Rows([_file(node) for node in found if node.hidden or not hidden])

    def waste(self) -> Rows[Wasted]:
        """Each content that is shipped and cannot be seen, the largest first.

        Their sizes add up to `hidden_bytes`.
        """
        return Rows(
            [
                Wasted(
                    "/" + each.path,
                    each.size,
                    each.cause.value,
                    each.layer + 1,
                    each.hidden_by + 1,
                    self._stack.origins[each.hidden_by].instruction,
                )
                for each in self._stack.account.hidden
                if each.size
            ]
        )

    def advice(self) -> Rows[Advice]:
        """What can be seen and is probably not wanted: caches, logs, copies."""
        return Rows(advise(self._stack))

    def blame(self, path: str = "/") -> Rows[Blame]:
        """Everything below `path` with the layer that last wrote it.

        Raises NoSuchPath and LinkLoop.
        """
        origins = self._stack.origins
        return Rows(
            [
                Blame(
                    "/" + each.path,
                    each.inode.size,
                    each.layer + 1,
                    origins[each.layer].instruction,
                    each.content_layer + 1,
                    origins[each.content_layer].instruction,
                )
                for each in blame(self._stack, path)
            ]
        )

    def search(self, path: str) -> Rows[Found]:
        """The search for a path, the top layer first.  Raises PathNotFound, LinkLoop."""
        found = search(self._stack.listings, path, name=self.name)
        return Rows([_found(step, self._stack) for step in found.steps])

    def packages(self) -> Rows[Package]:
        """What its package managers know of, and Python's and npm's."""
        return Rows(packages(self._stack))

    def compare(self, other: Image) -> Comparison:
        """What `other` has that this has not, and the reverse: this is the older one."""
        return compare(self._stack, other._stack)

    def open(self, path: str, *, layer: int | None = None, hidden: bool = False) -> BinaryIO:
        """The content of a file, links followed; close it.

        With `layer` (a number) that layer's copy, with `hidden` the newest copy that cannot
        be seen.  Raises NoSuchPath, WrongKind for what has no content, LinkLoop.
        """
        node = file_at(self._stack, self._view(layer, hidden), path)
        return self._stack.open(node.layer, node.inode)

    def read(self, path: str, *, layer: int | None = None, hidden: bool = False) -> bytes:
        """All of what `open` gives."""
        with self.open(path, layer=layer, hidden=hidden) as file:
            return file.read()

    def _view(self, layer: int | None, hidden: bool) -> View:
        label = None if layer is None else self._label(layer)
        return open_view(self._stack, layer=label, hidden=hidden)

    def _label(self, number: int) -> str:
        inside = 0 < number <= len(self._stack)
        return self._stack.label(number - 1) if inside else str(number)


def _walk(stack: Stack, view: View, path: str) -> Iterator[Node]:
    for node in nodes_at(stack, view, path):
        if node.path or clean(path):
            yield node
    yield from view.walk(view.resolve(path))


def _found(step: Step, stack: Stack) -> Found:
    what = ""
    if step.entry is not None:
        what = _TYPES[step.entry.kind]
    elif step.barrier in (Barrier.WHITEOUT, Barrier.OPAQUE):
        what = step.barrier.value
    return Found(
        step.layer + 1,
        stack.origins[step.layer].instruction,
        what,
        step.size,
        step.reached,
        step.shown,
    )


def _file(node: Node) -> File:
    inode, hidden = node.inode, node.hidden
    return File(
        "/" + node.path,
        _TYPES[node.entry.kind],
        inode.size,
        inode.mode,
        inode.uid,
        inode.gid,
        datetime.fromtimestamp(inode.mtime / 10**9, UTC),
        node.layer + 1,
        node.entry.link if node.entry.kind is Kind.SYMLINK else "",
        inode.sha256.hex(),
        hidden.hidden_by + 1 if hidden else None,
        hidden.cause.value if hidden else "",
    )
