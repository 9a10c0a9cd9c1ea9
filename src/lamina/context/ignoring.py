"""Which ignore file holds for a context, and what its rules hide in a directory tree."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lamina.dockerfile.ignore import Ignore
from lamina.layer.entry import os_path, text_path


def ignore_file(context: Path, dockerfile: Path | None) -> Ignore:
    """The rules for a context: `<Dockerfile>.dockerignore` beside the Dockerfile, else
    `.dockerignore` in the context, else none.  Raises BadIgnoreFile."""
    places = [context / ".dockerignore"]
    if dockerfile is not None:
        places.insert(0, dockerfile.with_name(dockerfile.name + ".dockerignore"))
    for place in places:
        try:
            text = place.read_bytes().decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            continue
        return Ignore.parse(text, name=place.name)
    return Ignore()


class Hidden:
    """What the rules hide below `base`; a directory that keeps nothing is hidden with them."""

    def __init__(self, base: bytes, ignore: Ignore) -> None:
        self._base = base
        self._ignore = ignore
        self.depends = False
        """Whether an answer came of looking below a directory: it holds only as long as nothing
        changes there."""

    def __call__(self, path: str, is_directory: bool) -> bool:
        """Whether `path` (relative, clean) is hidden."""
        if not self._ignore.excludes(path):
            return False
        if not is_directory or self._ignore.prunes(path):
            return True
        self.depends = True
        return not any(True for _ in self._shown_below(path))

    def _shown_below(self, path: str) -> Iterator[str]:
        """The paths below an ignored directory that a `!` rule brings back."""
        place = self._base + b"/" + os_path(path)
        with contextlib.suppress(PermissionError), os.scandir(place) as items:
            for item in items:
                below = f"{path}/{text_path(item.name)}"
                if not self(below, item.is_dir(follow_symlinks=False)):
                    yield below
