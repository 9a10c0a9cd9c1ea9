"""`lamina tree`: the files of an image as a tree, with the size of every directory."""

from __future__ import annotations

import click

from lamina.cli.app import App
from lamina.cli.format import emit, to_json
from lamina.cli.reports import paper
from lamina.cli.stacks import stack_of
from lamina.cli.view_options import json_option, view_options


@click.command(epilog="Example: lamina tree --depth 1 debian:bookworm /usr")
@view_options
@click.argument("path", metavar="[PATH]", default="/")
@click.option(
    "--depth", type=click.IntRange(min=0), default=2, show_default=True, help="Levels to show."
)
@click.option("-a", "--all", "whole", is_flag=True, help="Show every level.")
@json_option
@click.pass_obj
def command(
    app: App,
    name: str,
    layer: str | None,
    hidden: bool,
    path: str,
    depth: int,
    whole: bool,
    fmt: str,
) -> None:
    """Show the files of an image or container as a tree, with sizes and layers.

    A directory's size is that of all files below it, each content once.
    With --format json one object a line.
    """
    from lamina.explain.view import nodes_at, open_view
    from lamina.report import tree as reports

    stack = stack_of(app, name)
    view = open_view(stack, layer=layer, hidden=hidden)
    real = nodes_at(stack, view, path)[0].path
    levels = None if whole else depth
    if fmt == "json":
        from lamina.explain.owners import Owners

        found = reports.as_json(stack, view, real, Owners.of(stack), depth=levels)
        emit("".join(to_json(row) + "\n" for row in found))
        return
    emit(reports.as_text(stack, view, real, paper(app), depth=levels))
