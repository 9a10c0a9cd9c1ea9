"""`lamina export`: a container's file system as a tar."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from lamina.cli.app import App
from lamina.errors import Invalid


class TarOnTerminal(Invalid):
    """A tar is not for a terminal."""


@click.command(epilog="Example: lamina export busy_noether | tar t")
@click.argument("container")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to a file.")
@click.pass_obj
def command(app: App, container: str, output: Path | None) -> None:
    """Write a container's file system as one tar: its image and its changes, no volumes."""
    from lamina.run.tarcopy import tree_tar
    from lamina.run.view import frozen_root_of

    store = app.containers
    record = store.containers.find(container)
    if output is None and sys.stdout.isatty():
        raise TarOnTerminal("a tar is not written to a terminal", hint="use -o FILE or a pipe")
    with frozen_root_of(store, record) as root:
        pieces = tree_tar(root, ".", "")
        if output is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return
        if output.exists() and not output.is_file():  # /dev/null, a pipe with a name
            with open(output, "wb") as stream:
                stream.writelines(pieces)
            return
        temporary = output.with_name(f".{output.name}.{os.getpid()}")
        try:
            with open(temporary, "xb") as stream:
                stream.writelines(pieces)
            temporary.replace(output)
        finally:
            temporary.unlink(missing_ok=True)
