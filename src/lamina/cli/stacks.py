"""The image or container that a command is asked about, wherever it lies."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App

if TYPE_CHECKING:
    from lamina.cli.places import Place
    from lamina.explain.stack import Stack
    from lamina.registry.settings import Settings
    from lamina.store.contract import Store

_PATHS = ("./", "../", "/")
"""How a file's name begins and no image's does."""
_PLACES = ("docker-archive:", "oci-archive:", "docker://")


def stack_of(app: App, text: str) -> Stack:
    """What `text` names (see `opened_stack`), for the length of the command."""
    return click.get_current_context().with_resource(opened_stack(app, text))


@contextmanager
def opened_stack(app: App, text: str, *, alone: bool = False) -> Iterator[Stack]:
    """What `text` names, for the length of a block: an image or container of the store, an
    image elsewhere (`docker-archive:FILE`, `oci:DIR`, `docker://NAME`, see `Place`), or an
    archive by its path, `./image.tar`.  Of an index the image for this host is taken.

    With `alone`, of an archive only those files are hashed whose content decides something
    within this image, and no layer's digest is checked.
    """
    # A stack is a million small objects and hardly a cycle, and it lives as long as the
    # command: to look through them again and again would take a fifth of the time.
    gc.disable()
    place = _place(text)
    if place is None:
        from lamina.explain.stack import open_stack

        yield open_stack(app.engine.store, text)
        return
    from lamina.cli.named import host_platform
    from lamina.cli.places import opened_source
    from lamina.explain.stack import source_stack
    from lamina.explain.undecided import undecided
    from lamina.transfer.contents import SourceContents
    from lamina.transfer.receive import read_documents

    with opened_source(place, lambda: _settings(app)) as source:
        documents = read_documents(
            source, source.resolve(), platform=host_platform(None), what=text
        )
        name = place.name or place.path.name
        with closing(
            SourceContents(source, documents, undecided=undecided if alone else None)
        ) as contents:
            yield source_stack(name, documents.config, contents, _store(app))


def _settings(app: App) -> Settings:
    from lamina.cli.registry_options import settings

    return settings(app)


def _place(text: str) -> Place | None:
    is_path = text.startswith(_PATHS)
    # `oci:1.0` may be an image's name as well: then nothing lies there.
    is_layout = text.startswith("oci:") and os.path.exists(text.split(":")[1])
    if not (is_path or is_layout or text.startswith(_PLACES)):
        return None
    from lamina.cli.places import Place

    return Place.parse(f"docker-archive:{text}" if is_path else text)


def _store(app: App) -> Store | None:
    """The store, if there is one already: an archive can be looked at without."""
    return app.engine.store if app.root.exists() else None
