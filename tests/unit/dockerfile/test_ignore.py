""".dockerignore."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile.ignore import BadIgnoreFile, Ignore


@pytest.mark.parametrize(
    ("rules", "path", "excluded"),
    [
        ("", "a", False),
        ("a", "a", True),
        ("a", "b/a", False),
        ("a", "a/b/c", True),
        ("/a", "a", True),
        ("./a/", "a", True),
        ("a/../b", "b", True),
        ("*.md", "x.md", True),
        ("*.md", "d/x.md", False),
        ("**/*.md", "d/e/x.md", True),
        ("*.md\n!README.md", "README.md", False),
        ("!README.md\n*.md", "README.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("dir\n!dir/keep", "dir/keep", False),
        ("dir\n!dir/keep", "dir/other", True),
        ("*\n!src", "src/a/b", False),
        ("*\n!src", "x", True),
        ("# a comment\n #x", "#x", True),
        ("# a comment", "# a comment", False),
        ("  a  ", "a", True),
        ("\ufeffa", "a", True),
        ("a\r\nb\r\n", "b", True),
        (".", "a", False),
        ("! a", "a", False),
    ],
)
def test_rules(rules: str, path: str, excluded: bool) -> None:
    assert Ignore.parse(rules).excludes(path) == excluded


def test_errors_name_the_line() -> None:
    with pytest.raises(BadIgnoreFile, match=r"^\.dockerignore:2: an exclamation mark"):
        Ignore.parse("a\n!\n")
    with pytest.raises(BadIgnoreFile, match=r"^x:1: not a file name pattern: '\[a'"):
        Ignore.parse("[a", name="x")


paths = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map("/".join)
lines = st.tuples(st.sampled_from(["", "!"]), st.sampled_from(["a", "b/*", "*/c", "**/a", "a/b"]))


@given(st.lists(lines.map("".join), max_size=6), paths)
def test_what_is_pruned_has_nothing_that_comes_back(rules: list[str], path: str) -> None:
    ignore = Ignore.parse("\n".join(rules))
    parent = path.rpartition("/")[0]
    if parent and ignore.excludes(parent) and ignore.prunes(parent):
        assert ignore.excludes(path)


@given(st.lists(lines.map("".join), max_size=6), paths)
def test_the_last_rule_that_matches_decides(rules: list[str], path: str) -> None:
    matching = [rule for rule in rules if Ignore.parse(rule.lstrip("!")).excludes(path)]
    expected = bool(matching) and not matching[-1].startswith("!")
    assert Ignore.parse("\n".join(rules)).excludes(path) == expected
