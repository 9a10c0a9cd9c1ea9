"""An image or a container, as programs see it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import BinaryIO

from lamina.api.comparison import Comparison
from lamina.api.rows import Rows
from lamina.api.values import Blame, File, Found, Layer, Secret, Wasted, file, found, secret
from lamina.explain.advice import Advice, advise
from lamina.explain.blame import blame
from lamina.explain.compare import compare
from lamina.explain.lookup import search
from lamina.explain.package_records import Package
from lamina.explain.packages import packages
from lamina.explain.stack import Stack
from lamina.explain.view import Node, View, clean, file_at, nodes_at, open_view
from lamina.explain.waste import largest_first
from lamina.leaks.leaks import leaks
from lamina.oci.config import Execution
from lamina.repack.repack import tree_of
from lamina.repack.tree import digest
from lamina.report.fragment import image_fragment


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
        nodes = _walk(self._stack, self._view(layer, hidden), path)
        # A view of hidden files has the directories above them as well, which may be seen.
        return Rows([file(node) for node in nodes if node.hidden or not hidden])

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
                for each in sorted(self._stack.account.hidden, key=largest_first)
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
        steps = search(self._stack.union, path, name=self.name).steps
        return Rows([found(step, self._stack) for step in steps])

    def packages(self) -> Rows[Package]:
        """What its package managers know of, and Python's and npm's."""
        return Rows(packages(self._stack))

    def compare(self, other: Image) -> Comparison:
        """What is different in `other`; this is the older one."""
        return Comparison(compare(self._stack, other._stack))

    def tree_digest(self) -> str:
        """`sha256:…` of all that is seen: two images with the same one show the same, however
        their layers make it (`lamina verify`)."""
        return str(digest(tree_of(self._stack)))

    def leaks(self) -> Rows[Secret]:
        """Secrets in every layer's files, seen or hidden, in the configuration and history.

        One row for each place of a secret.  Raises Unsupported without the extra `leaks`.
        """
        return Rows(
            [secret(leak, place) for leak in leaks(self._stack).found for place in leak.places]
        )

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
