"""`lamina diff`: what a container changed, or how two images differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.completion import object_names
from lamina.cli.stacks import stack_of
from lamina.cli.view_options import json_option
from lamina.errors import EngineError

if TYPE_CHECKING:
    from lamina.store.contract import Store

_DIFFERENT = 3
"""With --exit-code; 1 is for what failed."""


@click.command(epilog="Example: lamina diff debian:bookworm my/image   (or: lamina diff web)")
@click.argument("old", metavar="CONTAINER|OLD", shell_complete=object_names)
@click.argument("new", metavar="[NEW]", required=False, shell_complete=object_names)
@json_option
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Show at most so many files and packages (JSON has them all).",
)
@click.option("--mtime", is_flag=True, help="Compare times of last change, too.")
@click.option("--exit-code", is_flag=True, help="Exit with 3 when they differ, 0 when not.")
@click.pass_context
def command(
    ctx: click.Context,
    old: str,
    new: str | None,
    fmt: str,
    limit: int,
    mtime: bool,
    exit_code: bool,
) -> int:
    """Show what a container added (A), changed (C) and deleted (D) in its image's files.

    With two names of images or containers: how NEW differs from OLD in files (type,
    content, mode, owner, attributes, links), packages, settings and layers.
    """
    app = ctx.find_object(App)
    assert app is not None
    if new is None:
        _refuse_options_of_two(ctx)
        return _container(app, old)
    return _two(app, old, new, fmt, limit, mtime=mtime, exit_code=exit_code)


def _refuse_options_of_two(ctx: click.Context) -> None:
    from click.core import ParameterSource

    for parameter in ctx.command.params:
        given = ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if given and isinstance(parameter, click.Option):
            raise click.UsageError(f"{parameter.opts[0]} is for two names: lamina diff OLD NEW")


def _container(app: App, name: str) -> int:
    from lamina.cli.format import emit, escape
    from lamina.run.changes import container_changes
    from lamina.store.errors import ContainerNotFound

    store = app.engine.store
    try:
        record = store.containers.find(name)
    except ContainerNotFound:
        if _is_image(store, name):
            message = f"{name} is an image: name the one to compare it with as well"
            raise click.UsageError(message) from None
        raise
    emit("".join(f"{kind} {escape(path)}\n" for kind, path in container_changes(store, record)))
    return 0


def _is_image(store: Store, name: str) -> bool:
    try:
        store.images.find(name)
    except EngineError:
        return False
    return True


def _two(
    app: App, old: str, new: str, fmt: str, limit: int, *, mtime: bool, exit_code: bool
) -> int:
    from lamina.cli.format import emit, to_json
    from lamina.cli.reports import paper
    from lamina.explain.compare import compare
    from lamina.report import compare as reports

    before, after = (stack_of(app, name) for name in (old, new))
    found = compare(before, after, mtime=mtime)
    pair = reports.Pair(before, after, found)
    if fmt == "json":
        from lamina.report.compare_json import as_json

        emit(to_json(as_json(pair), indent=2))
    else:
        emit(reports.as_text(pair, paper(app), limit=limit))
    return _DIFFERENT if exit_code and not found.is_empty else 0
