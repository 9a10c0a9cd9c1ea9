"""The context: what a build sees of a directory, and what changes the digest of a COPY."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from lamina.context.directory import Context
from lamina.context.errors import ContextChanged, NoContext
from lamina.context.ignoring import ignore_file
from lamina.context.known import DigestCache
from lamina.copying import select
from lamina.copying.select import NoSuchSource
from lamina.dockerfile.ignore import Ignore
from lamina.layer.entry import Kind
from lamina.oci.digest import Digest
from tests.unit.context.conftest import selected, watch


def digest(root: Path, *sources: str, rules: str = "") -> Digest:
    context = Context(root, Ignore.parse(rules))
    return select.digest(context, selected(context, *sources), owners=False)


def picked(root: Path, *sources: str, rules: str = "") -> list[str]:
    context = Context(root, Ignore.parse(rules))
    return [each.entry.path for each in selected(context, *sources)]


def test_sources_are_paths_or_patterns(root: Path) -> None:
    assert picked(root, "src/a.c") == ["src/a.c"]
    assert picked(root, "/src/../src/./a.c") == ["src/a.c"]
    assert picked(root, "../../src") == ["src"]
    assert picked(root, ".") == [""]
    assert picked(root, "src/*.c") == ["src/a.c", "src/b.c"]
    assert picked(root, "*/*/*.h") == ["src/deep/c.h"]
    assert picked(root, "*.none") == []


def test_a_link_is_followed_inside_the_context(root: Path) -> None:
    assert picked(root, "link") == ["src/a.c"]
    with pytest.raises(NoSuchSource):
        picked(root, "out")


def test_a_link_that_leads_to_itself_is_refused(root: Path) -> None:
    from lamina.context.tree import LinkLoop

    with pytest.raises(LinkLoop):
        picked(root, "loop")


def test_a_missing_source_names_the_nearest(root: Path) -> None:
    with pytest.raises(NoSuchSource) as caught:
        picked(root, "src/a.cc")
    assert caught.value.hint == "did you mean src/a.c?"


def test_ignored_files_do_not_exist(root: Path) -> None:
    context = Context(root, Ignore.parse("src\n!src/deep"))
    assert [entry.path for entry in context.children("src")] == ["src/deep"]
    assert context.lookup("src/a.c") is None
    assert context.hidden("src/a.c")
    assert not context.hidden("nothing")


def test_a_directory_of_which_nothing_is_left_does_not_exist(root: Path) -> None:
    context = Context(root, Ignore.parse("src\n!src/nothing"))
    assert "src" not in [entry.path for entry in context.children("")]


def test_entries_belong_to_root(root: Path) -> None:
    entry = Context(root, Ignore()).lookup("src/a.c")
    assert entry is not None
    assert (entry.kind, entry.uid, entry.gid, entry.size) == (Kind.FILE, 0, 0, 1)


def test_times_and_places_do_not_change_the_digest(root: Path, tmp_path: Path) -> None:
    before = digest(root, ".")
    os.utime(root / "src" / "a.c", (1, 1))
    shutil.copytree(root, tmp_path / "elsewhere", symlinks=True)
    assert digest(root, ".") == before
    assert digest(tmp_path / "elsewhere", ".") == before


def test_the_mode_of_the_context_itself_does_not_count(root: Path) -> None:
    before = digest(root, ".")
    root.chmod(0o700)
    assert digest(root, ".") == before


def test_content_mode_name_link_and_type_change_the_digest(root: Path) -> None:
    seen = {digest(root, ".")}
    (root / "src" / "a.c").write_text("A")
    seen.add(digest(root, "."))
    (root / "src" / "a.c").chmod(0o755)
    seen.add(digest(root, "."))
    (root / "src" / "a.c").rename(root / "src" / "z.c")
    seen.add(digest(root, "."))
    (root / "link").unlink()
    (root / "link").symlink_to("src/b.c")
    seen.add(digest(root, "."))
    (root / "src" / "deep" / "c.h").unlink()
    seen.add(digest(root, "."))
    (root / "src" / "deep").rmdir()
    (root / "src" / "deep").write_text("")
    seen.add(digest(root, "."))
    assert len(seen) == 7


def test_what_is_not_selected_does_not_change_the_digest(root: Path) -> None:
    before = digest(root, "src/*.c")
    (root / "src" / "deep" / "c.h").write_text("changed")
    assert digest(root, "src/*.c") == before


def test_a_file_that_changes_after_it_was_looked_at_is_noticed(root: Path) -> None:
    context = Context(root, Ignore())
    (chosen,) = selected(context, "src/a.c")
    (root / "src" / "a.c").write_text("longer")
    with pytest.raises(ContextChanged, match=r"src/a\.c changed"):
        context.open(chosen.entry)
    (root / "src" / "a.c").unlink()
    with pytest.raises(ContextChanged):
        context.digest(chosen.entry)


@pytest.mark.parametrize("path", ["x" * 300, "/".join(["x" * 200] * 30), "a\0b", "src/a.c/x"])
def test_a_path_that_cannot_be_is_not_there(root: Path, path: str) -> None:
    context = Context(root, Ignore())
    assert context.lookup(path) is None
    assert not context.hidden(path)


def test_a_context_is_a_directory(root: Path) -> None:
    with pytest.raises(NoContext):
        Context(root / "link", Ignore())


def reads(root: Path, cache: Path, started: int) -> list[str]:
    """Which files a build reads that copies everything."""
    kept = DigestCache(cache, started)
    context = Context(root, Ignore(), kept)
    with watch(root) as found:
        select.digest(context, selected(context, "."), owners=False)
    kept.save()
    return sorted(found)


ALL = ["src/a.c", "src/b.c", "src/deep/c.h"]


def test_an_unchanged_file_is_not_read_again(root: Path, tmp_path: Path) -> None:
    later = time.time_ns() + 10**9
    cache = tmp_path / "root" / "cache"
    cache.parent.mkdir()
    assert reads(root, cache, later) == ALL
    assert reads(root, cache, later) == []
    (root / "src" / "a.c").write_text("x")
    os.utime(root / "src" / "a.c", (1, 1))
    assert reads(root, cache, later) == ["src/a.c"]
    assert reads(root, cache, later) == []


def test_a_file_touched_a_moment_ago_is_read_again(root: Path, tmp_path: Path) -> None:
    now = time.time_ns()
    assert reads(root, tmp_path / "cache", now) == ALL
    assert reads(root, tmp_path / "cache", now) == ALL


def test_a_damaged_cache_is_an_empty_one(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_bytes(b"\xff\x00nonsense")
    assert reads(root, cache, time.time_ns() + 10**9) == ALL
    assert reads(root, cache, time.time_ns() + 10**9) == []


def test_the_ignore_file_beside_the_dockerfile_wins(root: Path) -> None:
    (root / ".dockerignore").write_text("a")
    assert ignore_file(root, root / "Dockerfile").excludes("a")
    (root / "Dockerfile.dockerignore").write_text("b")
    assert not ignore_file(root, root / "Dockerfile").excludes("a")
    assert ignore_file(root, root / "Dockerfile").excludes("b")
    assert ignore_file(root, None).excludes("a")
    assert not ignore_file(root / "src", None).rules
