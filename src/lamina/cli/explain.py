"""`lamina explain`: where the bytes of an image come from, and who can see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.completion import object_names
from lamina.cli.format import emit, to_json
from lamina.cli.reports import paper

if TYPE_CHECKING:
    from lamina.explain.lookup import Search
    from lamina.explain.stack import Stack
    from lamina.layer.entry import Entry
    from lamina.report.search import Subject
    from lamina.store.contract import Store


@click.command(epilog="Example: lamina explain seed:latest /home/50M.file")
@click.argument("name", metavar="IMAGE|CONTAINER", shell_complete=object_names)
@click.argument("path", metavar="[PATH]", required=False)
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text", help="How to print it."
)
@click.option("--layer", metavar="N", help="Show the files of one layer: 1 is the lowest.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Show at most so many findings or files (JSON has them all).",
)
@click.pass_obj
def command(app: App, name: str, path: str | None, fmt: str, layer: str | None, limit: int) -> None:
    """Say of an image which layer ships what, and which of it nobody can see.

    With PATH: the search for it from the top layer down, what hides it, and what
    it hides.  For a container its own writable layer lies on top.  A container's
    exact name or id wins over an image's name.
    """
    if path is not None and layer is not None:
        raise click.UsageError("give either PATH or --layer")
    from lamina.explain.stack import open_stack

    stack = open_stack(app.engine.store, name)
    if path is not None:
        emit(_path_report(app, stack, path, as_json=fmt == "json"))
    else:
        emit(_image_report(app, stack, layer, limit, as_json=fmt == "json"))


def _image_report(app: App, stack: Stack, layer: str | None, limit: int, *, as_json: bool) -> str:
    from lamina.report import account as reports

    if as_json:
        document = reports.layer_as_json(stack, layer) if layer else reports.as_json(stack)
        return to_json(document, indent=2)
    if layer is not None:
        return reports.layer_as_text(stack, layer, paper(app), limit=limit)
    return reports.as_text(stack, paper(app), limit=limit)


def _path_report(app: App, stack: Stack, path: str, *, as_json: bool) -> str:
    from lamina.explain.lookup import search
    from lamina.report import search as searches

    found = search(stack.listings, path, name=stack.name)
    subject = searches.Subject(stack.name, stack.origins)
    if stack.is_container:
        subject = _container_subject(app.engine.store, stack, found)
    if as_json:
        return to_json(searches.as_json(found, subject), indent=2)
    return searches.as_text(found, subject, paper(app))


def _container_subject(store: Store, stack: Stack, found: Search) -> Subject:
    from lamina.layer.union import Union
    from lamina.report.search import Subject, happened

    image = Union.of(stack.listings[:-1])
    below, content = image.get(found.path), image.content(found.path)
    own = found.steps[0].entry
    same = own is not None and content is not None and _same(stack, own, content.entry)
    written = happened(
        found,
        below.entry if below else None,
        same_content=same,
        when=_clock(own.mtime) if own else "",
    )
    sharers = 0
    if found.found is not None and found.found.layer < len(stack) - 1:
        shared = stack.listings[found.found.layer].diff_id
        sharers = sum(
            each.id != stack.identity and shared in each.layers for each in store.containers
        )
    return Subject(stack.name, stack.origins, written, sharers)


def _same(stack: Stack, own: Entry, below: Entry) -> bool:
    """Whether the container's copy has the image's content."""
    from hashlib import sha256

    from lamina.layer.entry import Kind

    if own.kind is not Kind.FILE or own.size != below.size or not below.sha256:
        return False
    digest = sha256()
    with stack.open(len(stack) - 1, own) as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.digest() == below.sha256


def _clock(mtime: int) -> str:
    from datetime import datetime

    moment = datetime.fromtimestamp(mtime // 10**9).astimezone()
    today = datetime.now().astimezone().date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M:%S}"
