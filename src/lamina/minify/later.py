"""What may be missed later, by ways that no probe took: told before it breaks.  Pure.

The rules keep what is named.  A module whose name is made at run time is named nowhere, nor
is a program that a script starts in a branch which was not taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lamina.minify.image_tree import ImageTree
from lamina.minify.keep import Kept
from lamina.minify.keep_node import package_of
from lamina.minify.keep_python import site_of
from lamina.minify.reasons import Why

_PYTHON = re.compile(rb"\b(?:import_module|__import__)\(\s*[^\s\"')]")
_NODE = re.compile(rb"\b(?:require|import)\(\s*[^\s\"'`)/]")
_WORD = re.compile(
    r"(?:^|[;&|(`{])[ \t]*"
    r"(?:(?:then|do|else|elif|if|while|until|exec|command|sudo|env|time|!|\w+=\S*)[ \t]+)*"
    r"([\w./+-]+)",
    re.M,
)
_LARGEST = 1 << 20
_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "zsh")


class Later(NamedTuple):
    """Something that is kept, and what it may want that is not."""

    path: str
    wants: str
    """In words: `a program that was removed: /usr/bin/curl`."""
    keep: str
    """What to keep for it, as `--keep` has it; empty where that cannot be told."""


def needed_later(tree: ImageTree, kept: Kept) -> Iterator[Later]:
    """By path, of the application's files and what was used, each at most once a kind."""
    modules = _lost(tree, kept, site_of)
    packages = _lost(tree, kept, package_of)
    for path in sorted(kept.reasons):
        if kept.reasons[path].why not in {Why.USED, Why.APPLICATION, Why.CONFIGURED}:
            continue
        if path in tree.packaged.owner or site_of(path) or package_of(path):
            continue
        if path.endswith(".py") and modules:
            yield from _by_name(tree, path, _PYTHON, "modules", modules)
        elif path.endswith((".js", ".mjs", ".cjs")) and packages:
            yield from _by_name(tree, path, _NODE, "packages", packages)
        else:
            yield from _commands(tree, kept, path)


def _lost(tree: ImageTree, kept: Kept, place: Callable[[str], tuple[str, str] | None]) -> list[str]:
    """The names of third-party modules or packages of which everything was removed."""
    names: dict[str, bool] = {}
    for path in tree.entries:
        if (found := place(path)) is None or tree.is_directory(path):
            continue
        top = found[1].partition("/")[0] if place is site_of else found[1]
        names[top] = names.get(top, False) or path in kept.reasons
    return sorted(name for name, stays in names.items() if not stays and not name.endswith("-info"))


def _by_name(
    tree: ImageTree, path: str, pattern: re.Pattern[bytes], what: str, lost: list[str]
) -> Iterator[Later]:
    text = tree.files.read(path, _LARGEST)
    found = pattern.search(text)
    if found is not None:
        line = text.count(b"\n", 0, found.start()) + 1
        shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        yield Later(
            path, f"loads {what} by names made at run time (line {line}); gone: {shown}", ""
        )


def _commands(tree: ImageTree, kept: Kept, path: str) -> Iterator[Later]:
    """Programs that a shell script names and that were removed."""
    shebang = tree.files.shebang(path)
    named = shebang is not None and any(
        word.rpartition("/")[2] in _SHELLS for word in shebang.words
    )
    if not named and not path.endswith(".sh"):
        return
    seen: set[str] = set()
    text = tree.files.read(path, _LARGEST).decode("utf-8", "replace")
    for found in _WORD.finditer(text):
        command = tree.system.command(found[1])
        target = tree.files.find(command) if command is not None else None
        if target is not None and target in kept.removed and target not in seen:
            seen.add(target)
            yield Later(path, f"names the program /{target}, which goes", f"/{target}")
