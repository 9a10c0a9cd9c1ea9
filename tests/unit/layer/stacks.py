"""Small layers for tests of the merged view, and a model that really applies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from lamina.layer.contract import Listing
from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Entry, Kind
from lamina.oci.digest import Digest

_KINDS = {"d": Kind.DIRECTORY, "f": Kind.FILE, "l": Kind.SYMLINK, "h": Kind.HARDLINK}


def listing(*lines: str) -> Listing:
    """A layer from lines: `f a/x 100 [content]`, `d a`, `l a -> b`, `h a/y = a/x`, `w a/x`,
    `o a` (opaque); `d .` is the root."""
    entries: list[Entry] = []
    offset = 0
    for line in lines:
        letter, path, *rest = line.split()
        path = "" if path == "." else path
        if letter == "w":
            parent, slash, name = path.rpartition("/")
            path, letter, rest = parent + slash + WHITEOUT_PREFIX + name, "f", ["0"]
        elif letter == "o":
            path, letter, rest = f"{path}/{OPAQUE_NAME}", "f", ["0"]
        size = int(rest[0]) if letter == "f" else 0
        link = rest[1] if letter in "lh" else ""
        sha256 = b""
        if letter == "f" and rest[1:]:
            # All empty files have the same content.
            sha256 = Digest.of(rest[1].encode() if size else b"").raw
        mode = 0o755 if letter == "d" else 0o644
        entries.append(
            Entry(path, _KINDS[letter], mode, 0, 0, size, 0, link, sha256=sha256, offset=offset)
        )
        offset += 512 + size
    return Listing(Digest.of("\n".join(lines).encode()), tuple(entries), offset + 1024)


@dataclass(eq=False)
class Node:
    """A file, or a directory when it has children; `layer` is where it was made."""

    layer: int
    size: int = 0
    kind: Kind = Kind.FILE
    children: dict[str, Node] | None = None
    gone: bool = False
    opaque: bool = False

    @classmethod
    def directory(cls, layer: int) -> Node:
        return cls(layer, kind=Kind.DIRECTORY, children={})


@dataclass
class Model:
    """Layers applied one after another, as a file system would hold them."""

    root: Node = field(default_factory=lambda: Node.directory(0))

    @classmethod
    def of(cls, listings: Sequence[Listing]) -> Model:
        model = cls()
        for number, each in enumerate(listings):
            model.root = _merge(model.root, _extract(each, number))
        return model

    def tree(self) -> dict[str, Node]:
        """Every path that can be seen."""
        found: dict[str, Node] = {}

        def visit(node: Node, path: str) -> None:
            for name, child in (node.children or {}).items():
                here = f"{path}/{name}" if path else name
                found[here] = child
                visit(child, here)

        visit(self.root, "")
        return found

    def visible_bytes(self) -> int:
        """The bytes of every file that can be seen, each once however many names it has."""
        return sum(node.size for node in {id(node): node for node in self.tree().values()}.values())


def _extract(layer: Listing, number: int) -> Node:
    """The layer's own tree, as tar extracts it; markers are put in at the end."""
    root = Node.directory(number)

    def directory(parts: Sequence[str]) -> Node:
        at = root
        for part in parts:
            assert at.children is not None
            below = at.children.get(part)
            if below is None or below.children is None:
                below = at.children[part] = Node.directory(number)
            at = below
        return at

    marks: list[tuple[Node, str]] = []
    for entry in layer.entries:
        if not entry.path:
            continue  # the root is there anyhow
        *parents, name = entry.path.split("/")
        at = directory(parents)
        assert at.children is not None
        if name.startswith(WHITEOUT_PREFIX):
            marks.append((at, name))
        elif entry.kind is Kind.DIRECTORY:
            directory([*parents, name])
        elif entry.kind is Kind.HARDLINK:
            *above, last = entry.link.split("/")
            target = (directory(above).children or {})[last]
            at.children[name] = target
        else:
            at.children[name] = Node(number, entry.size, entry.kind)
    for at, name in marks:
        assert at.children is not None
        if name == OPAQUE_NAME:
            at.opaque = True
            continue
        here = at.children.get(name.removeprefix(WHITEOUT_PREFIX))
        if here is None:
            at.children[name.removeprefix(WHITEOUT_PREFIX)] = Node(number, gone=True)
        elif here.children is not None:
            here.opaque = True
    return root


def _merge(lower: Node | None, upper: Node) -> Node:
    """What overlayfs shows of `upper` over `lower`."""
    if upper.children is None:
        return upper
    merged = Node.directory(upper.layer)
    assert merged.children is not None
    below = {} if lower is None or upper.opaque else lower.children or {}
    merged.children.update(below)
    for name, node in upper.children.items():
        merged.children.pop(name, None)
        if not node.gone:
            merged.children[name] = _merge(below.get(name), node)
    return merged


_NAMES = st.sampled_from(["a", "b", "c", ".wh.", "d.wh.e"])
_PATHS = st.lists(_NAMES.filter(lambda name: name != ".wh."), min_size=1, max_size=4).map("/".join)
_LINES = st.one_of(
    st.tuples(st.just("d"), _PATHS).map(" ".join),
    st.builds(
        lambda path, size, content: f"f {path} {size} {content}",
        _PATHS,
        st.integers(0, 9),
        st.sampled_from("xy"),
    ),
    st.builds("l {} -> c".format, _PATHS),
    st.builds("h {} = {}".format, _PATHS, _PATHS),
    st.builds("w {}".format, _PATHS),
    st.builds("o {}".format, _PATHS),
    st.just("d ."),
)


def _legal(lines: Sequence[str]) -> Listing:
    """The layer without the lines that no extractor would take."""
    kept: list[str] = []
    for line in lines:
        candidate = listing(*kept, line)
        *_, last = candidate.entries
        live = _live(candidate.entries[:-1])
        above = last.path.split("/")
        parents = ["/".join(above[:depth]) for depth in range(1, len(above))]
        if any(live.get(parent, Kind.DIRECTORY) is not Kind.DIRECTORY for parent in parents):
            continue
        if last.kind is Kind.HARDLINK and (
            live.get(last.link, Kind.DIRECTORY) is Kind.DIRECTORY
            or last.link == last.path
            or last.path in _above(last.link)
        ):
            continue
        kept.append(line)
    return listing(*kept)


def _above(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:depth]) for depth in range(1, len(parts))}


def _live(entries: Sequence[Entry]) -> dict[str, Kind]:
    live: dict[str, Kind] = {}
    for entry in entries:
        if entry.is_marker:
            live.update(dict.fromkeys(_above(entry.path), Kind.DIRECTORY))
            continue
        if entry.kind is not Kind.DIRECTORY:
            for path in [path for path in live if path.startswith(entry.path + "/")]:
                del live[path]
        live.update(dict.fromkeys(_above(entry.path), Kind.DIRECTORY))
        live[entry.path] = live[entry.link] if entry.kind is Kind.HARDLINK else entry.kind
    return live


layers = st.lists(_LINES, max_size=8).map(_legal)
stacks = st.lists(layers, max_size=5)
