"""`lamina push`: an image from the store to a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App, timestamp
from lamina.cli.registry_options import credential_option, registry_options, settings

if TYPE_CHECKING:
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.mediatype import Compression
    from lamina.oci.reference import Reference
    from lamina.registry.client import Repository
    from lamina.transfer.progress import Progress


@click.command(epilog="Example: lamina push localhost:5000/me/app:1.0")
@click.argument("name")
@click.option("-a", "--all-tags", is_flag=True, help="Push every tag of the repository.")
@click.option("--platform", metavar="OS/ARCH", help="Push only the image for this platform.")
@click.option(
    "--compression",
    type=click.Choice(["gzip", "zstd"]),
    help="Compress layers so (default: as they were pulled, else gzip).",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the digest reference alone.")
@registry_options
@credential_option
@click.pass_obj
def command(
    app: App,
    /,
    name: str,
    all_tags: bool,
    platform: str | None,
    compression: Compression | None,
    quiet: bool,
    **registry: Any,
) -> None:
    """Push an image to the registry in its name.

    Layers that the registry has are not sent.  A name that stands for several platforms
    is pushed with all of them.
    """
    from lamina.cli.progress import reporting
    from lamina.oci.reference import Reference

    reference = Reference.parse(name, default_tag="")
    if reference.digest is not None:
        raise click.UsageError("cannot push a digest reference: name a tag")
    if all_tags and reference.tag:
        raise click.UsageError("tag can't be used with --all-tags/-a")
    with reporting(app, quiet=quiet) as progress:
        if all_tags:
            rows = (row.reference for row in app.engine.store.refs.rows())
            pushed = [row for row in rows if row is not None and row.name == reference.name]
            if not pushed:
                app.engine.store.images.find(name)
        else:
            if not reference.tag:
                progress.note("Using default tag: latest")
            pushed = [reference.with_tag(reference.tag or "latest")]
        for each in pushed:
            app.engine.store.images.find(str(each))
        progress.note(f"The push refers to repository [{reference.name}]")
        from lamina.registry.connect import connect
        from lamina.store.tell import tell_image

        sink = connect(reference, settings(app, **registry), push=True)
        for each in pushed:
            sent = _push(app, sink.at(each), each, platform, compression, progress)
            row = app.engine.store.images.find(str(each)).row
            tell_image(app.engine.store, row, "push", timestamp(), name=each.familiar)
            progress.note(f"{each.tag}: digest: {sent.digest} size: {sent.size}")
            if quiet:
                click.echo(f"{each.name}@{sent.digest}")


def _push(
    app: App,
    sink: Repository,
    reference: Reference,
    platform: str | None,
    compression: Compression | None,
    progress: Progress,
) -> Descriptor:
    from lamina.transfer.push import images_of, push, push_index

    store = app.engine.store
    image = store.images.find(str(reference), platform=platform or "")
    several = None if platform else images_of(store, image.row)
    if several is None:
        return push(
            store,
            image,
            sink,
            tag=reference.tag,
            progress=progress,
            target=reference.name,
            compression=compression,
        )
    return push_index(
        store,
        *several,
        sink,
        tag=reference.tag,
        progress=progress,
        target=reference.name,
        compression=compression,
    )
