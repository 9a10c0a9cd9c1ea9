"""`lamina create`: a new container that does not run yet."""

from __future__ import annotations

from typing import Any

import click

from lamina.cli import creating
from lamina.cli.app import App
from lamina.cli.declared import add


@click.command(
    epilog="Example: lamina create --name web nginx && lamina start web",
    context_settings={"allow_interspersed_args": False},
)
@add(creating.OPTIONS)
@click.help_option("--help")
@click.argument("image")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(app: App, /, **options: Any) -> None:
    """Make a container of IMAGE and print its id; `lamina start` runs it."""
    record, _ = creating.new_container(app, options, detached=True)
    click.echo(record.id)
