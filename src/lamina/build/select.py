"""What COPY's sources stand for in a tree, and the digest of all that would be copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lamina.context.directory import Context
from lamina.context.fingerprint import NOTHING, of_entries, of_entry, of_records, of_target
from lamina.context.tree import Tree, clean, resolve
from lamina.dockerfile.wildcard import compile_pattern, is_pattern
from lamina.errors import NotFound
from lamina.layer.entry import Entry, Kind
from lamina.oci.digest import Digest


class NoSuchSource(NotFound):
    """A source of COPY or ADD is not there."""

    def __init__(self, source: str, hint: str = "") -> None:
        super().__init__(f"{source}: not found", hint=hint)
        self.source = source


@dataclass(frozen=True, slots=True)
class Selected:
    """A file or directory to copy, and the name it takes in a directory."""

    name: str
    entry: Entry


def select(tree: Tree, sources: Sequence[str]) -> list[Selected]:
    """Each source in turn: a path, whose links are followed, or a pattern, which may match
    nothing.  Raises NoSuchSource, BadPattern."""
    found: list[Selected] = []
    for source in sources:
        path = clean(source)
        entry = tree.lookup(resolve(tree.lookup, path))
        if entry is not None:
            found.append(Selected(path.rpartition("/")[2], entry))
        elif is_pattern(path):
            found += [_named(tree, match) for match in sorted(matches(tree, path))]
        else:
            raise NoSuchSource(source, _near(tree, path))
    return found


def _named(tree: Tree, path: str) -> Selected:
    entry = tree.lookup(resolve(tree.lookup, path))
    if entry is None:
        raise NoSuchSource(path, "it is a symbolic link to nothing")
    return Selected(path.rpartition("/")[2], entry)


def matches(tree: Tree, pattern: str) -> Iterator[str]:
    """The paths that match, component by component."""
    pending = [("", pattern.split("/"))]
    while pending:
        directory, parts = pending.pop()
        matcher = compile_pattern(parts[0])
        for entry in tree.children(directory):
            if not matcher.fullmatch(entry.name):
                continue
            if len(parts) == 1:
                yield entry.path
            elif entry.kind is Kind.DIRECTORY:
                pending.append((entry.path, parts[1:]))


def digest(tree: Tree, selection: Sequence[Selected], *, owners: bool) -> Digest:
    """Of names, kinds, modes, link targets and contents, and owners if they count; no times."""
    return Digest.from_raw(
        of_records(
            of_entry(each.entry, _content(tree, each.entry, owners), owners=owners, name=each.name)
            for each in selection
        )
    )


def _content(tree: Tree, entry: Entry, owners: bool) -> bytes:
    """The sha256 that stands for what is in an entry."""
    if entry.kind in (Kind.FILE, Kind.HARDLINK):
        return tree.digest(entry)
    if entry.kind is Kind.SYMLINK:
        return of_target(entry.link)
    if entry.kind is not Kind.DIRECTORY:
        return NOTHING
    if isinstance(tree, Context) and not owners:
        return tree.fingerprint(entry)
    return _fingerprint(tree, entry, owners)


def _fingerprint(tree: Tree, top: Entry, owners: bool) -> bytes:
    """The fingerprint of a directory in any tree, entry by entry."""
    order = [top]
    children: dict[str, Sequence[Entry]] = {}
    for directory in order:
        children[directory.path] = found = tree.children(directory.path)
        order += [entry for entry in found if entry.kind is Kind.DIRECTORY]
    done: dict[str, bytes] = {}

    def content(entry: Entry) -> bytes:
        return done.get(entry.path) or _content(tree, entry, owners)

    # Backwards: what is in a directory comes before it.
    for directory in reversed(order):
        done[directory.path] = of_entries(children.pop(directory.path), content, owners=owners)
    return done[top.path]


def _near(tree: Tree, path: str) -> str:
    """A hint: the nearest name in the directory where the source should be."""
    import difflib

    parent, _, name = path.rpartition("/")
    directory = tree.lookup(resolve(tree.lookup, parent))
    if directory is None or directory.kind is not Kind.DIRECTORY:
        return f"there is no directory {parent}"
    names = [entry.name for entry in tree.children(directory.path)]
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {parent + '/' if parent else ''}{near[0]}?" if near else ""
