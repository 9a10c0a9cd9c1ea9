"""`lamina find`: files of an image by name, type, size and permissions, also hidden ones."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.format import emit, escape, to_json
from lamina.cli.reports import paper
from lamina.cli.stacks import stack_of
from lamina.cli.view_options import json_option, view_options

if TYPE_CHECKING:
    from lamina.explain.view import Node


@click.command(epilog="Example: lamina find seed --hidden --size +10M")
@view_options
@click.argument("path", metavar="[PATH]", default="/")
@click.option("--name", "names", multiple=True, metavar="GLOB", help="Its name: '*.so'.")
@click.option("--path", "paths", multiple=True, metavar="GLOB", help="Its whole path: '/usr/*.h'.")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(["f", "d", "l", "c", "b", "p", "w"]),
    help="File, directory, link, character or block device, pipe; w: a whiteout (with --layer).",
)
@click.option("--size", metavar="[+-]N[kMG]", help="A file's size: +10M is more than 10 MiB.")
@click.option("--perm", metavar="[-/]MODE", help="Its mode: /6000 is setuid or setgid.")
@click.option("-l", "--long", "long_", is_flag=True, help="With mode, owner, size, time and layer.")
@click.option("-0", "--print0", is_flag=True, help="End each path with a zero byte.")
@json_option
@click.pass_obj
def command(
    app: App,
    name: str,
    layer: str | None,
    hidden: bool,
    path: str,
    names: tuple[str, ...],
    paths: tuple[str, ...],
    types: tuple[str, ...],
    size: str | None,
    perm: str | None,
    long_: bool,
    print0: bool,
    fmt: str,
) -> None:
    """Print the path of everything at and below PATH that passes all tests.

    Of several --name, --path or --type one is enough.  Sizes in k, M and G are
    powers of 1024 as in find, in kB, MB and GB those of 1000.  In a pipe paths are
    the image's own bytes; with --format json one object a line.
    """
    if long_ + print0 + (fmt == "json") > 1:
        raise click.UsageError("give one of --long, --print0 and --format json")
    from lamina.explain.match import Matcher, Permissions, Size, select
    from lamina.explain.view import nodes_at, open_view

    matcher = Matcher(
        names=names,
        paths=paths,
        types=types,
        size=Size.parse(size) if size else None,
        permissions=Permissions.parse(perm) if perm else None,
    )
    stack = stack_of(app, name)
    view = open_view(stack, layer=layer, hidden=hidden)
    top = nodes_at(stack, view, path)
    found = select(chain(top, view.walk(top[0].path)), matcher, hidden=hidden)
    if not long_ and fmt != "json":
        _print_paths(found, end="\0" if print0 else "\n")
        return
    from lamina.explain.owners import Owners
    from lamina.report import directory as reports

    owners = Owners.of(stack)
    if fmt == "json":
        emit("".join(to_json(row) + "\n" for row in reports.as_json(stack, found, owners)))
    else:
        emit(reports.as_text(stack, list(found), owners, paper(app), whole_paths=True))


def _print_paths(nodes: Iterable[Node], *, end: str) -> None:
    from lamina.layer.entry import os_path

    # A file hidden in several layers is one path.
    paths = dict.fromkeys(f"/{node.path}" for node in nodes)
    if sys.stdout.isatty() and end == "\n":
        emit("".join(f"{escape(path)}\n" for path in paths))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(os_path("".join(path + end for path in paths)))
