"""What COPY's sources stand for in a tree, and the digest of all that would be copied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from lamina.context.fingerprint import NOTHING, of_entries, of_entry, of_records, of_target
from lamina.context.tree import Fingerprinted, Tree, clean, resolve
from lamina.copying.filtered import Filtered, Wanted
from lamina.dockerfile.ignore import Ignore
from lamina.dockerfile.wildcard import compile_pattern
from lamina.errors import NotFound
from lamina.layer.entry import Entry, Kind
from lamina.oci.digest import Digest

_WILDCARD = re.compile(r"(?:[^\\*?\[]|\\.)*[*?\[]", re.DOTALL)


class NoSuchSource(NotFound):
    """A source of COPY or ADD is not there."""

    def __init__(self, source: str, hint: str = "") -> None:
        super().__init__(f"{source}: not found", hint=hint)
        self.source = source


class Selected(msgspec.Struct, frozen=True):
    """A file or directory to copy, and the name it takes in a directory."""

    name: str
    entry: Entry


def select(
    tree: Tree, source: str, *, parents: bool = False, exclude: Sequence[str] = ()
) -> tuple[Tree, list[Selected]]:
    """What a source of COPY stands for, and the tree that it is to be read from.

    A source is a path, whose links are followed, or a pattern, which may match nothing.
    With `parents` it is a pattern below a root, which is what stands before `/./` or all
    of the tree, and the root is what is found.  Patterns of `exclude` are relative to what
    is found; a file is excluded by its name.

    Raises NoSuchSource, BadPattern, LinkLoop.
    """
    root, pattern = _pivot(source) if parents else (source, "")
    found = _found(tree, root)
    excluded = Ignore.of(exclude)
    wanted = Wanted(pattern) if pattern else None
    if wanted is None and not exclude:
        return tree, found
    directories = [each for each in found if each.entry.kind is Kind.DIRECTORY]
    files = [each for each in found if each.entry.kind is not Kind.DIRECTORY]
    kept = [] if wanted else [each for each in files if not excluded.excludes(each.name)]
    filtered = Filtered(tree, [each.entry.path for each in directories], wanted, excluded)
    if wanted is not None and not _split(f"{root}/{pattern}")[1]:
        _check_there(tree, directories, pattern, source)
    left = {id(each) for each in (*directories, *kept)}
    return filtered, [each for each in found if id(each) in left]


def _pivot(source: str) -> tuple[str, str]:
    """The root of a source with `--parents`, and the pattern of what is copied below it."""
    before, pivot, after = source.partition("/./")
    return (before, clean(after)) if pivot else ("", clean(source))


def _check_there(tree: Tree, roots: Sequence[Selected], path: str, source: str) -> None:
    for root in roots:
        if tree.lookup(f"{root.entry.path}/{path}".lstrip("/")) is not None:
            return
    raise NoSuchSource(source, _near(tree, clean(source)))


def _found(tree: Tree, source: str) -> list[Selected]:
    path = clean(source)
    before, pattern = _split(path)
    if not pattern:
        if tree.lookup(resolve(tree.lookup, path)) is None:
            path = re.sub(r"\\(.)", r"\1", path, flags=re.DOTALL)
        return [_named(tree, path.split("/"), source)]
    base = resolve(tree.lookup, before)
    directory = tree.lookup(base)
    if directory is None:
        raise NoSuchSource(source, _near(tree, before))
    if directory.kind is not Kind.DIRECTORY:
        return []
    return [_named(tree, match, source) for match in sorted(matches(tree, base, pattern))]


def _named(tree: Tree, path: Sequence[str], source: str) -> Selected:
    text = "/".join(path)
    entry = tree.lookup(resolve(tree.lookup, text))
    if entry is None:
        there = tree.lookup(text) is not None
        raise NoSuchSource(source, "" if there else _near(tree, text))
    return Selected(path[-1], entry)


def _split(path: str) -> tuple[str, str]:
    """The components before the first that has a wildcard, and the others."""
    parts = path.split("/")
    for place, part in enumerate(parts):
        if _WILDCARD.match(part):
            return "/".join(parts[:place]), "/".join(parts[place:])
    return path, ""


def matches(tree: Tree, base: str, pattern: str) -> Iterator[list[str]]:
    """The paths below a directory that match, by their components; no link is followed."""
    pending = [(base, pattern.split("/"))]
    while pending:
        directory, parts = pending.pop()
        matcher = compile_pattern(parts[0])
        for entry in tree.children(directory):
            if not matcher.fullmatch(entry.name):
                continue
            if len(parts) == 1:
                yield entry.path.split("/")
            elif entry.kind is Kind.DIRECTORY:
                pending.append((entry.path, parts[1:]))


def digest(tree: Tree, selection: Sequence[Selected], *, owners: bool) -> Digest:
    """Of names, kinds, modes, link targets and contents, and owners if they count; no times."""
    return Digest.from_raw(
        of_records(
            of_entry(
                each.entry, _content(tree, each.entry, owners), owners=owners, name=_name(each)
            )
            for each in selection
        )
    )


def _name(selected: Selected) -> str:
    """The name that it has where it is copied to: of a directory only what is in it is copied."""
    return "" if selected.entry.kind is Kind.DIRECTORY else selected.name


def _content(tree: Tree, entry: Entry, owners: bool) -> bytes:
    """The sha256 that stands for what is in an entry."""
    if entry.kind in (Kind.FILE, Kind.HARDLINK):
        return tree.digest(entry)
    if entry.kind is Kind.SYMLINK:
        return of_target(entry.link)
    if entry.kind is not Kind.DIRECTORY:
        return NOTHING
    if isinstance(tree, Fingerprinted) and not owners:
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
