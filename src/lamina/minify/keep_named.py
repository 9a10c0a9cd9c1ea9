"""Libraries that a source file opens by name: ctypes, ffi, JNI.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.minify.image_tree import ImageTree
from lamina.minify.reasons import Reason, Why

_SOURCES = (".py", ".js", ".mjs", ".cjs", ".rb", ".pl", ".pm", ".php", ".lua")
_FULL = re.compile(rb"\b(lib[\w+.-]*?)\.so(?:\.\d+)*\b")
_SHORT = re.compile(
    rb"(?:find_library|CDLL|LoadLibrary|cdll\.|dlopen|ffi_lib|ffi\.load)[\w.]*\(?\s*[\"']([A-Za-z][\w+-]*)[\"']"
)
_FIRM = frozenset({Why.USED, Why.APPLICATION, Why.DISTRIBUTION})
_LARGEST = 4 << 20


class NamedRules:
    """The rule for one image."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree

    def __call__(self, path: str, why: Why) -> Iterator[tuple[str, Reason]]:
        """Every library, of any version, whose name is written in the source at `path`."""
        if why not in _FIRM or not path.endswith(_SOURCES):
            return
        text = self._tree.files.read(path, _LARGEST)
        stems = {found[1] for found in _FULL.finditer(text)} if b".so" in text else set()
        stems |= {b"lib" + found[1] for found in _SHORT.finditer(text)}
        for stem in sorted(stems):
            for each in self._tree.libraries.get(stem.decode("utf-8", "replace"), ()):
                for step in self._tree.files.steps(each):
                    yield step, Reason(Why.NEEDED, path)
