"""`lamina tag`: another name for an image."""

from __future__ import annotations

import click

from lamina.cli.app import App, timestamp
from lamina.cli.completion import image_names


@click.command(epilog="Example: lamina tag seed registry.example.com/me/seed:1.0")
@click.argument("source", metavar="IMAGE", shell_complete=image_names)
@click.argument("target", metavar="NAME[:TAG]")
@click.pass_obj
def command(app: App, source: str, target: str) -> None:
    """Let NAME stand for IMAGE as well; the image that had the name keeps its id."""
    from lamina.store.names import tag
    from lamina.store.tell import tell_image

    store = app.engine.store
    tell_image(store, tag(store, source, target), "tag", timestamp())
