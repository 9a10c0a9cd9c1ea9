"""`lamina unpause`: let the processes of containers go on."""

from __future__ import annotations

import click

from lamina.cli.app import App, timestamp
from lamina.cli.named import for_each


@click.command(epilog="Example: lamina unpause web")
@click.argument("containers", metavar="CONTAINER...", nargs=-1, required=True)
@click.pass_obj
def command(app: App, containers: tuple[str, ...]) -> int:
    """Let the processes of paused containers go on."""
    from lamina.lifecycle.pause import unpause

    store = app.engine.store

    def act(text: str) -> None:
        unpause(store, store.containers.find(text), timestamp())
        click.echo(text)

    return for_each(containers, act)
