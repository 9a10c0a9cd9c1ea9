"""`lamina update`: other limits for containers, also while they run."""

from __future__ import annotations

import sys
from typing import Any

import click

from lamina.cli.app import App, timestamp
from lamina.cli.declared import add
from lamina.cli.named import for_each
from lamina.cli.run_limits import CHANGEABLE


@click.command(epilog="Example: lamina update --memory 1g --cpus 2 web")
@click.argument("containers", metavar="CONTAINER...", nargs=-1, required=True)
@add(CHANGEABLE)
@click.option(
    "--restart",
    metavar="no|on-failure[:N]|always|unless-stopped",
    help="Whether it is started again when it ends.",
)
@click.pass_obj
def command(app: App, /, containers: tuple[str, ...], restart: str | None, **options: Any) -> int:
    """Change the limits and the restart policy of containers.

    What runs has the new limits at once; options that are left out change nothing.
    """
    from lamina.cli import run_watch
    from lamina.cli.run_limits import changes, processors
    from lamina.lifecycle.update import update

    store = app.engine.store
    limits = changes(options)
    policy = None if restart is None else run_watch.restart(restart)

    def act(text: str) -> None:
        record = store.containers.find(text)
        warnings = update(store, record, limits, cpus=processors(), now=timestamp(), restart=policy)
        click.echo(text)
        for warning in warnings:
            print(f"lamina: {warning}", file=sys.stderr)

    return for_each(containers, act)
