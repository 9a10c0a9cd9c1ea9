"""`lamina blame`: which instruction last wrote each file of a tree."""

from __future__ import annotations

import click

from lamina.cli.app import App
from lamina.cli.completion import object_names
from lamina.cli.format import emit, to_json
from lamina.cli.reports import paper
from lamina.cli.stacks import stack_of
from lamina.cli.view_options import json_option


@click.command(epilog="Example: lamina blame seed /etc")
@click.argument("name", metavar="IMAGE|CONTAINER", shell_complete=object_names)
@click.argument("path", metavar="[PATH]", default="/")
@click.option("-a", "--all", "every", is_flag=True, help="Every file; nothing is gathered.")
@json_option
@click.pass_obj
def command(app: App, name: str, path: str, every: bool, fmt: str) -> None:
    """Say of each file of an image which instruction last wrote it.

    A directory is one line when all in it is from one layer.  Of a file whose
    content is older than its mode, owner or time both layers are told.  With
    --format json every file is an object on a line.
    """
    from lamina.explain.blame import blame
    from lamina.explain.view import clean
    from lamina.report import blame as reports

    stack = stack_of(app, name)
    blamed = blame(stack, path)
    if fmt == "json":
        emit("".join(to_json(row) + "\n" for row in reports.as_json(stack, blamed)))
        return
    sheet = paper(app)
    head = reports.head(stack, clean(path), blamed, sheet)
    emit(f"{head}\n\n{reports.as_text(stack, blamed, sheet, every=every)}")
