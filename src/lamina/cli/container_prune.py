"""`lamina container prune`: remove the containers that do not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamina.cli.app import App, timestamp
from lamina.cli.format import emit, size
from lamina.cli.pruning import Wanted, agreed, clear_host, prune_options

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command(epilog="Example: lamina container prune --filter until=24h")
@prune_options
@click.pass_obj
def command(app: App, force: bool, filters: tuple[str, ...]) -> None:
    """Remove all containers that do not run, their changes and their logs."""
    from lamina.lifecycle.errors import StillRunning
    from lamina.lifecycle.remove import remove
    from lamina.store.containers import LIVELY
    from lamina.store.errors import ContainerNotFound

    wanted = Wanted(filters)
    if not (force or agreed(_warning(wanted.filters))):
        return
    store, gone, freed = app.containers, [], 0
    for record in store.containers:
        if record.status in LIVELY or not wanted.fits(record.created, record.labels):
            continue
        try:
            freed += remove(store, record, timestamp)
        except (ContainerNotFound, StillRunning):
            continue  # somebody was faster
        gone.append(record.id)
    clear_host()
    if gone:
        emit("Deleted Containers:\n" + "\n".join(gone) + "\n\n")
    store.events.append("container", "prune", "", {"reclaimed": str(freed)}, timestamp())
    emit(f"Total reclaimed space: {size(freed)}")


def _warning(wanted: Mapping[str, list[str]]) -> str:
    lines = [f"  - {key}={value}\n" for key, values in wanted.items() for value in values]
    told = "".join(["\nItems to be pruned will be filtered with:\n", *lines]) if lines else ""
    return f"WARNING! This will remove all stopped containers.{told}\n"
