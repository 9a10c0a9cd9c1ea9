"""`lamina pull`: an image from a registry into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App, timestamp
from lamina.cli.layer_form import layer_form_option
from lamina.cli.named import host_platform
from lamina.cli.registry_options import (
    credential_option,
    mirror_option,
    registry_options,
    settings,
)

if TYPE_CHECKING:
    from lamina.oci.platform import Platform
    from lamina.oci.reference import Reference
    from lamina.registry.client import Repository
    from lamina.transfer.progress import Progress


@click.command(epilog="Example: lamina pull debian:bookworm")
@click.argument("name")
@click.option("-a", "--all-tags", is_flag=True, help="Pull every tag of the repository.")
@click.option("--platform", metavar="OS/ARCH", help="Pull the image for this platform.")
@click.option("--all-platforms", is_flag=True, help="Pull every platform, and keep the index.")
@click.option("-q", "--quiet", is_flag=True, help="Print the name alone.")
@registry_options
@credential_option
@mirror_option
@layer_form_option
@click.pass_obj
def command(
    app: App,
    /,
    name: str,
    all_tags: bool,
    platform: str | None,
    all_platforms: bool,
    quiet: bool,
    **registry: Any,
) -> None:
    """Pull an image from a registry.

    Layers that are here already are not fetched.  NAME may end in a tag or a digest;
    without either the tag is `latest`.
    """
    from lamina.cli.progress import reporting
    from lamina.oci.artifact import is_fallback_tag
    from lamina.oci.reference import Reference
    from lamina.registry.connect import connect

    if platform and all_platforms:
        raise click.UsageError("--platform and --all-platforms exclude each other")
    reference = Reference.parse(name, default_tag="")
    if all_tags and (reference.tag or reference.digest):
        raise click.UsageError("tag can't be used with --all-tags/-a")
    wanted = host_platform(platform)
    repository = connect(reference, settings(app, **registry))
    with reporting(app, quiet=quiet) as progress:
        if all_tags:
            tags = [each for each in repository.tags() if not is_fallback_tag(each)]
            pulled = [reference.with_tag(tag) for tag in tags]
        elif reference.tag or reference.digest:
            pulled = [reference]
        else:
            progress.note("Using default tag: latest")
            pulled = [reference.with_tag("latest")]
        for each in pulled:
            _pull(app, repository.at(each), each, wanted, all_platforms, progress)
    for each in pulled:
        click.echo(str(each))


def _pull(
    app: App,
    source: Repository,
    reference: Reference,
    platform: Platform,
    all_platforms: bool,
    progress: Progress,
) -> None:
    from lamina.store.tell import tell_image
    from lamina.transfer.pull import pull

    which = reference.tag if reference.digest is None else str(reference.digest)
    progress.note(f"{which}: Pulling from {reference.repository}")
    store = app.engine.store
    before = store.refs.get(reference)
    image = pull(
        source,
        store,
        reference,
        platform=platform,
        progress=progress,
        all_platforms=all_platforms,
    )
    tell_image(store, image.row, "pull", timestamp(), name=reference.familiar)
    same = before is not None and before.descriptor.digest == image.row.descriptor.digest
    status = "Image is up to date for" if same else "Downloaded newer image for"
    progress.note(f"Status: {status} {reference.familiar}")
