"""`lamina recover`: bring a deleted or overwritten file back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.completion import object_names
from lamina.cli.format import emit, to_json
from lamina.cli.reports import paper
from lamina.cli.stacks import stack_of
from lamina.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.explain.stack import Stack
    from lamina.leaks.recover import Copy


class NotInLayer(NotFound):
    """The layer has no copy of the file."""


class NoTerminal(Invalid):
    """A file is not written to a terminal, or a directory to a stream."""


@click.command(epilog="Example: lamina recover app /root/.ssh/id_rsa -o id_rsa")
@click.argument("name", metavar="IMAGE|CONTAINER", shell_complete=object_names)
@click.argument("path")
@click.option("-o", "--output", metavar="FILE|DIR|-", help="Where to write it; - is the output.")
@click.option("--layer", metavar="N", help="That layer's copy: 1 is the lowest.")
@click.option("--list", "list_", is_flag=True, help="Show all copies and write nothing.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text", help="Of --list."
)
@click.pass_obj
def command(
    app: App,
    name: str,
    path: str,
    output: str | None,
    layer: str | None,
    list_: bool,
    force: bool,
    fmt: str,
) -> None:
    """Bring a file back that a layer of an image still has, though a later one
    deleted or overwrote it.

    The newest hidden copy is taken, or that of --layer.  Of a directory, all that is
    hidden below it is written into DIR.
    """
    if output is None and not list_:
        raise click.UsageError("say where to write it with -o FILE, or look with --list")
    from lamina.leaks import recover

    stack = stack_of(app, name)
    at = recover.clean_path(stack, path)
    place = stack.place(layer) if layer is not None else None
    is_tree = recover.is_directory(stack, at)
    copies: Sequence[Copy]
    if is_tree:
        copies = recover.hidden_below(stack, at, place)
    else:
        copies = _of_layer(stack, recover.copies(stack, at), place)
    if output is None:
        _show(app, stack, at, copies, fmt)
    elif is_tree:
        _write_tree(app, stack, at, copies, output, force=force)
    else:
        _write_file(app, stack, recover.newest_hidden(copies), output, force=force)


def _of_layer(stack: Stack, copies: Sequence[Copy], place: int | None) -> Sequence[Copy]:
    if place is None:
        return copies
    found = [copy for copy in copies if copy.layer == place]
    if not found:
        labels = ", ".join(dict.fromkeys(stack.label(copy.layer) for copy in copies))
        raise NotInLayer(
            f"layer {stack.label(place)} of {stack.name} has no /{copies[0].path}",
            hint=f"it is in layer {labels}",
        )
    return found


def _show(app: App, stack: Stack, path: str, copies: Sequence[Copy], fmt: str) -> None:
    from lamina.report.recover import list_as_json, list_as_text

    if fmt == "json":
        emit(to_json(list_as_json(stack, path, copies), indent=2))
    else:
        emit(list_as_text(stack, path, copies, paper(app)))


def _write_file(app: App, stack: Stack, copy: Copy, output: str, *, force: bool) -> None:
    from lamina.leaks.restore import restore_file, restore_to
    from lamina.report.recover import recovered

    if output != "-":
        restore_file(stack, copy, Path(output), force=force)
        emit(recovered(stack, copy, paper(app)))
        return
    if sys.stdout.isatty():
        raise NoTerminal("what an image wrote is not shown on a terminal", hint="give -o FILE")
    restore_to(stack, copy, sys.stdout.buffer)
    print(recovered(stack, copy, paper(app)), file=sys.stderr)


def _write_tree(
    app: App, stack: Stack, path: str, copies: Sequence[Copy], output: str, *, force: bool
) -> None:
    from lamina.leaks.restore import restore_tree
    from lamina.report.recover import recovered_tree

    if output == "-":
        raise NoTerminal(f"/{path} is a directory", hint="give -o DIR")
    size = restore_tree(stack, copies, path, Path(output), force=force)
    emit(recovered_tree(stack, path, copies, size, paper(app)))
