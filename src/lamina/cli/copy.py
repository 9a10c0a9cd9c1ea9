"""`lamina copy`: an image between registries, layouts and archives, without the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App
from lamina.cli.named import host_platform
from lamina.cli.places import BadPlace, Place, opened_source
from lamina.cli.registry_options import credential_option, registry_options, settings
from lamina.cli.save import opened_output

if TYPE_CHECKING:
    from lamina.registry.contract import Sink
    from lamina.registry.settings import Settings
    from lamina.transfer.layout import Files


@click.command(
    epilog="Example: lamina copy --all docker://debian:bookworm oci-archive:debian.tar:bookworm"
)
@click.argument("source")
@click.argument("dest")
@click.option("-a", "--all", "everything", is_flag=True, help="Copy every platform of an index.")
@click.option("--platform", metavar="OS/ARCH", help="Copy the image for this platform.")
@click.option("-q", "--quiet", is_flag=True, help="Print the digest alone.")
@registry_options
@credential_option
@click.pass_obj
def command(
    app: App,
    /,
    source: str,
    dest: str,
    everything: bool,
    platform: str | None,
    quiet: bool,
    **registry: Any,
) -> None:
    """Copy an image byte for byte: every digest stays what it is.

    SOURCE and DEST are docker://NAME, oci:DIR[:NAME], oci-archive:FILE[:NAME] or
    docker-archive:FILE[:NAME].
    """
    from lamina.cli.progress import reporting
    from lamina.transfer.copy import copy

    if everything and platform:
        raise click.UsageError("--all and --platform exclude each other")
    from_, to = Place.parse(source), Place.parse(dest)
    if everything and to.transport == "docker-archive":
        raise click.UsageError("a docker-archive holds no index: use oci-archive for --all")
    options = settings(app, **registry)
    with (
        reporting(app, quiet=quiet) as progress,
        opened_source(from_, lambda: options) as reading,
        _opened_sink(to, options) as (writing, tag),
    ):
        copied = copy(
            reading,
            writing,
            tag=tag,
            platform=None if everything else host_platform(platform),
            progress=progress,
            what=source,
            origin=_neighbour(from_, to),
            at_once=1 if to.transport.endswith("archive") else 3,
        )
    click.echo(copied.digest if quiet else f"Copied {copied.digest}")


def _neighbour(source: Place, dest: Place) -> str:
    """The source's repository, if it is in the registry of the destination."""
    if source.transport != "docker" or dest.transport != "docker":
        return ""
    origin, target = source.reference(), dest.reference()
    return origin.repository if origin.registry == target.registry else ""


@contextmanager
def _opened_sink(place: Place, options: Settings) -> Iterator[tuple[Sink, str]]:
    """Where to copy to, and the tag; a layout or archive is complete when the block ends well."""
    if place.transport == "docker":
        from lamina.registry.connect import connect

        reference = place.reference()
        if reference.digest is not None:
            raise BadPlace(f"cannot copy to a digest: {place.name}", hint="name a tag")
        yield connect(reference, options, push=True), reference.tag
        return
    from lamina.transfer.archive import write_docker_files
    from lamina.transfer.files import DirectoryFiles, TarFiles
    from lamina.transfer.layout import LayoutSink

    is_full = place.transport == "docker-archive" or "/" in place.name or ":" in place.name
    names = [place.reference()] if place.name and is_full else []
    with ExitStack() as stack:
        files: Files
        if place.transport == "oci":
            files = DirectoryFiles(place.path)
        else:
            stream = stack.enter_context(opened_output(place.path))
            files = TarFiles(stream, str(place.path))
        sink = LayoutSink(files, names, attaches=place.transport != "docker-archive")
        yield sink, place.name
        if place.transport == "docker-archive":
            write_docker_files(files, [(sink.top_manifest(), names)])
        files.finish(sink.entries)
