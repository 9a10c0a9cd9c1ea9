"""ADD's remote sources: which ones they are, what identifies them, their files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.context.git_address import BadAddress, GitSource
from lamina.context.http import Web
from lamina.context.remote import (
    RemoteCheckout,
    RemoteFile,
    Remotes,
    RemoteSource,
    is_remote,
    name_of,
    parse_remote,
)
from lamina.copying.select import digest
from tests.fakes.repositories import ENVIRONMENT, Repository
from tests.fakes.web import FakeWeb, Page
from tests.unit.context.conftest import selected, watch


@pytest.fixture
def server() -> Iterator[FakeWeb]:
    with FakeWeb({"/a/[x].txt": Page(b"hello")}) as running:
        yield running


@pytest.fixture
def remotes(tmp_path: Path) -> Remotes:
    work = tmp_path / "work"
    work.mkdir()
    return Remotes(Web(tmp_path / "cache", ENVIRONMENT), work)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a/b", False),
        ("github.com/moby/buildkit", False),
        ("ftp://example.com/x", False),
        ("a:b", False),
        ("http.txt", False),
        ("http://example.com/x", True),
        ("https://example.com/x.git", True),
        ("git@example.com:x", True),
        ("ssh://git@example.com/x", True),
        ("git://example.com/x#y", True),
    ],
)
def test_what_is_remote(source: str, expected: bool) -> None:
    assert is_remote(source) is expected


def test_files_and_repositories() -> None:
    assert parse_remote("https://h/x/y.tgz?a=b") == RemoteFile("https://h/x/y.tgz?a=b", "y.tgz")
    assert parse_remote("https://h/x", checksum=f"sha256:{'ab' * 32}") == RemoteFile(
        "https://h/x", "x", b"\xab" * 32
    )
    assert parse_remote("https://h/x.git#v1", checksum="ABCD") == RemoteCheckout(
        GitSource("https://h/x.git", "v1", checksum="abcd")
    )
    for source, flag in (("https://h/x.git?keep-git-dir", None), ("https://h/x.git", True)):
        found = parse_remote(source, keep_git_dir=flag)
        assert isinstance(found, RemoteCheckout)
        assert found.keep_git_dir


@pytest.mark.parametrize(
    ("source", "checksum", "keep", "problem"),
    [
        ("https://h/x", "abc", None, "not a checksum of a file"),
        ("https://h/x.git", "sha256:ab", None, "not the digest of a commit"),
        ("https://h/x.git?checksum=abc", "abd", None, "wants the commit abc, --checksum abd"),
        ("https://h/x.git?keep-git-dir=0", "", True, "say opposite things"),
    ],
)
def test_flags_that_make_no_sense(
    source: str, checksum: str, keep: bool | None, problem: str
) -> None:
    with pytest.raises(BadAddress, match=problem):
        parse_remote(source, checksum=checksum, keep_git_dir=keep)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://h/a/b.txt", "b.txt"),
        ("http://h/a/b.txt?x=y#z", "b.txt"),
        ("http://h/a/b/", "b"),
        ("http://h", "__unnamed__"),
        ("http://h/", "__unnamed__"),
        ("http://h/..", "__unnamed__"),
        ("http://h/%2e%2e", "__unnamed__"),
        ("http://h/a%2Fb", "b"),
        ("http://h/a%20b", "a b"),
        ("http://h/%ff", "\udcff"),
        ("http://h/%00", "__unnamed__"),
        (f"http://h/{'x' * 300}", "__unnamed__"),
    ],
)
def test_names(address: str, name: str) -> None:
    assert name_of(address) == name


def content(remotes: Remotes, source: RemoteSource) -> dict[str, bytes]:
    """What ADD would copy."""
    found = remotes.fetch(source)
    files: dict[str, bytes] = {}
    for each in selected(found.tree, *found.sources):
        entries = found.tree.children("") if each.entry.path == "" else [each.entry]
        for entry in entries:
            with found.tree.open(entry).file as file:
                files[entry.path] = file.read()
    return files


def test_a_file(remotes: Remotes, server: FakeWeb, tmp_path: Path) -> None:
    source = parse_remote(f"{server.url}/a/[x].txt")
    assert source is not None
    digest = hashlib.sha256(b"hello").hexdigest()
    assert remotes.identify(source) == f"sha256:{digest} [x].txt"
    assert content(remotes, source) == {"[x].txt": b"hello"}
    tree = remotes.fetch(source).tree
    with watch(tmp_path / "work") as opened:
        assert tree.digest(tree.children("")[0]).hex() == digest
    assert opened == []
    assert remotes.fetch(source).identity == remotes.identify(source)
    assert server.sent == 5


def test_a_repository(remotes: Remotes, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "remote", a="1", sub__b="2")
    source = parse_remote(f"{repository.address}#main:sub")
    assert source is not None
    commit = repository.git("rev-parse", "HEAD")
    assert remotes.identify(source) == f"git:{commit}:sub"
    tree = remotes.fetch(source).tree
    assert os.listdir(tmp_path / "work") == []
    first = digest(tree, selected(tree, "/"), owners=False)
    assert os.listdir(tmp_path / "work") == []
    # A build sees one state of it.
    repository.commit(sub__b="3")
    assert content(remotes, source) == {"b": b"2"}
    assert remotes.fetch(source).identity == f"git:{commit}:sub"
    assert digest(tree, selected(tree, "/"), owners=False) == first


def test_what_differs_is_told_apart(remotes: Remotes, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "remote", a="1")
    repository.git("tag", "-a", "-m", "x", "v1")
    address = repository.address
    sources = [
        parse_remote(address),
        parse_remote(address, keep_git_dir=True),
        parse_remote(f"{address}#v1", keep_git_dir=True),
        parse_remote(f"{address}?submodules=0"),
        parse_remote(f"{address}#:a"),
    ]
    assert len({remotes.identify(source) for source in sources if source}) == len(sources)
    plain = parse_remote(address), parse_remote(f"{address}#v1")
    assert len({remotes.identify(source) for source in plain if source}) == 1
