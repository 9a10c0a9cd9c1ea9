"""`lamina explore`: look around in an image on the terminal."""

from __future__ import annotations

import gc
import os
import sys

import click

from lamina.cli.app import App
from lamina.cli.completion import object_names
from lamina.errors import Unsupported


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
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if not all(each.isatty() for each in streams) or os.environ.get("TERM") in (None, "dumb"):
        raise NoTerminal(
            "the explorer needs a terminal", hint=f"lamina explain {name}   (it prints)"
        )
    try:
        import textual  # noqa: F401
    except ImportError:
        raise NoTextual(
            "the explorer needs textual", hint="pip install 'lamina[explore]'"
        ) from None
    # All that is read now stays until the end: to look through it for cycles, again and again
    # while it grows, costs a start a tenth of a second.
    gc.disable()
    from lamina.explain.stack import open_stack

    stack = open_stack(app.engine.store, name)
    from lamina.explore.app import ExplorerApp
    from lamina.explore.glyphs import glyphs

    # Textual reads it by itself, and takes an empty one for a wish.
    os.environ.pop("NO_COLOR", None)
    if not app.colored:
        os.environ["NO_COLOR"] = "1"
    explorer = ExplorerApp(stack, glyphs(sys.stderr.encoding or ""))
    gc.freeze()
    gc.enable()
    explorer.run()
