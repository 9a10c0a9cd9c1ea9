"""`lamina run`: a command in a new container."""

from __future__ import annotations

from typing import Any

import click

from lamina.cli import running
from lamina.cli.app import App
from lamina.cli.declared import add


@click.command(
    epilog="Example: lamina run --rm -it debian:bookworm bash",
    context_settings={"allow_interspersed_args": False},
)
@add(running.OPTIONS)
@click.help_option("--help")
@click.argument("image")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(app: App, /, **options: Any) -> int:
    """Run a command in a new container of IMAGE.

    The exit status is the command's; 125 when the container could not be made,
    126 when the command cannot be executed, 127 when there is none, and 128 + n
    when signal n ended it.
    """
    return running.run(app, options)
