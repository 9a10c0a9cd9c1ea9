"""`lamina inspect`: everything that is known of an image or a container, in Docker's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App
from lamina.cli.completion import object_names
from lamina.cli.documents import print_documents, renderer
from lamina.cli.named import for_each
from lamina.errors import NotFound
from lamina.store.find import find_object

if TYPE_CHECKING:
    from lamina.store.contract import Store


class NoSuchObject(NotFound):
    """Neither an image nor a container goes by the name."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"no image or container {text}", hint="lamina images   (or lamina ps -a, to see them)"
        )


@click.command(epilog="Example: lamina inspect -f '{{json .Config.Env}}' debian:bookworm")
@click.argument("names", metavar="NAME|ID...", nargs=-1, required=True, shell_complete=object_names)
@click.option(
    "-f", "--format", "fmt", default="", metavar="TEMPLATE", help="json or a Go template."
)
@click.option("--type", "kind", type=click.Choice(["image", "container"]), help="Look only there.")
@click.option("-s", "--size", "sizes", is_flag=True, help="Count what a container's files take.")
@click.pass_obj
def command(app: App, names: tuple[str, ...], fmt: str, kind: str | None, sizes: bool) -> int:
    """Show everything known of images and containers.

    Prints a JSON array; what is not found is told, and makes the exit status 1.
    """
    group = click.get_current_context().parent
    if kind is None and group is not None and group.info_name == "container":
        kind = "container"
    render = renderer(fmt)
    store = app.containers
    found: list[dict[str, Any]] = []

    def look(text: str) -> None:
        found.append(_inspect(store, text, kind, sizes=sizes))

    status = for_each(names, look)
    if render is not None:
        found = [_with_optional(each) for each in found]
    print_documents(found, fmt, render)
    return status


def _with_optional(description: dict[str, Any]) -> dict[str, Any]:
    from lamina.report.inspection import OPTIONAL

    return {**description, "Config": {**OPTIONAL, **description["Config"]}}


def _inspect(store: Store, text: str, kind: str | None, *, sizes: bool) -> dict[str, Any]:
    from lamina.report.inspection import describe_image
    from lamina.store.container_contract import ContainerRecord

    if kind == "container":
        found: Any = store.containers.find(text)
    elif kind == "image":
        found = store.images.find(text)
    else:
        try:
            found = find_object(store, text)
        except NotFound:
            raise NoSuchObject(text) from None
    if isinstance(found, ContainerRecord):
        from lamina.report.container_inspection import describe_container

        return describe_container(store, found, sizes=sizes)
    return describe_image(store, found)
