"""Go's file name patterns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.dockerfile.wildcard import BadPattern, compile_ignore, compile_pattern, is_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("abc", "abc", True),
        ("*", "abc", True),
        ("*c", "abc", True),
        ("a*", "a", True),
        ("a*", "abc", True),
        ("a*", "ab/c", False),
        ("a*/b", "abc/b", True),
        ("a*/b", "a/c/b", False),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[e-g]", "abc", False),
        ("ab[^c]", "abc", False),
        ("ab[^b-d]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "ab", False),
        ("a?b", "a☺b", True),
        ("a[^a]b", "a☺b", True),
        ("a???b", "a☺b", False),
        ("[a-ζ]*", "α", True),
        ("*[a-ζ]", "A", False),
        ("a?b", "a/b", False),
        ("a*b", "a/b", False),
        ("[\\]a]", "]", True),
        ("[\\-]", "-", True),
        ("[x\\-]", "x", True),
        ("[x\\-]", "z", False),
        ("*x", "xxx", True),
        ("[^z-a]", "b", True),
        ("[z-a]", "b", False),
        ("a[/]b", "a/b", True),
        ("a[^x]b", "a/b", True),
        ("[^z-a]", "/", True),
    ],
)
def test_match(pattern: str, name: str, matches: bool) -> None:
    assert (compile_pattern(pattern).fullmatch(name) is not None) == matches


@pytest.mark.parametrize("pattern", ["[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "a\\"])
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("**", "a/b/c", True),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("a/**/x", "a/x", True),
        ("a/**/x", "a/b/c/x", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("**/*.go", "a/b.go", True),
        ("**/*.go", "b.gox", False),
        ("a**b", "a/x/b", True),
        ("a**b", "axb", False),
        ("**b", "x/ab", True),
        ("**b*", "x/ab", False),
        ("**/b", "x/ab", False),
    ],
)
def test_any_depth(pattern: str, path: str, matches: bool) -> None:
    assert (compile_ignore(pattern).fullmatch(path) is not None) == matches


def go_match(pattern: str, name: str) -> bool:
    """What `filepath.Match` promises, read from its grammar, one term at a time."""
    if not pattern:
        return not name
    mark, rest = pattern[0], pattern[1:]
    if mark == "*":
        ends = range(len(name) + 1)
        return any(go_match(rest, name[end:]) for end in ends if "/" not in name[:end])
    if mark == "[":
        members, rest = bracket(rest)
        return bool(name) and members(name[0]) and go_match(rest, name[1:])
    if mark == "\\":
        mark, rest = rest[0], rest[1:]
    elif mark == "?":
        return name[:1] not in ("", "/") and go_match(rest, name[1:])
    return name[:1] == mark and go_match(rest, name[1:])


def bracket(pattern: str) -> tuple[Callable[[str], bool], str]:
    """What a class holds, and the pattern behind it."""
    negated = pattern.startswith("^")
    rest = pattern[negated:]
    ranges: list[tuple[str, str]] = []
    while not (rest.startswith("]") and ranges):
        low, rest = member(rest)
        high = low
        if rest.startswith("-"):
            high, rest = member(rest[1:])
        ranges.append((low, high))
    return lambda mark: any(a <= mark <= b for a, b in ranges) != negated, rest[1:]


def member(pattern: str) -> tuple[str, str]:
    return (pattern[1], pattern[2:]) if pattern[0] == "\\" else (pattern[0], pattern[1:])


@settings(max_examples=250)
@given(st.text(alphabet="ab*?[]^-\\/", max_size=9), st.text(alphabet="ab-/^", max_size=6))
def test_matching_is_what_the_grammar_says(pattern: str, name: str) -> None:
    try:
        compiled = compile_pattern(pattern)
    except BadPattern:
        return
    assert (compiled.fullmatch(name) is not None) == go_match(pattern, name)


@given(st.text(min_size=1))
def test_an_escaped_name_matches_itself_alone(name: str) -> None:
    pattern = "".join("\\" + mark for mark in name)
    assert compile_pattern(pattern).fullmatch(name)
    assert not compile_pattern(pattern).fullmatch(name + "x")


@given(st.text(alphabet="ab*?[]^-\\/", max_size=12), st.text(alphabet="ab/", max_size=8))
def test_any_pattern_compiles_or_is_refused(pattern: str, name: str) -> None:
    for compile_ in (compile_pattern, compile_ignore):
        try:
            compiled = compile_(pattern)
        except BadPattern:
            continue
        compiled.fullmatch(name)
        if not is_pattern(pattern):
            assert (compiled.fullmatch(name) is not None) == (name == pattern)
