"""Which layers an image of `lamina build` has: one an instruction, or fewer without waste."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.cli.app import App
from lamina.cli.build_view import Task, View, transferring
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from lamina.build.build import Product
    from lamina.build.layering import Way

F = TypeVar("F", bound=Callable[..., Any])
_TITLES = {
    "auto": "join layers where one hides bytes of another",
    "stage": "join the layers of the last stage",
    "one": "join all layers",
}


def layer_options(command: F) -> F:
    """What `way` reads."""
    command = click.option(
        "--layers",
        type=click.Choice(["instruction", *_TITLES]),
        metavar="HOW",
        help="instruction; auto: joined where one hides bytes of another; stage; one.",
    )(command)
    return click.option(
        "--slim", is_flag=True, help="Ship no byte that a later step hides: --layers auto."
    )(command)


def way(given: Mapping[str, Any]) -> Way:
    """How instructions become layers.  Raises UsageError."""
    found: Way | None = given["layers"]
    if given["slim"] and found == "instruction":
        raise click.UsageError("--slim joins layers: leave --layers instruction out")
    return found or ("auto" if given["slim"] else "instruction")


def layered(app: App, view: View, product: Product, wanted: Way) -> Product:
    """The product in the layers that are wanted; making them is a task of the view."""
    hides = any(each.hidden for each in product.variants)
    if wanted == "instruction" or (wanted == "auto" and not hides):
        return product
    from lamina.build.layering import layered as make

    title = _TITLES[wanted]
    with transferring(view, Task(Digest.of(title.encode()), title)) as progress:
        progress.start("layers", "Writing", None)

        def wrote(amount: int) -> None:
            progress.advance("layers", amount)

        made = make(product, app.engine.store, wanted, wrote=wrote)
        progress.finish("layers", "Written")
    return made
