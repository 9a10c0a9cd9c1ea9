"""`lamina cat`: the content of a file of an image, also of one that cannot be seen."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

import click

from lamina.cli.app import App
from lamina.cli.stacks import stack_of
from lamina.cli.view_options import view_options

if TYPE_CHECKING:
    from lamina.explain.stack import Stack
    from lamina.explain.view import View

_PIECE = 1 << 20


@click.command(epilog="Example: lamina cat debian:bookworm /etc/os-release")
@view_options
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--raw", is_flag=True, help="Do not escape control characters on a terminal.")
@click.pass_obj
def command(
    app: App, name: str, layer: str | None, hidden: bool, paths: tuple[str, ...], raw: bool
) -> int:
    """Print files of an image or container; links are followed.

    With --layer that layer's copy, seen or not; with --hidden the newest copy that
    cannot be seen.  A pipe gets the bytes as they are; on a terminal control
    characters are written out.
    """
    from lamina.cli.named import for_each
    from lamina.explain.view import open_view

    stack = stack_of(app, name)
    view = open_view(stack, layer=layer, hidden=hidden)
    escaped = sys.stdout.isatty() and not raw
    return for_each(paths, lambda path: _print_file(stack, view, path, escaped=escaped))


def _print_file(stack: Stack, view: View, path: str, *, escaped: bool) -> None:
    from lamina.explain.view import file_at

    node = file_at(stack, view, path)
    with stack.open(node.layer, node.inode) as file:
        if escaped:
            _write_escaped(file)
            return
        sys.stdout.flush()
        while piece := file.read(_PIECE):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _write_escaped(file: BinaryIO) -> None:
    from codecs import getincrementaldecoder

    from lamina.text import escape_lines

    encoding = sys.stdout.encoding or "utf-8"
    # Several bytes may make one character, and a piece may end between them.
    decoder = getincrementaldecoder("utf-8")("surrogateescape")
    last = False
    while not last:
        piece = file.read(_PIECE)
        last = not piece
        text = escape_lines(decoder.decode(piece, final=last))
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
