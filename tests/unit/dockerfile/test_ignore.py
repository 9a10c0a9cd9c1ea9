""".dockerignore."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
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
        ("a\u2028b", "a\u2028b", True),
        ("a\x0cb", "b", False),
        ("//a", "a", True),
        ("/../a", "a", True),
        ("/", "a", False),
        ("a\n!!a", "a", True),
        ("!!a\n*\n!!a", "!a", False),
        ("**b", "x/ab", True),
        ("a/**", "a", False),
        ("a/**\n!a/b", "a/b/c", False),
    ],
)
def test_rules(rules: str, path: str, excluded: bool) -> None:
    assert Ignore.parse(rules).excludes(path) == excluded


def test_errors_name_the_line() -> None:
    with pytest.raises(BadIgnoreFile, match=r"^\.dockerignore:2: an exclamation mark"):
        Ignore.parse("a\n!\n")
    with pytest.raises(BadIgnoreFile, match=r"^x:1: not a file name pattern: '\[a'"):
        Ignore.parse("[a", name="x")


@pytest.mark.parametrize(
    ("rules", "path", "hidden"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "a/b", True),
        ("a\n!a/b", "a", False),
        ("a\n!a/b", "a/c", True),
        ("a\n!c", "a", True),
        ("a\n!*/x", "a", False),
        ("*", ".", True),
        ("**/*", ".", True),
        ("*\n!a", ".", False),
        ("a", ".", False),
    ],
)
def test_what_is_hidden_with_all_below_it(rules: str, path: str, hidden: bool) -> None:
    assert Ignore.parse(rules).hides(path) == hidden


def in_order(rules: list[str], path: str) -> bool:
    """Each rule in turn, on the path and everything above it: the last that applies decides."""
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    excluded = False
    for rule in rules:
        if any(matches(rule.removeprefix("!"), each) for each in above):
            excluded = not rule.startswith("!")
    return excluded


def matches(pattern: str, path: str) -> bool:
    """One pattern on one path, a mark at a time."""
    if not pattern:
        return not path
    if pattern.startswith("**"):
        rest = pattern[2:].removeprefix("/")
        starts = [at for at in range(len(path) + 1) if at == 0 or path[at - 1] == "/"]
        return not rest or any(matches(rest, path[at:]) for at in starts)
    if pattern[0] == "*":
        ends = [end for end in range(len(path) + 1) if "/" not in path[:end]]
        return any(matches(pattern[1:], path[end:]) for end in ends)
    same = path[:1] not in ("", "/") if pattern[0] == "?" else path[:1] == pattern[0]
    return same and matches(pattern[1:], path[1:])


components = st.sampled_from(["a", "b", "ab", "*", "?b", "a*", "**", "*b"])
patterns = st.lists(components, min_size=1, max_size=3).map("/".join)
names = st.lists(st.sampled_from(["a", "b", "ab", "bb"]), min_size=1, max_size=4).map("/".join)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(["", "", "!"]), patterns).map("".join), max_size=5), names
)
def test_rules_apply_in_order_to_a_path_and_what_is_above(rules: list[str], path: str) -> None:
    assert Ignore.parse("\n".join(rules)).excludes(path) == in_order(rules, path)


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
