"""The images that a build starts from: found in the store, else pulled before one's eyes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lamina.cli.app import App
from lamina.cli.build_view import Task, View, transferring
from lamina.cli.named import host_platform
from lamina.errors import EngineError, NotFound
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.context.opening import NamedImage
    from lamina.plan.plan import Resolver
    from lamina.registry.contract import Source
    from lamina.store.contract import Image
    from lamina.transfer.members import Members


def resolver(app: App, view: View, named: Mapping[str, NamedImage], *, always: bool) -> Resolver:
    """Images by name and platform: what `--build-context` calls so, else from the store, else
    pulled; `always` pulls whatever the store has."""

    def find(name: str, platform: str) -> Image:
        alias = named.get(name.removesuffix(":latest"))
        if alias is not None and alias.layout is not None:
            return _read(app, view, alias.layout, alias.reference, platform)
        return _find(app, view, alias.reference if alias else name, platform, always=always)

    return find


def _find(app: App, view: View, name: str, platform: str, *, always: bool) -> Image:
    if always:
        return _pull(app, view, name, platform)
    try:
        return app.engine.store.images.find(name, platform=platform)
    except EngineError as error:
        if error.kind != "not-found":
            raise
        missing = error
    try:
        return _pull(app, view, name, platform)
    except EngineError as error:
        raise NotFound(f"{missing}, and pulling it failed: {error}", hint=missing.hint) from None


def _pull(app: App, view: View, name: str, platform: str) -> Image:
    from lamina.cli.registry_options import settings
    from lamina.oci.reference import Reference
    from lamina.registry.connect import connect
    from lamina.transfer.pull import pull

    reference = Reference.parse(name)
    title = f"pull {reference.familiar}"
    task = Task(Digest.of(f"{title} {platform}".encode()), title)
    with transferring(view, task) as progress:
        return pull(
            connect(reference, settings(app)),
            app.engine.store,
            reference,
            platform=host_platform(platform),
            progress=progress,
        )


def _read(app: App, view: View, layout: Path, name: str, platform: str) -> Image:
    """An image of a layout's directory, by `:tag`, `@digest` or as the only one."""
    from lamina.transfer.archive import open_path
    from lamina.transfer.receive import receive

    title = f"read {layout}{name}"
    task = Task(Digest.of(f"{title} {platform}".encode("utf-8", "surrogateescape")), title)
    with open_path(layout) as members, transferring(view, task) as progress:
        return receive(
            _chosen(members, name),
            app.engine.store,
            None,
            platform=host_platform(platform),
            progress=progress,
            what=f"{layout}{name}",
        )


def _chosen(members: Members, name: str) -> Source:
    from lamina.transfer.archive import find_image, read_images

    if not name.startswith("@"):
        return find_image(members, name.removeprefix(":"))
    for source, _ in read_images(members):
        if str(source.resolve().digest) == name[1:]:
            return source
    raise NotFound(f"{members.what} has no image {name[1:]}")
