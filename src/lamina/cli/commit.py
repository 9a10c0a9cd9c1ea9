"""`lamina commit`: an image from a container's changes."""

from __future__ import annotations

from contextlib import nullcontext

import click

from lamina.cli.app import App, timestamp
from lamina.cli.layer_form import layer_form_option


@click.command(epilog="Example: lamina commit -c 'CMD [\"nginx\"]' -m 'add nginx' web web:1")
@click.argument("container")
@click.argument("name", metavar="[NAME[:TAG]]", required=False)
@click.option("-m", "--message", default="", help="What the history says of it.")
@click.option("-a", "--author", default="", help="Who made it: 'Name <mail>'.")
@click.option(
    "-c",
    "--change",
    "changes",
    multiple=True,
    metavar="INSTRUCTION",
    help="Apply CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR…  Repeatable.",
)
@click.option(
    "-p",
    "--pause/--no-pause",
    default=True,
    help="Hold its processes meanwhile (default), where control groups can.",
)
@layer_form_option
@click.pass_obj
def command(
    app: App,
    container: str,
    name: str | None,
    message: str,
    author: str,
    changes: tuple[str, ...],
    pause: bool,
) -> None:
    """Make an image of a container: its image's layers and one of its changes."""
    from lamina.lifecycle.held import held
    from lamina.oci.reference import Reference
    from lamina.run.commit import commit
    from lamina.store.tell import tell_container, tell_image
    from lamina.transfer.changes import apply_changes

    store = app.containers
    record = store.containers.find(container)
    reference = Reference.parse(name) if name else None
    base = store.images.find(str(record.image_id))
    with held(record) if pause else nullcontext():
        image = commit(
            store,
            record,
            reference,
            execution=apply_changes(base.config.execution, changes),
            author=author,
            message=message,
            created=timestamp(),
        )
    told = {
        "imageID": str(image.config.digest),
        "imageRef": str(reference or ""),
        "comment": message,
    }
    tell_container(store, record, "commit", timestamp(), **told)
    if reference is not None:
        tell_image(store, image.row, "tag", timestamp())
    click.echo(str(image.config.digest))
