"""Addresses of repositories, as BuildKit reads them."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.context.git_address import BadAddress, GitSource, is_commit, parse_git

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com/", None),
        ("https://example.com/foo", None),
        ("https://example.com/foo.git/", None),
        ("https://example.com/foo.git.bar", None),
        ("http://github.com/docker/docker.git:#branch", None),
        ("custom.xyz/moby/buildkit.git", None),
        ("https://github.com/moby/buildkit", None),
        ("./.git", None),
        ("../x.git", None),
        (".git", None),
        ("a:b", None),
        ("ftp://example.com/foo.git", None),
        ("docker-image://alpine", None),
        ("https://[bad/foo.git", None),
        ("https:///foo.git", None),
        ("https://example.com/foo.git", GitSource("https://example.com/foo.git")),
        ("HTTPS://example.com/foo.git", GitSource("https://example.com/foo.git")),
        ("git://example.com/foo", GitSource("git://example.com/foo")),
        ("ssh://me@example.com:22/foo", GitSource("ssh://me@example.com:22/foo")),
        ("file:///srv/foo", GitSource("file:///srv/foo")),
        ("git@github.com:moby/buildkit", GitSource("git@github.com:moby/buildkit")),
        ("git@host:a.git#x:y", GitSource("git@host:a.git", "x", "y")),
        ("git@host:a.git?branch=x&subdir=y", GitSource("git@host:a.git", "refs/heads/x", "y")),
        (
            "github.com/moby/buildkit",
            GitSource("https://github.com/moby/buildkit", like_a_path=True),
        ),
        (
            "github.com/moby/buildkit#d4f088e",
            GitSource("https://github.com/moby/buildkit", "d4f088e", like_a_path=True),
        ),
        ("https://h/a.git#deadbeef", GitSource("https://h/a.git", "deadbeef")),
        ("https://h/a.git#release/1.2", GitSource("https://h/a.git", "release/1.2")),
        ("https://h/a.git#a/b:c/d", GitSource("https://h/a.git", "a/b", "c/d")),
        ("https://h/a.git#:dir", GitSource("https://h/a.git", "", "dir")),
        ("https://h/a.git#:/./dir//x/", GitSource("https://h/a.git", "", "dir/x")),
        ("https://h/a.git?ref=v1&subdir=/s", GitSource("https://h/a.git", "v1", "s")),
        ("https://h/a.git?tag=v1", GitSource("https://h/a.git", "refs/tags/v1")),
        ("https://h/a.git?tag=refs/tags/v1", GitSource("https://h/a.git", "refs/tags/v1")),
        ("https://h/a.git?branch=b", GitSource("https://h/a.git", "refs/heads/b")),
        (
            "https://h/a.git?tag=v1&checksum=ABC",
            GitSource("https://h/a.git", "refs/tags/v1", checksum="abc"),
        ),
        (
            f"https://h/a.git?commit={SHA}",
            GitSource("https://h/a.git", SHA, checksum=SHA),
        ),
        (
            "https://h/a.git?keep-git-dir&submodules=false",
            GitSource("https://h/a.git", keep_git_dir=True, submodules=False),
        ),
        ("https://h/a.git?ref=x#x", GitSource("https://h/a.git", "x")),
    ],
)
def test_addresses(text: str, expected: GitSource | None) -> None:
    assert parse_git(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("https://h/a.git?ref=a#b", "two values for ref: 'b' and 'a'"),
        ("https://h/a.git?tag=a&branch=b", "two values for ref"),
        ("https://h/a.git?subdir=a#:b", "two values for subdir"),
        ("https://h/a.git?ref=", "ref without a value"),
        ("https://h/a.git?ref=a&ref=b", "ref twice"),
        ("https://h/a.git?color=red", "no option 'color'"),
        ("https://h/a.git?checksum=xyz", "not the digest of a commit: 'xyz'"),
        ("https://h/a.git?keep-git-dir=maybe", "neither true nor false"),
        ("https://h/a.git#--upload-pack=x", "not a reference of git"),
        ("https://h/a.git#a%20b", "not a reference of git"),
        ("https://h/a.git#:../x", "leads out of the repository"),
        ("ssh://-oProxyCommand=x/a", "not the name of a host"),
    ],
)
def test_addresses_that_make_no_sense(text: str, problem: str) -> None:
    with pytest.raises(BadAddress, match=problem):
        parse_git(text)


def test_a_password_is_not_shown() -> None:
    found = parse_git("https://me:secret@example.com:8/a.git#v1:x")
    assert found is not None
    assert found.remote == "https://me:secret@example.com:8/a.git"
    assert found.shown == "https://example.com:8/a.git"
    assert found.text == "https://example.com:8/a.git#v1:x"


def test_a_user_is_part_of_an_address() -> None:
    found = parse_git("ssh://git@example.com/a.git")
    assert found is not None
    assert found.shown == "ssh://git@example.com/a.git"


@pytest.mark.parametrize(
    ("ref", "expected"), [(SHA, True), (SHA[:39], False), (SHA + "0" * 24, True), ("main", False)]
)
def test_a_full_digest_is_a_commit(ref: str, expected: bool) -> None:
    assert is_commit(ref) is expected


NAMES = st.from_regex(r"[a-z][a-z0-9./_-]{0,10}[a-z0-9]", fullmatch=True).filter(
    lambda name: ".." not in name and "//" not in name and "/./" not in name
)


@given(NAMES, NAMES)
def test_fragment_and_query_say_the_same(ref: str, subdir: str) -> None:
    by_fragment = parse_git(f"https://h/a.git#{ref}:{subdir}")
    by_query = parse_git(f"https://h/a.git?ref={quote(ref)}&subdir={quote(subdir)}")
    assert by_fragment == by_query
    assert by_fragment is not None
    assert parse_git(by_fragment.text) == by_fragment


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none_or_refused(text: str) -> None:
    for prefix in ("", "https://h/a.git#", "git@h:", "github.com/", "https://h/a.git?"):
        try:
            found = parse_git(prefix + text)
        except BadAddress:
            continue
        assert found is None or not found.ref.startswith("-")
