"""`lamina convert`: keep the layers of images in another form."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.completion import image_names
from lamina.cli.format import emit, size
from lamina.cli.layer_form import FORMS

if TYPE_CHECKING:
    from lamina.layer.contract import Form
    from lamina.oci.digest import Digest
    from lamina.store.contract import Store


@click.command(epilog="Example: lamina convert --layer-form tree debian:bookworm")
@click.argument("images", metavar="[IMAGE]...", nargs=-1, shell_complete=image_names)
@click.option(
    "--layer-form",
    "form",
    type=FORMS,
    required=True,
    help="image: a tar under EROFS, mounted once for all containers; tree: a directory.",
)
@click.option("-a", "--all", "all_", is_flag=True, help="Every layer of the store.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.pass_obj
def command(app: App, images: tuple[str, ...], form: Form, all_: bool, quiet: bool) -> None:
    """Keep the layers of images in another form, in place.

    What is in the layers, and every digest, stays as it is.  A layer that a running
    container or another command uses is left alone.
    """
    if bool(images) == all_:
        raise click.UsageError("name images, or give --all")
    from lamina.store.convert import convert

    store = app.engine.store
    chosen = list(store.layers) if all_ else _layers_of(store, images)
    before = sum(map(store.layers.disk_usage, chosen))
    on_terminal = sys.stderr.isatty() and not quiet
    changed = convert(store, chosen, form, begin=_begin if on_terminal else lambda _: None)
    if on_terminal:
        sys.stderr.write("\r\x1b[K")
    if not quiet:
        after = sum(map(store.layers.disk_usage, chosen))
        emit(_told(len(chosen), len(changed), form, before, after))


def _layers_of(store: Store, images: Sequence[str]) -> list[Digest]:
    found = [store.images.find(text) for text in images]
    return list(dict.fromkeys(diff_id for image in found for diff_id in image.layers))


def _begin(diff_id: Digest) -> None:
    sys.stderr.write(f"\r\x1b[Kconverting layer {diff_id.short}")
    sys.stderr.flush()


def _told(count: int, changed: int, form: Form, before: int, after: int) -> str:
    layers = "1 layer" if count == 1 else f"{count} layers"
    if not changed:
        return f"{layers}, kept as {form} already"
    return f"Converted {changed} of {layers} to {form}: {size(before)} -> {size(after)} of disk"
