"""What a tree holds, kept small: the same from a directory and from any other tree."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from lamina.context.directory import Context
from lamina.context.outline import count, flat, outline
from lamina.context.tree import ROOT, Content
from lamina.dockerfile.ignore import Ignore
from lamina.layer.entry import Entry
from lamina.sha256 import sha256


class Plain:
    """A tree that is no `Context`: the long way."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def lookup(self, path: str) -> Entry | None:
        return self._context.lookup(path)

    def children(self, path: str) -> Sequence[Entry]:
        return self._context.children(path)

    def digest(self, entry: Entry) -> bytes:
        return self._context.digest(entry)

    def open(self, entry: Entry) -> Content:
        return self._context.open(entry)


def context(root: Path) -> Context:
    made = Context(root, Ignore.parse("ignored\n"))
    made.fingerprint(ROOT)
    return made


def fill(root: Path) -> Path:
    (root / "d" / "deep").mkdir(parents=True)
    (root / "a").write_text("a")
    (root / "d" / "b").write_text("bb")
    (root / "d" / "b").chmod(0o755)
    (root / "d" / "deep" / "link").symlink_to("../b")
    (root / "ignored").write_text("x")
    (root / "e").mkdir(0o700)
    return root


def test_every_file_with_its_mode_and_digest(tmp_path: Path) -> None:
    found = outline(context(fill(tmp_path)), [ROOT])
    assert {path: oct(mode) for path, (mode, _) in flat(found).items()} == {
        b"a": "0o100644",
        b"d/": "0o40755",
        b"d/b": "0o100755",
        b"d/deep/": "0o40755",
        b"d/deep/link": "0o120777",
        b"e/": "0o40700",
    }
    assert flat(found)[b"a"][1] == sha256(b"a")[:8]
    assert flat(found)[b"d/deep/link"][1] == sha256(b"../b")[:8]
    assert count(found) == 3


def test_a_context_and_any_tree_have_the_same_outline(tmp_path: Path) -> None:
    tree = context(fill(tmp_path))
    assert flat(outline(Plain(tree), [ROOT])) == flat(outline(tree, [ROOT]))


def test_single_files_beside_a_directory(tmp_path: Path) -> None:
    tree = context(fill(tmp_path))
    chosen = [cast("Entry", tree.lookup(path)) for path in ("a", "d/b", "d/deep")]
    found = flat(outline(tree, chosen))
    assert set(found) == {b"a", b"d/b", b"d/deep/link"}
    whole = flat(outline(tree, [ROOT]))
    assert found == {path: whole[path] for path in found}


def test_names_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff")).write_text("x")
    assert set(flat(outline(context(tmp_path), [ROOT]))) == {b"\xff"}


def test_an_outline_is_small(tmp_path: Path) -> None:
    import msgspec

    for number in range(500):
        (tmp_path / f"source-file-{number:05}.py").write_text(str(number))
    raw = msgspec.msgpack.encode(outline(context(tmp_path), [ROOT]))
    assert len(raw) < 500 * 50  # 1 MB for 20,000 of them
