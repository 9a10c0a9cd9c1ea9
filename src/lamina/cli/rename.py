"""`lamina rename`: another name for a container."""

from __future__ import annotations

import click

from lamina.cli.app import App, timestamp


@click.command(epilog="Example: lamina rename busy_noether web")
@click.argument("container")
@click.argument("name")
@click.pass_obj
def command(app: App, container: str, name: str) -> None:
    """Give a container another name, running or not."""
    from lamina.lifecycle.rename import rename

    store = app.containers
    rename(store, store.containers.find(container), name, timestamp())
