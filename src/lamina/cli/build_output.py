"""Where `lamina build` puts what it made, and what it tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from lamina.cli.app import App
from lamina.cli.build_progress import WAYS
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference

if TYPE_CHECKING:
    from lamina.build.build import Product
    from lamina.cli.build_view import View
    from lamina.store.contract import Image

F = TypeVar("F", bound=Callable[..., Any])


def output_options(command: F) -> F:
    """What `outputs` and `write` read, and `quiet` and `progress`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("-q", "--quiet", is_flag=True, help="Print the image id alone."),
    click.option(
        "--progress",
        type=click.Choice(WAYS),
        help="How to show the steps (auto: by whether this is a terminal).",
    ),
    click.option(
        "--iidfile", type=click.Path(path_type=Path), help="Write the image id to a file."
    ),
)


class Written(msgspec.Struct, frozen=True):
    """What came of a build."""

    image_id: Digest
    names: tuple[Reference, ...]
    image: Image | None


def outputs(given: Mapping[str, Any]) -> Any:
    return [Reference.parse(tag) for tag in given["tags"]]


def write(app: App, view: View, product: Product, wanted: Any, given: Mapping[str, Any]) -> Written:
    from lamina.build.naming import name

    image = name(product, app.engine.store, wanted)
    if given["iidfile"] is not None:
        given["iidfile"].write_text(str(image.config.digest))
    return Written(image.config.digest, tuple(wanted), image)
