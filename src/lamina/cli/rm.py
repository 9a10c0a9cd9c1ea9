"""`lamina rm`: remove containers."""

from __future__ import annotations

import click

from lamina.cli.app import App, timestamp
from lamina.cli.named import for_each
from lamina.errors import NotFound


@click.command(epilog="Example: lamina rm web && lamina rm -f busy_noether")
@click.argument("containers", metavar="CONTAINER...", nargs=-1, required=True)
@click.option("-f", "--force", is_flag=True, help="Kill it first if it runs; forgive if absent.")
@click.option("-v", "--volumes", is_flag=True, help="Remove its volumes without a name, too.")
@click.pass_obj
def command(app: App, containers: tuple[str, ...], force: bool, volumes: bool) -> int:
    """Remove containers: their changes, logs and records."""
    from lamina.lifecycle.remove import remove

    store = app.containers

    def act(text: str) -> None:
        remove(store, store.containers.find(text), timestamp, force=force, volumes=volumes)
        click.echo(text)

    return for_each(containers, act, forgive=(NotFound,) if force else ())
