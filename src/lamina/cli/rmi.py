"""`lamina rmi`: take names from images, and with the last name the image."""

from __future__ import annotations

import click

from lamina.cli.app import App, timestamp
from lamina.cli.completion import image_names
from lamina.cli.format import emit
from lamina.cli.named import for_each
from lamina.errors import NotFound


@click.command(epilog="Example: lamina rmi seed:latest debian:bookworm")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, shell_complete=image_names)
@click.option(
    "-f",
    "--force",
    is_flag=True,
    help="Remove it under all its names, and though a stopped container was made from it.",
)
@click.pass_obj
def command(app: App, images: tuple[str, ...], force: bool) -> int:
    """Remove images.

    A name is taken away; the image goes with its last name, and the layers that
    no other image, container or build step needs.
    """
    from lamina.store.images import find_image
    from lamina.store.names import remove_image
    from lamina.store.tell import tell_image

    store = app.engine.store

    def remove(text: str) -> None:
        row = find_image(store.refs.rows(), text)
        lines = remove_image(store, text, force=force)
        for action, _, name in (line.partition(": ") for line in lines):
            if action == "Untagged":
                tell_image(store, row, "untag", timestamp(), name=name)
            elif name == str(row.image_id):
                tell_image(store, row, "delete", timestamp(), name=name)
        emit("\n".join(lines))

    return for_each(images, remove, forgive=(NotFound,) if force else ())
