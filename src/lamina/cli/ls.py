"""`lamina ls`: a directory of an image, read from its layers."""

from __future__ import annotations

import click

from lamina.cli.app import App
from lamina.cli.format import emit, to_json
from lamina.cli.reports import paper
from lamina.cli.stacks import stack_of
from lamina.cli.view_options import json_option, view_options


@click.command(epilog="Example: lamina ls debian:bookworm /etc")
@view_options
@click.argument("path", metavar="[PATH]", default="/")
@json_option
@click.pass_obj
def command(app: App, name: str, layer: str | None, hidden: bool, path: str, fmt: str) -> None:
    """List a directory of an image or container, each entry with the layer it comes from.

    Nothing is mounted.  Names of owners are those that the image has for them.
    With --format json one object a line.
    """
    from lamina.explain.owners import Owners
    from lamina.explain.view import contents, open_view
    from lamina.report import directory as reports

    stack = stack_of(app, name)
    view = open_view(stack, layer=layer, hidden=hidden)
    found, owners = contents(stack, view, path), Owners.of(stack)
    if fmt == "json":
        emit("".join(to_json(row) + "\n" for row in reports.as_json(stack, found, owners)))
        return
    shown = view if hidden else None
    emit(reports.as_text(stack, found, owners, paper(app), whole_paths=False, view=shown))
