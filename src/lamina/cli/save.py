"""`lamina save`: images from the store to an archive or a layout directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from lamina.cli.app import App

if TYPE_CHECKING:
    from lamina.oci.reference import Reference
    from lamina.store.contract import Image, Store
    from lamina.transfer.save import Format

    Chosen = list[tuple[Image, Sequence[Reference]]]


@click.command(epilog="Example: lamina save -o debian.tar debian:bookworm")
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write to this file (oci-dir: directory) instead of standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["docker-archive", "oci-archive", "oci-dir"]),
    default="docker-archive",
    show_default=True,
    help="docker-archive holds an OCI layout too, with uncompressed layers.",
)
@click.option("--platform", metavar="OS/ARCH", help="Save the image for this platform.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@click.pass_obj
def command(
    app: App,
    names: tuple[str, ...],
    output: Path | None,
    form: str,
    platform: str | None,
    quiet: bool,
) -> None:
    """Save images to an archive that docker, podman, skopeo and `lamina load` read.

    A name without a tag saves every tag of the repository.
    """
    from lamina.cli.progress import reporting
    from lamina.transfer.files import DirectoryFiles, TarFiles
    from lamina.transfer.save import save

    if output is None and form == "oci-dir":
        raise click.UsageError("--format oci-dir needs -o DIRECTORY")
    if output is None and sys.stdout.isatty():
        raise click.UsageError("cowardly refusing to save to a terminal: use -o or redirect")
    store = app.engine.store
    chosen = choose(store, names, platform or "")
    with reporting(app, quiet=quiet or not sys.stderr.isatty(), error=True) as progress:
        if form == "oci-dir":
            assert output is not None
            files = DirectoryFiles(output)
            save(store, chosen, files, form="oci-dir", progress=progress)
            return
        with opened_output(output) as stream:
            tar = TarFiles(stream, str(output or "standard output"))
            save(store, chosen, tar, form=cast("Format", form), progress=progress)


@contextmanager
def opened_output(path: Path | None, *, private: bool = True) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears at `path` when the block ends well: for its
    owner alone, or as the umask has it."""
    from lamina.transfer.files import create

    if path is None:
        yield sys.stdout.buffer
        return
    if path.exists() and not path.is_file():  # a pipe or a device has no name to replace
        with path.open("wb") as stream:
            yield stream
        return
    fd, temporary = create(path.parent, f".{path.name}-", 0o600 if private else 0o666)
    try:
        with os.fdopen(fd, "wb") as stream:
            yield stream
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def choose(store: Store, names: Sequence[str], platform: str) -> Chosen:
    """The images that `names` stand for, each once, with the names that were meant."""
    found: dict[str, tuple[Image, list[Reference]]] = {}
    for text in names:
        tags = _tags_of(store, text)
        for name in map(str, tags) if tags else (text,):
            image = store.images.find(name, platform=platform)
            _, kept = found.setdefault(str(image.config.digest), (image, []))
            reference = _named_by(name, image)
            if reference is not None and reference not in kept:
                kept.append(reference)
    return list(found.values())


def _tags_of(store: Store, text: str) -> list[Reference]:
    """Every tag of a repository, if `text` is the name of one, without tag or digest."""
    from lamina.oci.reference import BadReference, Reference

    try:
        bare = Reference.parse(text, default_tag="")
    except BadReference:
        return []
    if bare.tag or bare.digest:
        return []
    rows = (row.reference for row in store.refs.rows())
    return [each for each in rows if each is not None and each.name == bare.name]


def _named_by(text: str, image: Image) -> Reference | None:
    """The image's name, if `text` is a name and not an id."""
    from lamina.oci.reference import BadReference, Reference

    try:
        asked = Reference.parse(text)
    except BadReference:
        return None
    return image.row.reference if image.row.reference == asked else None
