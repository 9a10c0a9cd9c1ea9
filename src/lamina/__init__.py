"""Lamina: build, run, understand and shrink container images, with no daemon.

From Python:

    import lamina

    with lamina.open() as engine:
        image = engine.image("debian:bookworm")
        for each in image.waste():
            print(each.path, each.size, each.shipped_by, each.hidden_by)

`open` opens the store, `open_archive` an image in an archive.  What they give is typed and
documented in `lamina.api`; errors are `lamina.EngineError` and its kinds (lamina.errors).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.api.image import File, Image, Layer, Wasted
    from lamina.api.rows import Rows
    from lamina.api.session import ImageName, Session
    from lamina.api.session import open_image_archive as open_archive
    from lamina.api.session import open_session as open  # noqa: A004 - `lamina.open` reads well
    from lamina.errors import EngineError

__version__ = "0.1.0"
__all__ = [
    "EngineError",
    "File",
    "Image",
    "ImageName",
    "Layer",
    "Rows",
    "Session",
    "Wasted",
    "__version__",
    "open",
    "open_archive",
]
_PUBLIC = {
    # name: (module, what it is called there)
    "EngineError": ("lamina.errors", "EngineError"),
    "File": ("lamina.api.image", "File"),
    "Image": ("lamina.api.image", "Image"),
    "ImageName": ("lamina.api.session", "ImageName"),
    "Layer": ("lamina.api.image", "Layer"),
    "Rows": ("lamina.api.rows", "Rows"),
    "Session": ("lamina.api.session", "Session"),
    "Wasted": ("lamina.api.image", "Wasted"),
    "open": ("lamina.api.session", "open_session"),
    "open_archive": ("lamina.api.session", "open_image_archive"),
}
"""Imported when they are first asked for: a command line of one line need not load them."""


def __getattr__(name: str) -> Any:
    found = _PUBLIC.get(name)
    if found is None:
        raise AttributeError(f"module 'lamina' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(found[0]), found[1])


def __dir__() -> list[str]:
    return [*__all__]
