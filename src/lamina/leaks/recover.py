"""What layers still have at a path: every copy of a file, also those that nobody can see.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

import msgspec

from lamina.errors import NotFound
from lamina.explain.inodes import Inodes
from lamina.explain.stack import Stack
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Cause


class NoCopy(NotFound):
    """No layer has, or had, a file at the path."""

    def __init__(self, path: str, name: str, near: Sequence[str]) -> None:
        hint = f"hidden there: {', '.join('/' + each for each in near)}" if near else ""
        super().__init__(f"no layer of {name} has a file at /{path}", hint=hint)


class NothingHidden(NotFound):
    """What is in the directory can all be seen."""

    def __init__(self, path: str, name: str) -> None:
        super().__init__(
            f"nothing below /{path} in {name} is hidden", hint="lamina ls shows what is there"
        )


class Copy(msgspec.Struct, frozen=True):
    """What one layer has at a path."""

    layer: int
    entry: Entry
    """FILE, or another name of one: HARDLINK."""
    content: Entry
    """The FILE entry of that layer that holds the bytes."""
    shown: bool
    """Whether it is what is seen at the path."""
    hidden_by: int | None = None
    """The layer that took it from view at this path."""
    cause: Cause | None = None

    @property
    def path(self) -> str:
        """Where it is, without the leading slash."""
        return self.entry.path


def clean_path(stack: Stack, path: str) -> str:
    """The path that `path` leads to, links in it followed but for the last.  Raises LinkLoop."""
    return stack.union.resolve(path, follow=False)


def copies(stack: Stack, path: str) -> list[Copy]:
    """Every copy of the file at a clean path, the newest first.

    Raises NoCopy, with the names of hidden files that are like it.
    """
    found = _in_layers(stack, lambda entry: entry.path == path)
    if not found:
        raise NoCopy(path, stack.name, _near(stack, path))
    return found


def newest_hidden(found: Sequence[Copy]) -> Copy:
    """The copy that who asks for a deleted or overwritten file means: the newest hidden one with
    another content than what is seen; else the newest hidden one; else what is seen."""
    seen = {copy.content.sha256 for copy in found if copy.shown}
    hidden = [copy for copy in found if not copy.shown]
    other = [copy for copy in hidden if copy.content.sha256 not in seen]
    return (other or hidden or list(found))[0]


def hidden_below(stack: Stack, path: str, layer: int | None = None) -> list[Copy]:
    """The newest hidden copy of each file below a clean path, by path; those of one layer when
    it is given.  A copy whose content still is seen at its path is left out.

    Raises NothingHidden, and NoCopy when no layer has a directory there.
    """
    prefix = f"{path}/" if path else ""
    found = _in_layers(stack, lambda entry: entry.path.startswith(prefix))
    if not found and path not in _directories(stack):
        raise NoCopy(path, stack.name, _near(stack, path))
    newest: dict[str, Copy] = {}
    for copy in found:
        if not copy.shown and copy.cause is not Cause.DUPLICATED and layer in (None, copy.layer):
            newest.setdefault(copy.path, copy)
    if not newest:
        raise NothingHidden(path, stack.name)
    return _that_fit(sorted(newest.values(), key=lambda copy: copy.path))


def is_directory(stack: Stack, path: str) -> bool:
    """Whether layers have, or had, a directory and no file at a clean path."""
    return path in _directories(stack) and not _in_layers(stack, lambda e: e.path == path)


def _that_fit(found: Sequence[Copy]) -> list[Copy]:
    """Without the files at whose path newer ones need a directory, and what is below a newer
    file: layers may have had either."""
    by_path = {copy.path: copy for copy in found}
    dropped: set[str] = set()
    for copy in found:
        above = copy.path.rpartition("/")[0]
        while above:
            file = by_path.get(above)
            if file is not None:
                dropped.add(min((file, copy), key=lambda each: each.layer).path)
            above = above.rpartition("/")[0]
    return [copy for copy in found if copy.path not in dropped]


def _in_layers(stack: Stack, wanted: Callable[[Entry], bool]) -> list[Copy]:
    """The files among the entries that are wanted, the newest first."""
    inodes = Inodes(stack.listings)
    found: list[Copy] = []
    for layer, listing in enumerate(stack.listings):
        for at, entry in enumerate(listing.entries):
            if entry.kind not in _CONTENT or not wanted(entry):
                continue
            content = inodes.of(layer, entry)
            # A marker is no file, but for one that somebody gave a content.
            if content.kind is Kind.FILE and (entry.size or not entry.is_marker):
                found.append(_copy(stack, layer, at, content))
    return found[::-1]


_CONTENT = {Kind.FILE, Kind.HARDLINK}


def _copy(stack: Stack, layer: int, at: int, content: Entry) -> Copy:
    entry = stack.listings[layer].entries[at]
    seen = stack.union.get(entry.path)
    if seen is not None and seen.entry is entry:
        return Copy(layer, entry, content, True)
    fate = stack.fates[layer]
    cause = fate.cause(at)
    if cause is not None:
        return Copy(layer, entry, content, False, max(fate.hidden_by[at], layer), cause)
    # Its content is seen by another name, so no fate says what happened to this one.
    gone = next((each for each in stack.union.parted if each.entry is entry), None)
    return Copy(layer, entry, content, False, gone.hidden_by if gone else None, None)


def _directories(stack: Stack) -> set[str]:
    """Every directory that a layer has or implies."""
    found = {""}
    for listing in stack.listings:
        for entry in listing.entries:
            path = entry.path if entry.kind is Kind.DIRECTORY else entry.parent
            while path not in found:
                found.add(path)
                path = path.rpartition("/")[0]
    return found


def _near(stack: Stack, path: str) -> list[str]:
    """Hidden files whose path is like `path`, or that have its name."""
    name = path.rpartition("/")[2]
    hidden = list(dict.fromkeys(each.path for each in stack.union.hidden if each.size))
    same = [each for each in hidden if each.rpartition("/")[2] == name]
    return list(dict.fromkeys([*same[:3], *get_close_matches(path, hidden[:20_000], 3, 0.75)]))[:3]
