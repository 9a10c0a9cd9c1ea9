"""Files that a Dockerfile copies from, in memory."""

from __future__ import annotations

from collections.abc import Mapping


class Context:
    """Implements `rewrite.evidence.Files`."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        text = self._files.get(path)
        return text.encode() if text is not None else None

    def has(self, path: str) -> bool:
        return any(each == path or each.startswith(f"{path}/") for each in self._files)
