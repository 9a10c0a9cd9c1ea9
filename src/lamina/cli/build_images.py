"""The images that a build starts from: found in the store, else pulled before one's eyes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.cli.app import App
from lamina.cli.build_view import Ending, Task, Transfers, View
from lamina.cli.named import host_platform
from lamina.errors import EngineError, NotFound
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from lamina.build.plan import Resolver
    from lamina.store.contract import Image


def resolver(app: App, view: View, *, always: bool) -> Resolver:
    """Images by name and platform: from the store, pulled when they are missing or `always`."""
    images = app.engine.store.images

    def find(name: str, platform: str) -> Image:
        if always:
            return _pull(app, view, name, platform)
        try:
            return images.find(name, platform=platform)
        except EngineError as error:
            if error.kind != "not-found":
                raise
            missing = error
        try:
            return _pull(app, view, name, platform)
        except EngineError as error:
            raise NotFound(
                f"{missing}, and pulling it failed: {error}", hint=missing.hint
            ) from None

    return find


def _pull(app: App, view: View, name: str, platform: str) -> Image:
    from lamina.cli.registry_options import settings
    from lamina.oci.reference import Reference
    from lamina.registry.connect import connect
    from lamina.transfer.pull import pull

    reference = Reference.parse(name)
    title = f"pull {reference.familiar}"
    task = Task(Digest.of(f"{title} {platform}".encode()), title)
    begun = time.monotonic()
    with view.lock:
        view.begin(task)
    try:
        image = pull(
            connect(reference, settings(app)),
            app.engine.store,
            reference,
            platform=host_platform(platform),
            progress=Transfers(view, task),
        )
    except EngineError as error:
        with view.lock:
            view.fail(task, str(error))
        raise
    with view.lock:
        view.end(task, Ending(time.monotonic() - begun, size=image.row.size))
    return image
