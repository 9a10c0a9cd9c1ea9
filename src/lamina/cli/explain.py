"""`lamina explain`: where the bytes of an image come from, and who can see them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.completion import object_names
from lamina.cli.format import emit, to_json

if TYPE_CHECKING:
    from lamina.explain.cause import Base, Origin
    from lamina.explain.lookup import Search
    from lamina.explain.paper import Paper
    from lamina.explain.search_report import Subject
    from lamina.layer.contract import Listing
    from lamina.layer.entry import Entry
    from lamina.oci.digest import Digest
    from lamina.store.contract import ContainerRecord, Image, Store

_PIPE_WIDTH = 120


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
    from lamina.cli.named import find_object
    from lamina.store.contract import ContainerRecord

    store = app.engine.store
    found = find_object(store, name)
    if isinstance(found, ContainerRecord):
        stack = _Stack(store, _image_of(store, found), found, name)
    else:
        stack = _Stack(store, found, None, name)
    if path is not None:
        emit(_path_report(app, stack, path, as_json=fmt == "json"))
    else:
        emit(_image_report(app, stack, layer, limit, as_json=fmt == "json"))


class _Stack:
    """The layers of an image or a container, with their origins."""

    def __init__(
        self, store: Store, image: Image | None, record: ContainerRecord | None, text: str
    ) -> None:
        self.store = store
        self.record = record
        self.image = image
        self.layers: Sequence[Digest] = record.layers if record else image.layers if image else ()
        self.name = record.name if record else _familiar(image, text)

    @property
    def identity(self) -> str:
        if self.record is not None:
            return self.record.id
        return str(self.image.config.digest) if self.image else ""

    def listings(self) -> list[Listing]:
        from lamina.explain.inspection import own_layer

        found = [self.store.layers.hashed(diff_id) for diff_id in self.layers]
        return [*found, own_layer(self.store, self.record)] if self.record else found

    def origins(self) -> list[Origin]:
        from lamina.explain.cause import Origin, origins

        found = origins(self.image.config) if self.image else []
        if len(found) != len(self.layers):
            found = [Origin(str(number), "") for number in range(1, len(self.layers) + 1)]
        if self.record is not None:
            found.append(Origin("rw", " ".join(self.record.command)))
        return found


def _familiar(image: Image | None, text: str) -> str:
    reference = image.row.reference if image else None
    return reference.familiar if reference is not None else text


def _image_of(store: Store, record: ContainerRecord) -> Image | None:
    """The image that a container was made from; its names may be gone."""
    from lamina.errors import EngineError

    try:
        return store.images.find(record.image_id.hex)
    except EngineError:
        return None


def _image_report(app: App, stack: _Stack, layer: str | None, limit: int, *, as_json: bool) -> str:
    from lamina.explain import report as reports
    from lamina.explain.waste import account

    report = reports.Report(
        stack.name, stack.identity, stack.origins(), account(stack.listings()), _base(stack)
    )
    if as_json:
        document = reports.layer_as_json(report, layer) if layer else reports.as_json(report)
        return to_json(document, indent=2)
    if layer is not None:
        return reports.layer_as_text(report, layer, _paper(app), limit=limit)
    return reports.as_text(report, _paper(app), limit=limit)


def _base(stack: _Stack) -> Base | None:
    from lamina.explain.cause import base_of
    from lamina.oci.digest import Digest

    # A container stands on its whole image: its own layer makes it one layer more.
    own = [Digest.of(stack.identity.encode())] if stack.record else []
    return base_of([*stack.layers, *own], _named_layers(stack.store))


def _named_layers(store: Store) -> Iterator[tuple[str, Sequence[Digest]]]:
    from lamina.errors import EngineError

    for row in store.refs.rows():
        if row.reference is None:
            continue
        try:
            layers = store.images.open(row).layers
        except EngineError:
            # What this image stands on can be told without the damaged one.
            continue
        yield row.reference.familiar, layers


def _path_report(app: App, stack: _Stack, path: str, *, as_json: bool) -> str:
    from lamina.explain import search_report
    from lamina.explain.lookup import search

    listings = stack.listings()
    found = search(listings, path, name=stack.name)
    subject = search_report.Subject(stack.name, stack.origins())
    if stack.record is not None:
        subject = _container_subject(stack, stack.record, listings, found)
    if as_json:
        return to_json(search_report.as_json(found, subject), indent=2)
    return search_report.as_text(found, subject, _paper(app))


def _container_subject(
    stack: _Stack, record: ContainerRecord, listings: Sequence[Listing], found: Search
) -> Subject:
    from lamina.explain.search_report import Subject, happened
    from lamina.layer.union import Union

    image = Union.of(listings[:-1])
    below, content = image.get(found.path), image.content(found.path)
    own = found.steps[0].entry
    same = own is not None and content is not None and _same(stack, record, own, content.entry)
    written = happened(
        found,
        below.entry if below else None,
        same_content=same,
        when=_clock(own.mtime) if own else "",
    )
    sharers = 0
    if found.found is not None and found.found.layer < len(record.layers):
        shared = record.layers[found.found.layer]
        sharers = sum(
            each.id != record.id and shared in each.layers for each in stack.store.containers
        )
    return Subject(stack.name, stack.origins(), written, sharers)


def _same(stack: _Stack, record: ContainerRecord, own: Entry, below: Entry) -> bool:
    """Whether the container's copy has the image's content."""
    import hashlib
    import os

    from lamina.layer.entry import Kind, os_path

    if own.kind is not Kind.FILE or own.size != below.size or not below.sha256:
        return False
    upper = stack.store.containers.directory(record.id) / "upper"
    fd = os.open(os.fsencode(upper) + b"/" + os_path(own.path), os.O_RDONLY | os.O_NOFOLLOW)
    with open(fd, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest() == below.sha256


def _clock(mtime: int) -> str:
    from datetime import datetime

    moment = datetime.fromtimestamp(mtime // 10**9).astimezone()
    today = datetime.now().astimezone().date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M:%S}"


def _paper(app: App) -> Paper:
    from lamina.explain.paper import Paper

    width = shutil.get_terminal_size((_PIPE_WIDTH, 24)).columns
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Paper(
        width if sys.stdout.isatty() else _PIPE_WIDTH, app.colored, encoding.startswith("utf")
    )
