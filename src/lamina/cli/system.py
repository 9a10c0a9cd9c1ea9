"""`lamina system`: disk usage and clean-up."""

from __future__ import annotations

import click

from lamina.cli import info as info_module
from lamina.cli import prune as prune_module
from lamina.cli.app import App
from lamina.cli.format import format_option


@click.group(epilog="Example: lamina system df -v")
def command() -> None:
    """Disk usage and clean-up of the store."""


@command.command(epilog="Example: lamina system df --format '{{.Type}}: {{.Reclaimable}}'")
@click.option("-v", "--verbose", is_flag=True, help="Show every image, container and build step.")
@format_option
@click.pass_obj
def df(app: App, verbose: bool, fmt: str) -> None:
    """Show what the store takes of the disk.

    Every byte counts in one row, and the rows add up to what du says of the
    store.  RECLAIMABLE is what `lamina prune --all` of that kind frees; what
    images share with the build cache counts as images'.
    """
    from lamina.cli.disk_usage import show
    from lamina.cli.prune import default_scope
    from lamina.store.inventory import take_inventory
    from lamina.store.prune import foretell, plan
    from lamina.store.usage import measure

    store = app.engine.store
    frees = foretell(store, take_inventory(store.root), plan(store, default_scope()))
    show(measure(store), fmt, verbose=verbose, shown_root=str(store.root), default_frees=frees)


command.add_command(prune_module.command, "prune")
command.add_command(info_module.command, "info")
