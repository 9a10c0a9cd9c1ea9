from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from lamina.layer.contract import Listing
from lamina.layer.entry import Kind
from lamina.layer.union import Union
from lamina.minify.image_tree import ImageTree
from lamina.minify.keep import Wishes, keep
from lamina.minify.minify import minify_plan
from lamina.minify.removed import removed_entries
from lamina.needs.system import System
from lamina.oci.digest import Digest
from lamina.repack.repack import tree_of as records_of
from lamina.repack.tree import records
from tests.fakes.stacks import stack_of_files
from tests.unit.minify.trees import Content, Same, tree_of

FILES: dict[str, Content] = {
    "usr/share/a/one": "1",
    "usr/share/a/two": "2",
    "usr/share/b/three": "3",
    "usr/share/b/again": Same("usr/share/b/three"),
    "opt/x/y/z": "4",
}


def test_the_layer_holds_what_went_and_the_directories_of_it() -> None:
    tree = tree_of(FILES)
    removed = tree.entries.keys() - {"usr", "usr/share", "usr/share/a", "usr/share/a/one"}
    entries = [entry for _, entry in removed_entries(tree.system.stack, removed)]
    assert [(entry.path, entry.kind) for entry in entries] == [
        ("opt", Kind.DIRECTORY),
        ("opt/x", Kind.DIRECTORY),
        ("opt/x/y", Kind.DIRECTORY),
        ("opt/x/y/z", Kind.FILE),
        ("usr", Kind.DIRECTORY),
        ("usr/share", Kind.DIRECTORY),
        ("usr/share/a", Kind.DIRECTORY),
        ("usr/share/a/two", Kind.FILE),
        ("usr/share/b", Kind.DIRECTORY),
        ("usr/share/b/again", Kind.FILE),
        ("usr/share/b/three", Kind.HARDLINK),
    ]
    assert entries[-1].link == "usr/share/b/again"


NAMES = ["a", "b", "c"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
LAYERS = st.lists(
    st.dictionaries(
        st.one_of(
            PATHS, PATHS.map(lambda path: "/".join([*path.split("/")[:-1], f".wh.{path[-1]}"]))
        ),
        st.sampled_from([b"1", b"22", b"", None]),
        max_size=5,
    ),
    min_size=1,
    max_size=4,
)


@given(LAYERS, st.sets(PATHS, max_size=3))
def test_the_smaller_image_with_what_went_over_it_is_the_old_one(
    layers: list[dict[str, bytes | None]], used: set[str]
) -> None:
    # A tar that has something below its own file is refused, and not minified.
    for layer in layers:
        files = {path for path, content in layer.items() if content is not None}
        assume(not any(path.startswith(f"{file}/") for path in layer for file in files))
    stack = stack_of_files(layers)
    tree = ImageTree(System(stack))
    there = {path for path in used if stack.union.content(path) is not None}
    removed = keep(tree, there, Wishes()).removed
    old = records_of(stack)
    planned = [layer.listing for layer in minify_plan(stack, removed).layers]
    smaller = records(planned, Union.of(planned))
    assert smaller == {path: old[path] for path in old if path not in removed}
    entries = tuple(entry for _, entry in removed_entries(stack, removed))
    both = [*planned, Listing(Digest.of(b"removed"), entries, 0)]
    assert records(both, Union.of(both)) == old
