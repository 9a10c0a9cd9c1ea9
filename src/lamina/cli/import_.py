"""`lamina import`: an image from the tar of a root file system."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

import click

from lamina.cli.app import App, timestamp
from lamina.cli.layer_form import layer_form_option
from lamina.cli.named import host_platform
from lamina.errors import Unsupported

if TYPE_CHECKING:
    from lamina.store.contract import Image


class NoUrls(Unsupported):
    """`import` reads files and pipes, not URLs."""


@click.command(epilog="Example: lamina import -c 'CMD [\"bash\"]' rootfs.tar.zst debian:mine")
@click.argument("source", metavar="FILE|-")
@click.argument("name", metavar="[NAME[:TAG]]", required=False)
@click.option(
    "-c",
    "--change",
    "changes",
    multiple=True,
    metavar="INSTRUCTION",
    help="Apply CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR… Repeatable.",
)
@click.option("-m", "--message", help="What the history says of it.")
@click.option("--platform", metavar="OS/ARCH", help="What the image runs on (default: this host).")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@layer_form_option
@click.pass_obj
def command(
    app: App,
    source: str,
    name: str | None,
    changes: tuple[str, ...],
    message: str | None,
    platform: str | None,
    quiet: bool,
) -> None:
    """Make an image of one layer from a tar, and print its id.

    The tar may be plain or compressed by gzip, zstd, xz or bzip2; - reads standard input.
    """
    from lamina.store.tell import tell_image

    if source.startswith(("http://", "https://")):
        raise NoUrls(
            f"import reads no URLs: {source}", hint=f"curl -L {source} | lamina import - NAME"
        )
    if source == "-":
        image = _import(app, sys.stdin.buffer, source, name, changes, message, platform, quiet)
    else:
        with open(source, "rb", buffering=0) as file:
            image = _import(app, file, source, name, changes, message, platform, quiet)
    tell_image(app.engine.store, image.row, "import", timestamp())
    click.echo(str(image.config.digest))


def _import(
    app: App,
    file: BinaryIO,
    source: str,
    name: str | None,
    changes: tuple[str, ...],
    message: str | None,
    platform: str | None,
    quiet: bool,
) -> Image:
    from lamina.cli.progress import reporting
    from lamina.oci.config import Execution
    from lamina.oci.reference import Reference
    from lamina.transfer.changes import apply_changes
    from lamina.transfer.pieces import read_pieces
    from lamina.transfer.rootfs import import_rootfs

    reference = Reference.parse(name) if name else None
    execution = apply_changes(Execution(), changes)
    with reporting(app, quiet=quiet or not sys.stderr.isatty(), error=True) as progress:
        return import_rootfs(
            read_pieces(file),
            app.engine.store,
            reference,
            what="standard input" if source == "-" else source,
            platform=host_platform(platform),
            created=timestamp(),
            execution=execution,
            message=f"Imported from {source}" if message is None else message,
            progress=progress,
        )
