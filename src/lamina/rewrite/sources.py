"""What the sources of a COPY or ADD stand for in a context.  Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

import msgspec

from lamina.context.tree import Tree
from lamina.dockerfile.ignore import Ignore
from lamina.dockerfile.wildcard import BadPattern, compile_pattern, is_pattern
from lamina.layer.entry import Entry, Kind
from lamina.rewrite.document import Step


class Copied(msgspec.Struct, frozen=True):
    """A file or directory of the context that a step copies with all that is in it."""

    source: str
    """As the instruction has it."""
    entry: Entry
    excluded: Ignore
    """What `--exclude` leaves out; paths are relative to the entry."""


def copied_sources(tree: Tree, step: Step) -> Iterator[Copied]:
    """The files and directories of the context that a COPY or ADD names.

    What is fetched, comes from a stage, or has a variable in its name is left out.
    """
    line = step.line
    if line.keyword not in ("COPY", "ADD") or step.flag("from") is not None or line.heredocs:
        return
    patterns = [each.value or "" for each in line.flags if each.name == "exclude"]
    try:
        excluded = Ignore.of(patterns)
    except BadPattern:
        return
    for source in line.words()[:-1]:
        if "$" in source or "://" in source or source.startswith("git@"):
            continue
        for entry in _found(tree, posixpath.normpath(f"/{source}")[1:]):
            yield Copied(source, entry, excluded)


def _found(tree: Tree, path: str) -> Iterator[Entry]:
    if not is_pattern(path):
        entry = tree.lookup(path)
        if entry is not None:
            yield entry
        return
    first = next(at for at, part in enumerate(path.split("/")) if is_pattern(part))
    above = "/".join(path.split("/")[:first])
    try:
        matcher: re.Pattern[str] = compile_pattern(path)
    except BadPattern:
        return
    if tree.lookup(above) is None:
        return
    depth = path.count("/")
    for entry in _below(tree, above, depth):
        if entry.path.count("/") == depth and matcher.fullmatch(entry.path):
            yield entry


def _below(tree: Tree, directory: str, depth: int) -> Iterator[Entry]:
    for entry in tree.children(directory):
        yield entry
        if entry.kind is Kind.DIRECTORY and entry.path.count("/") < depth:
            yield from _below(tree, entry.path, depth)


def files(tree: Tree, copied: Copied) -> list[Entry]:
    """The files that a step takes."""
    found: list[Entry] = []
    root = len(copied.entry.path) + 1 if copied.entry.path else 0
    excludes = copied.excluded.excludes if copied.excluded.rules else None
    waiting = [copied.entry]
    while waiting:
        entry = waiting.pop()
        if entry.kind is Kind.FILE:
            found.append(entry)
        elif entry.kind is Kind.DIRECTORY:
            inside = tree.children(entry.path)
            if excludes is not None:
                inside = [each for each in inside if not excludes(each.path[root:])]
            waiting += reversed(inside)
    return found
