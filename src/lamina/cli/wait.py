"""`lamina wait`: until containers have ended."""

from __future__ import annotations

import click

from lamina.cli.app import App
from lamina.cli.named import for_each


@click.command(epilog="Example: lamina wait job   (prints its exit status)")
@click.argument("containers", metavar="CONTAINER...", nargs=-1, required=True)
@click.pass_obj
def command(app: App, containers: tuple[str, ...]) -> int:
    """Wait until containers have ended, and print their exit status."""
    from lamina.lifecycle.stop import wait

    store = app.containers
    return for_each(containers, lambda text: click.echo(wait(store, store.containers.find(text))))
