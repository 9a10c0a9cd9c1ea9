"""`lamina cp`: files between a container and the host."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import click

from lamina.cli.app import App
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.store.contract import Store


class BadCopy(Invalid):
    """Not one container and one host path."""


@click.command(epilog="Example: lamina cp web:/etc/nginx/nginx.conf . && lamina cp site/. web:/srv")
@click.argument("source", metavar="CONTAINER:PATH|PATH|-")
@click.argument("target", metavar="CONTAINER:PATH|PATH|-")
@click.option("-a", "--archive", is_flag=True, help="Keep owners and set-id bits.")
@click.option("-L", "--follow-link", is_flag=True, help="Copy what a link in SOURCE leads to.")
@click.option("-q", "--quiet", is_flag=True, help="As Docker has it; nothing is printed here.")
@click.pass_obj
def command(
    app: App, source: str, target: str, archive: bool, follow_link: bool, quiet: bool
) -> None:
    """Copy files between a container, running or not, and the host.

    '-' is a tar on standard input or output.  A path ending in '/.' means a
    directory's content.
    """
    here, there = _split(source), _split(target)
    if (here[0] is None) == (there[0] is None):
        raise BadCopy(
            "one side of cp is in a container, the other on the host",
            hint="lamina cp CONTAINER:PATH PATH   (or the reverse)",
        )
    store = app.containers
    if here[0] is not None:
        _out(store, here[0], here[1], there[1], archive=archive, follow=follow_link)
    else:
        _in(store, here[1], there[0] or "", there[1], archive=archive, follow=follow_link)


def _split(text: str) -> tuple[str | None, str]:
    """Container and path; a path with a slash before its first colon is the host's."""
    name, colon, path = text.partition(":")
    if not colon or "/" in name or name in {"", ".", ".."}:
        return None, text
    return name, path or "/"


def _out(
    store: Store, container: str, path: str, place: str, *, archive: bool, follow: bool
) -> None:
    from lamina.run.copy import Tree, copy, host_tree
    from lamina.run.tarcopy import to_tar
    from lamina.run.view import ids_of, root_of

    record = store.containers.find(container)
    with root_of(store, record) as root, host_tree() as host:
        tree = Tree(root, f"in container {record.name}", True, ids_of(record))
        if place == "-":
            if sys.stdout.isatty():
                raise BadCopy("a tar is not written to a terminal", hint="pipe it into tar x")
            for piece in to_tar(tree, path, follow=follow):
                sys.stdout.buffer.write(piece)
            return
        copy(tree, path, host, place, archive=archive, follow=follow)


def _in(
    store: Store, path: str, container: str, place: str, *, archive: bool, follow: bool
) -> None:
    from lamina.run.copy import Tree, copy, host_tree
    from lamina.run.tarcopy import from_tar
    from lamina.run.view import ids_of, root_of

    record = store.containers.find(container)
    with root_of(store, record) as root, host_tree() as host:
        tree = Tree(root, f"in container {record.name}", True, ids_of(record))
        if path == "-":
            from_tar(_chunks(sys.stdin.buffer), tree, place, archive=archive)
            return
        copy(host, path, tree, place, archive=archive, follow=follow)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(1 << 20):
        yield piece
