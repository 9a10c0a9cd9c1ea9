"""`lamina diff`: what a container changed."""

from __future__ import annotations

import click

from lamina.cli.app import App


@click.command(epilog="Example: lamina diff busy_noether")
@click.argument("container")
@click.pass_obj
def command(app: App, container: str) -> None:
    """Show what a container added (A), changed (C) and deleted (D) in its image's files."""
    from lamina.cli.format import emit, escape
    from lamina.run.changes import container_changes

    store = app.engine.store
    record = store.containers.find(container)
    emit("".join(f"{kind} {escape(path)}\n" for kind, path in container_changes(store, record)))
