"""Each file of a tree with the layer that last wrote it, and the one that its content is from.
Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from lamina.explain.difference import Aspect, Copy, metadata_differences, same_content
from lamina.explain.inodes import Inodes
from lamina.explain.stack import Stack
from lamina.explain.view import nodes_at, open_view
from lamina.layer.contract import Listing
from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Entry, Kind


class Blamed(msgspec.Struct, frozen=True):
    """Something that is seen, and who wrote it.  Layers are counted from 0, the lowest."""

    path: str
    entry: Entry
    """As the layer has it that last wrote it."""
    inode: Entry
    """What has the content and the mode: for a hard link the file that it is a name of."""
    layer: int
    """That last wrote the entry."""
    content_layer: int
    """That first shipped what is in it, unchanged since: a file's bytes, a link's target, the
    directory itself.  `layer` itself, unless that only changed metadata, or nothing."""
    before: Entry | None = None
    """As `content_layer` has it; None when that is `layer`."""

    @property
    def touched(self) -> bool:
        """Whether the last layer that wrote it left the content as it was."""
        return self.content_layer != self.layer

    @property
    def changes(self) -> tuple[Aspect, ...]:
        """In what its metadata is other than what it came with: mode, owner, attributes."""
        return () if self.before is None else metadata_differences(self.before, self.inode)


def blame(stack: Stack, path: str = "") -> list[Blamed]:
    """What is at `path`, links followed, and all below it, parents before children; the root
    itself is left out.  Raises NoSuchPath and LinkLoop."""
    view = open_view(stack)
    top = nodes_at(stack, view, path)[0]
    past = _Past(stack)
    nodes = [top] if top.path else []
    nodes += view.walk(top.path)
    return [past.blame(each.path, each.layer, each.entry, each.inode) for each in nodes]


class _Past:
    """What lower layers have at a path, as far as nothing between took it away."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._inodes = Inodes(stack.listings)
        self._first: dict[str, tuple[int, Entry]] = {}
        self._more: dict[str, list[tuple[int, Entry]]] = {}
        """Of paths that more than one entry names, all of them, the lowest layer first."""
        self._gone: dict[str, list[int]] = {}
        self._opaque: dict[str, list[int]] = {}
        self._parents: dict[str, list[int]] = {"": []}
        """The layers that have something in a directory, with an entry for it or without."""
        for layer, listing in enumerate(stack.listings):
            self._read(layer, listing)

    def _read(self, layer: int, listing: Listing) -> None:
        first, last = self._first, None
        for entry in listing.entries:
            path = entry.path
            directory, _, name = path.rpartition("/")
            if directory != last:
                self._enter(layer, directory)
                last = directory
            if name.startswith(WHITEOUT_PREFIX):
                if (gone := entry.whiteout_of) is not None:
                    self._gone.setdefault(gone, []).append(layer)
                elif name == OPAQUE_NAME:
                    self._opaque.setdefault(directory, []).append(layer)
            elif path in first:
                self._more.setdefault(path, [first[path]]).append((layer, entry))
            else:
                first[path] = (layer, entry)

    def _enter(self, layer: int, directory: str) -> None:
        while directory:
            layers = self._parents.setdefault(directory, [])
            if layers and layers[-1] == layer:
                return
            layers.append(layer)
            directory = directory.rpartition("/")[0]

    def blame(self, path: str, layer: int, entry: Entry, inode: Entry) -> Blamed:
        now = Copy(self._stack, layer, inode)
        came, upper = now, layer
        for below, earlier in self._below(path, layer):
            copy = Copy(self._stack, below, self._inodes.of(below, earlier))
            if not same_content(copy, now) or self._cut(path, entry, below, upper):
                break
            came, upper = copy, below
        before = None if came is now else came.inode
        return Blamed(path, entry, inode, layer, came.layer, before)

    def _below(self, path: str, layer: int) -> Iterator[tuple[int, Entry]]:
        """The entries of lower layers, the highest first; the last that a layer has counts."""
        for below, entry in reversed(self._more.get(path, ())):
            if below < layer:
                yield below, entry
                layer = below

    def _cut(self, path: str, entry: Entry, below: int, upper: int) -> bool:
        """Whether what `below` has at `path` is not there in every image from it to `upper`."""
        taken = [*self._gone.get(path, ()), *self._opaque.get(path, ())]
        if not _is_directory(entry):
            taken += self._parents.get(path, ())
        if any(below < layer < upper for layer in taken):
            return True
        above = path
        while above:
            above = above.rpartition("/")[0]
            if any(
                below < layer < upper
                for layer in (*self._gone.get(above, ()), *self._opaque.get(above, ()))
            ) or any(
                below <= layer < upper and not _is_directory(other)
                for layer, other in self._at(above)
            ):
                return True
        return False

    def _at(self, path: str) -> Sequence[tuple[int, Entry]]:
        first = self._first.get(path)
        return self._more.get(path) or ([first] if first else [])


def _is_directory(entry: Entry) -> bool:
    return entry.kind is Kind.DIRECTORY


class Part(msgspec.Struct, frozen=True):
    """Files with one history: a line of a summary."""

    path: str
    """A file, or the directory that they are in."""
    layer: int
    content_layer: int
    """As in `Blamed`; `changes` too."""
    changes: tuple[Aspect, ...]
    files: int
    bytes: int
    """Each content once."""
    whole: bool
    """Whether that is all that there is at `path`."""
    one: Blamed | None
    """When it is a single file, link or device, or the directory alone: what is known of it."""


_FEW = 4
"""So many with one history in one directory are still told one by one."""


def summary(blamed: Sequence[Blamed]) -> list[Part]:
    """What `blame` found, gathered and sorted by path: a directory is one part when all in it
    has one history.  Of others, what has one history is told one by one, or in one part when
    that is much; what is in the first directory itself is always told one by one.
    """
    return _Summary(blamed).parts()


def _top(blamed: Sequence[Blamed]) -> str:
    """The directory that all of them are in, itself one of them or not."""
    if not blamed:
        return ""
    first = blamed[0].path
    # The last one is in the first exactly when all are, as the walk goes.
    inside = _is_directory(blamed[0].entry) and blamed[-1].path.startswith(f"{first}/")
    return first if inside else first.rpartition("/")[0]


_History = tuple[int, int, tuple[Aspect, ...]]


class _Summary:
    def __init__(self, blamed: Sequence[Blamed]) -> None:
        self._by_path = {each.path: each for each in blamed}
        self._inside: dict[str, list[str]] = {}
        for path in self._by_path:
            self._inside.setdefault(path.rpartition("/")[0], []).append(path)
        self._histories: dict[_History, int] = {}
        """A bit for each."""
        self._bits: dict[str, int] = {}
        """Those of what is at and below a path; a directory as it came has none of its own."""
        self._files: dict[str, int] = {}
        self._bytes: dict[str, int] = {}
        self._add_up(blamed)
        self._in_order = list(self._histories)
        self._top = _top(blamed)
        self._found: list[Part] = []

    def _add_up(self, blamed: Sequence[Blamed]) -> None:
        met: set[int] = set()
        # Backwards: what is in a directory comes before it.
        for each in reversed(blamed):
            path, inside = each.path, self._inside.get(each.path, ())
            changes = each.changes
            bits = 0
            if not inside or changes:
                history = (each.layer, each.content_layer, changes)
                bits = 1 << self._histories.setdefault(history, len(self._histories))
            for child in inside:
                bits |= self._bits[child]
            self._bits[path] = bits
            size = each.inode.size if id(each.inode) not in met else 0
            met.add(id(each.inode))
            is_file = not _is_directory(each.entry)
            self._files[path] = is_file + sum([self._files[child] for child in inside])
            self._bytes[path] = size + sum([self._bytes[child] for child in inside])

    def parts(self) -> list[Part]:
        todo = [self._top]
        while todo:
            todo += self._directory(todo.pop())
        return sorted(self._found, key=lambda part: (part.path.split("/"), part.layer))

    def _directory(self, path: str) -> list[str]:
        """Tell what is in a directory; returns those in it that are to be told apart."""
        here = self._by_path.get(path)
        if here is not None and here.changes:
            history = (here.layer, here.content_layer, here.changes)
            self._found.append(Part(path, *history, 0, 0, False, here))
        apart: list[str] = []
        alike: dict[_History, list[str]] = {}
        histories = self._in_order
        for child in self._inside.get(path, ()):
            bits = self._bits[child]
            if bits.bit_count() == 1:
                alike.setdefault(histories[bits.bit_length() - 1], []).append(child)
            else:
                apart.append(child)
        for history, children in alike.items():
            if path == self._top or len(children) <= _FEW:
                self._found += [self._part(child, history) for child in children]
            else:
                files = sum(self._files[child] for child in children)
                size = sum(self._bytes[child] for child in children)
                self._found.append(Part(path, *history, files, size, False, None))
        return apart

    def _part(self, path: str, history: _History) -> Part:
        one = None if path in self._inside else self._by_path[path]
        return Part(path, *history, self._files[path], self._bytes[path], True, one)
