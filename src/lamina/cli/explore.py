"""`lamina explore`: look around in an image on the terminal."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.completion import object_names
from lamina.cli.stacks import stack_of
from lamina.errors import Unsupported

if TYPE_CHECKING:
    from lamina.explore.app import ExplorerApp


class NoTerminal(Unsupported):
    """There is nothing to draw on."""


class NoTextual(Unsupported):
    """The explorer's extra is not installed."""


@click.command(epilog="Example: lamina explore debian:bookworm")
@click.argument("name", metavar="IMAGE|CONTAINER", shell_complete=object_names)
@click.pass_obj
def command(app: App, name: str) -> None:
    """Look around in an image: its layers, its tree, and what is hidden in it.

    Press ? for the keys; dive's work.  Of a container its own layer lies on top.
    """
    if not _has_terminal():
        raise NoTerminal(
            "the explorer needs a terminal", hint=f"lamina explain {name}   (it prints)"
        )
    try:
        import textual  # noqa: F401
    except ImportError:
        raise NoTextual(
            "the explorer needs textual", hint="pip install 'lamina[explore]'"
        ) from None
    # Textual reads nothing but this, and takes an empty one for a wish.
    if not app.colored:
        os.environ["NO_COLOR"] = "1"
    else:
        os.environ.pop("NO_COLOR", None)
    _open(app, name).run()


def _open(app: App, name: str) -> ExplorerApp:
    # All that is read stays until the end: to look through it for cycles, again and again while
    # it grows, costs a start a tenth of a second, and later a key now and then.
    gc.disable()
    try:
        stack = stack_of(app, name)
        from lamina.explore.app import ExplorerApp
        from lamina.explore.glyphs import glyphs

        opened = ExplorerApp(stack, glyphs(sys.stderr.encoding or ""))
        gc.freeze()
        return opened
    finally:
        gc.enable()


def _has_terminal() -> bool:
    """Whether there is one to draw on: what has no cursor is none."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(each.isatty() for each in streams) and os.environ.get("TERM") not in (None, "dumb")
