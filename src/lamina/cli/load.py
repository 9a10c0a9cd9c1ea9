"""`lamina load`: images from an archive or layout into the store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App, timestamp
from lamina.cli.layer_form import layer_form_option
from lamina.cli.named import host_platform

if TYPE_CHECKING:
    from lamina.transfer.members import Members


@click.command(epilog="Example: lamina load -i debian.tar")
@click.option(
    "-i",
    "--input",
    "source",
    type=click.Path(path_type=Path),
    help="Read this file, or OCI layout directory, instead of standard input.",
)
@click.option("--platform", metavar="OS/ARCH", help="Load the image for this platform.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@layer_form_option
@click.pass_obj
def command(app: App, source: Path | None, platform: str | None, quiet: bool) -> None:
    """Load images that docker, podman, skopeo or `lamina save` wrote.

    Docker and OCI archives, plain or compressed, and OCI layout directories; the format
    is found out.
    """
    from lamina.cli.progress import reporting
    from lamina.store.tell import tell_image
    from lamina.transfer.load import load

    if source is None and sys.stdin.isatty():
        raise click.UsageError("nothing to load: name a file with -i, or pipe one in")
    with (
        opened_members(source) as members,
        reporting(app, quiet=quiet or not sys.stderr.isatty(), error=True) as progress,
    ):
        loaded = load(
            members, app.engine.store, platform=host_platform(platform), progress=progress
        )
    for each in loaded:
        tell_image(app.engine.store, each.image.row, "load", timestamp())
        for name in each.names:
            click.echo(f"Loaded image: {name.familiar}")
        if not each.names:
            click.echo(f"Loaded image ID: {each.image.config.digest}")


@contextmanager
def opened_members(source: Path | None) -> Iterator[Members]:
    """The members of a file, a directory, or of standard input."""
    from lamina.transfer.archive import open_archive, open_path

    if source is None:
        opened = open_archive(sys.stdin.buffer, "standard input")
    else:
        opened = open_path(source)
    with opened as members:
        yield members
