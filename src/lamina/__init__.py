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

TYPE_CHECKING = False  # as type checkers take it: `typing` is more than a start can wait for
if TYPE_CHECKING:
    from typing import Any

    from lamina.api.comparison import Comparison
    from lamina.api.containers import Container, Finished
    from lamina.api.image import Image
    from lamina.api.rows import Rows
    from lamina.api.session import ImageName, Session
    from lamina.api.session import open_image_archive as open_archive
    from lamina.api.session import open_session as open  # noqa: A004 - `lamina.open` reads well
    from lamina.api.values import (
        Blame,
        Difference,
        File,
        Found,
        Layer,
        PackageDifference,
        Secret,
        Wasted,
    )
    from lamina.errors import EngineError

__version__ = "0.1.0"
__all__ = [
    "Blame",
    "Comparison",
    "Container",
    "Difference",
    "EngineError",
    "File",
    "Finished",
    "Found",
    "Image",
    "ImageName",
    "Layer",
    "PackageDifference",
    "Rows",
    "Secret",
    "Session",
    "Wasted",
    "__version__",
    "open",
    "open_archive",
]
_PUBLIC = {
    # name: (module, what it is called there)
    "Blame": ("lamina.api.values", "Blame"),
    "Comparison": ("lamina.api.comparison", "Comparison"),
    "Container": ("lamina.api.containers", "Container"),
    "Difference": ("lamina.api.values", "Difference"),
    "EngineError": ("lamina.errors", "EngineError"),
    "File": ("lamina.api.values", "File"),
    "Finished": ("lamina.api.containers", "Finished"),
    "Found": ("lamina.api.values", "Found"),
    "Image": ("lamina.api.image", "Image"),
    "ImageName": ("lamina.api.session", "ImageName"),
    "Layer": ("lamina.api.values", "Layer"),
    "PackageDifference": ("lamina.api.values", "PackageDifference"),
    "Rows": ("lamina.api.rows", "Rows"),
    "Secret": ("lamina.api.values", "Secret"),
    "Session": ("lamina.api.session", "Session"),
    "Wasted": ("lamina.api.values", "Wasted"),
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
