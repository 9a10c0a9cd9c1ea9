"""Files of a build's trees laid out as a real directory, for a mount to show."""

from __future__ import annotations

from pathlib import Path

from lamina.build.workshop import Workshop
from lamina.context.directory import Nothing
from lamina.copying.copier import Copier
from lamina.copying.reading import Reading, content
from lamina.copying.upper import Upper
from lamina.plan.graph import CopyOp
from lamina.store.atomic import locked
from lamina.store.trash import delete_tree

NAME = "shown"
"""What the source is called in its directory, be it a file or a directory itself."""


def real_directory(shop: Workshop, reading: Reading) -> Path:
    """A directory with what was read in it, as `NAME`; made once in a build.

    A copy, and not the user's own directory: its files are root's, those that an ignore
    file hides are not there, and it stays what the cache key says while the user works on.
    """
    place = shop.directory / f"shown-{content(reading).hex}"
    with locked(shop.directory / "shown.lock"):
        if not place.exists():
            new = place.with_suffix(".new")
            delete_tree(new)  # what a step that failed began
            new.mkdir(mode=0o755)
            lay_out(shop, reading, new, f"/{NAME}")
            new.rename(place)
    return place


def lay_out(shop: Workshop, reading: Reading, directory: Path, dest: str) -> None:
    """Copy what was read to `dest` in `directory`, owners and all.  Raises ContextChanged."""
    upper = Upper(directory, Nothing(), now=shop.now)
    Copier(CopyOp((reading.source,), dest), upper, None, shop.now).run([reading])
