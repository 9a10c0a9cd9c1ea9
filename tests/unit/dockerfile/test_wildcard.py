"""Go's file name patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile.wildcard import BadPattern, compile_ignore, compile_pattern, is_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        # The table of Go's own test of filepath.Match.
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
        ("a[/]b", "a/b", False),
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
    ],
)
def test_any_depth(pattern: str, path: str, matches: bool) -> None:
    assert (compile_ignore(pattern).fullmatch(path) is not None) == matches


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
