"""ADD's remote sources: which ones a source names, what identifies them, and their files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from lamina.context.directory import Context
from lamina.context.git_address import BadAddress, GitSource, parse_git
from lamina.context.http import Web, parse_checksum
from lamina.context.known import DigestCache, stamp
from lamina.context.tree import ROOT, Content, Fingerprinted
from lamina.dockerfile.ignore import Ignore
from lamina.layer.entry import MAX_NAME, Entry, os_path
from lamina.sha256 import sha256

if TYPE_CHECKING:
    from lamina.context.git import Commit

_UNNAMED = "__unnamed__"
"""What BuildKit calls a file whose address has no name that a file could have."""

_BELIEVED = 1 << 62
"""A time later than any: what was written a moment ago into a directory of ours stays so."""


class RemoteFile(msgspec.Struct, frozen=True, tag="http"):
    """A file behind an http or https address."""

    address: str
    name: str
    checksum: bytes = b""
    """sha256; empty when nothing was promised."""


class RemoteCheckout(msgspec.Struct, frozen=True, tag="git"):
    """A commit of a git repository."""

    source: GitSource
    keep_git_dir: bool = False


RemoteSource = RemoteFile | RemoteCheckout


class RemoteTree(msgspec.Struct, frozen=True):
    """What was fetched: a tree, and the sources to select in it as if it were the context."""

    tree: Fingerprinted
    sources: tuple[str, ...]
    identity: str
    """As `Remotes.identify` says it."""


class Checkout:
    """Implements `Fingerprinted`: the files of a commit, checked out when one is looked at.

    The fingerprint of all of them is their identity's, so a build that has done
    with them before asks which commit it is, and no more.
    """

    def __init__(self, identity: str, files: Callable[[], Context]) -> None:
        self.identity = identity
        """As `Remotes.identify` says it."""
        self._make = files
        self._lock = Lock()
        self._made: Context | None = None

    def _files(self) -> Context:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def lookup(self, path: str) -> Entry | None:
        return self._files().lookup(path) if path else ROOT

    def children(self, path: str) -> Sequence[Entry]:
        return self._files().children(path)

    def digest(self, entry: Entry) -> bytes:
        return self._files().digest(entry)

    def open(self, entry: Entry) -> Content:
        return self._files().open(entry)

    def fingerprint(self, entry: Entry) -> bytes:
        if entry.path:
            return self._files().fingerprint(entry)
        return sha256(self.identity.encode("utf-8", "surrogateescape"))


def is_remote(source: str) -> bool:
    """Whether ADD fetches `source`; COPY refuses it then.  Raises BadAddress."""
    return parse_remote(source) is not None


def parse_remote(
    source: str, *, checksum: str = "", keep_git_dir: bool | None = None
) -> RemoteSource | None:
    """What `source` names, with the flags of its ADD; None for a path.

    An http or https address whose path ends in `.git` is a repository, any other a
    file.  A repository's checksum is the beginning of a commit's digest.  Raises BadAddress.
    """
    repository = parse_git(source)
    if repository is not None and not repository.like_a_path:
        return _of_commit(repository, checksum, keep_git_dir)
    if source.startswith(("http://", "https://")):
        return RemoteFile(source, name_of(source), parse_checksum(checksum) if checksum else b"")
    return None


def _of_commit(source: GitSource, checksum: str, keep_git_dir: bool | None) -> RemoteCheckout:
    said = source.keep_git_dir
    if said is not None and keep_git_dir is not None and said != keep_git_dir:
        raise BadAddress(f"{source.shown}: its address and --keep-git-dir say opposite things")
    if checksum and source.checksum and checksum != source.checksum:
        raise BadAddress(
            f"{source.shown}: its address wants the commit {source.checksum}, --checksum {checksum}"
        )
    if checksum and not all(each in "0123456789abcdef" for each in checksum.lower()):
        raise BadAddress(
            f"not the digest of a commit: {checksum!r}", hint="write it in hexadecimal"
        )
    wanted = source.checksum or checksum.lower()
    source = msgspec.structs.replace(source, checksum=wanted)
    return RemoteCheckout(source, bool(said if keep_git_dir is None else keep_git_dir))


def name_of(address: str) -> str:
    """The last component of an address's path, which is the file's name."""
    try:
        path = unquote(urlsplit(address).path, errors="surrogateescape")
    except ValueError:
        return _UNNAMED
    name = path.rstrip("/").rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name or len(os_path(name)) > MAX_NAME:
        return _UNNAMED
    return name


class Remotes:
    """Fetches remote sources for one build, each one once; usable from several threads."""

    def __init__(self, web: Web, work: Path) -> None:
        self._web = web
        self._work = work
        """A directory of this build, removed with it."""
        self._locks: dict[RemoteSource, Lock] = {}
        self._commits: dict[RemoteCheckout, Commit] = {}
        self._trees: dict[RemoteSource, RemoteTree] = {}

    def identify(self, source: RemoteSource) -> str:
        """What the source's files are, as a cache key may have it; no file moves when they
        are known from an earlier build.

        Raises what `http.Web.fetch` and `git.resolve` raise.
        """
        with self._locks.setdefault(source, Lock()):
            if isinstance(source, RemoteFile):
                digest = self._web.identify(source.address, checksum=source.checksum)
                return f"sha256:{digest.hex()} {source.name}"
            return self._identity(source, self._commit(source))

    def fetch(self, source: RemoteSource) -> RemoteTree:
        """The source's files.  A repository is asked for its commit; the rest is done when
        somebody looks at the files.

        Raises what `http.Web.fetch` and `git.resolve` raise, and the tree what
        `git.fetch` raises.
        """
        with self._locks.setdefault(source, Lock()):
            if source not in self._trees:
                place = self._work / f"remote-{sha256(msgspec.msgpack.encode(source)).hex()[:32]}"
                if isinstance(source, RemoteFile):
                    self._trees[source] = self._file(source, place)
                else:
                    self._trees[source] = self._checkout(source, place)
            return self._trees[source]

    def _file(self, source: RemoteFile, place: Path) -> RemoteTree:
        place.mkdir(mode=0o700)
        name = os_path(source.name)
        target = place / os.fsdecode(name)
        found = self._web.fetch(source.address, target, checksum=source.checksum)
        known = DigestCache(None, _BELIEVED)
        known.put(name, stamp(os.lstat(target)), found.digest)
        literal = re.sub(r"([*?\[\\])", r"\\\1", source.name)
        identity = f"sha256:{found.digest.hex()} {source.name}"
        return RemoteTree(Context(place, Ignore(), known), (literal,), identity)

    def _checkout(self, source: RemoteCheckout, place: Path) -> RemoteTree:
        commit = self._commit(source)
        identity = self._identity(source, commit)

        def files() -> Context:
            from lamina.context.git import fetch

            found = fetch(
                source.source,
                place,
                cache=self._web.cache,
                keep_git_dir=source.keep_git_dir,
                environment=self._web.environment,
                commit=commit,
            )
            return Context(found.directory, Ignore())

        return RemoteTree(Checkout(identity, files), (".",), identity)

    def _commit(self, source: RemoteCheckout) -> Commit:
        if source not in self._commits:
            from lamina.context.git import resolve

            self._commits[source] = resolve(
                source.source, cache=self._web.cache, environment=self._web.environment
            )
        return self._commits[source]

    @staticmethod
    def _identity(source: RemoteCheckout, commit: Commit) -> str:
        """A `.git` directory tells of the reference as well."""
        kept = f" .git {commit.ref} {commit.tag}" if source.keep_git_dir else ""
        bare = " without submodules" if source.source.submodules is False else ""
        return f"git:{commit.digest}:{source.source.subdir}{kept}{bare}"
