"""`lamina history`: the layers of an image, what made them and how large they truly are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.completion import image_names
from lamina.cli.format import ago, emit, format_option, render, short_id, size
from lamina.text import clip

if TYPE_CHECKING:
    from lamina.oci.config import History
    from lamina.store.contract import Image, Store

MISSING = "<missing>"
"""In Docker's words: a line that is no image of its own here."""
_COLUMNS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
_WIDEST = 45


class _History(click.Command):
    """Takes `--human=false` as Docker's command does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spelt = {"--human=false": "--no-human", "--human=true": "--human"}
        return super().parse_args(ctx, [spelt.get(arg, arg) for arg in args])


@click.command(cls=_History, epilog="Example: lamina history --no-trunc seed:latest")
@click.argument("image", metavar="IMAGE", shell_complete=image_names)
@click.option(
    "-H/", "--human/--no-human", default=True, help="Sizes and times for people (the default)."
)
@click.option("--no-trunc", is_flag=True, help="Do not shorten ids and instructions.")
@click.option("-q", "--quiet", is_flag=True, help="Print only ids.")
@format_option
@click.pass_obj
def command(app: App, image: str, human: bool, no_trunc: bool, quiet: bool, fmt: str) -> None:
    """Show the history of an image, the newest line first.

    SIZE is what the line's layer adds: the bytes of the files in it.
    """
    store = app.engine.store
    found = store.images.find(image)
    now = datetime.now(UTC)
    rows = [
        _row(line, layer_size, image_id, now, human=human, no_trunc=no_trunc)
        for line, layer_size, image_id in _lines(store, found)
    ]
    if quiet:
        emit("\n".join(str(row["ID"]) for row in rows))
        return
    columns = dict(_COLUMNS)
    if not human:
        columns = {"ID": "", "CreatedAt": "CREATED AT"} | columns
        del columns["CreatedSince"]
    emit(render(rows, fmt, columns, headers={"CreatedAt": "CREATED AT"}))


def _lines(store: Store, image: Image) -> Sequence[tuple[History, int, str]]:
    """Each line with the bytes of its layer and the id to show, the newest first."""
    layers = iter(image.layers)
    lines = image.config.history or image.config.causes
    sizes = [
        0 if line.empty_layer else store.layers.info(next(layers)).content_size for line in lines
    ]
    ids = [MISSING] * (len(lines) - 1) + [str(image.config.digest)]
    return list(zip(lines, sizes, ids, strict=True))[::-1] if lines else []


def _row(
    line: History, layer_size: int, image_id: str, now: datetime, *, human: bool, no_trunc: bool
) -> dict[str, object]:
    created_by = line.created_by.replace("\t", " ")
    return {
        "ID": image_id if no_trunc or image_id == MISSING else short_id(image_id),
        "CreatedSince": ago(line.created or "", now),
        "CreatedAt": line.created or "",
        "CreatedBy": created_by if no_trunc else clip(created_by, _WIDEST),
        "Size": size(layer_size) if human else str(layer_size),
        "Comment": line.comment,
    }
