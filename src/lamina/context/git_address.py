"""Addresses of git repositories, as BuildKit writes them.  Pure.

`https://host/repo.git`, `ssh://…`, `git://…`, `user@host:path`, `github.com/user/repo`,
each with `#ref:subdirectory` or `?branch=…&subdir=…` behind it.  Unlike BuildKit,
`host:path` without a user is no address: a file may be called so.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from lamina.errors import Invalid

_SCHEME = re.compile(r"([a-zA-Z0-9]+)://")
_SCP = re.compile(r"([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_HEX = re.compile(r"[0-9a-fA-F]+")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True", ""))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


class BadAddress(Invalid):
    """An address of a repository or a file that cannot be one."""


class GitSource(msgspec.Struct, frozen=True):
    """A repository, and what of it is wanted."""

    remote: str
    """What the git program takes."""
    ref: str = ""
    """A branch, a tag, another reference or a commit; empty for the default branch."""
    subdir: str = ""
    """A clean relative path; empty for all."""
    checksum: str = ""
    """How the commit's digest must begin."""
    keep_git_dir: bool | None = None
    submodules: bool | None = None
    """None: not said.  Submodules are then fetched, `.git` is then left out."""
    like_a_path: bool = False
    """Whether it may as well be a path: `github.com/user/repo`."""

    @property
    def shown(self) -> str:
        """The remote without a password, for messages and records."""
        scheme, mark, rest = self.remote.rpartition("://")
        login, at, place = rest.partition("/")[0].rpartition("@")
        if not mark or not at or ":" not in login:
            return self.remote
        return f"{scheme}://{place}{rest[len(login) + 1 + len(place) :]}"

    @property
    def text(self) -> str:
        """The address, without a password, with reference and subdirectory as a fragment."""
        what = f"{self.ref}:{self.subdir}" if self.subdir else self.ref
        return f"{self.shown}#{what}" if what else self.shown


def is_commit(ref: str) -> bool:
    """Whether `ref` is the full digest of a commit, so that nobody need be asked for it."""
    return _COMMIT.fullmatch(ref) is not None


def parse_git(text: str) -> GitSource | None:
    """The repository that `text` names; None when it is no such address.

    An http or https address must have a path that ends in `.git`.  Raises
    BadAddress for an address whose options make no sense.
    """
    if text.startswith(("./", "../")):
        return None
    if text.startswith("github.com/"):
        return _parsed(f"https://{text}", like_a_path=True)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _scp(text)
    if scheme[1].lower() not in ("http", "https", "ssh", "git", "file"):
        return None
    return _parsed(text)


def _parsed(text: str, *, like_a_path: bool = False) -> GitSource | None:
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    is_web = parts.scheme in ("http", "https") and not like_a_path
    if is_web and not parts.path.endswith(".git"):
        return None
    if not parts.netloc and parts.scheme != "file":
        return None
    if parts.netloc.rpartition("@")[2].startswith("-"):
        raise BadAddress(f"not the name of a host: {parts.netloc.rpartition('@')[2]}")
    remote = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return _with_options(remote, unquote(parts.fragment), parts.query, like_a_path)


def _scp(text: str) -> GitSource | None:
    found = _SCP.fullmatch(text)
    if found is None:
        return None
    user, host, path, query, fragment = found.groups("")
    return _with_options(f"{user}@{host}:{path}", fragment, query, False)


def _with_options(remote: str, fragment: str, query: str, like_a_path: bool) -> GitSource:
    ref, _, subdir = fragment.partition(":")
    options = _options(query)
    ref = _agreed("ref", ref, options.get("ref", ""))
    for key, prefix in (("tag", "refs/tags/"), ("branch", "refs/heads/")):
        if key in options:
            ref = _agreed("ref", ref, prefix + options[key].removeprefix(prefix))
    checksum = options.get("checksum", options.get("commit", ""))
    if checksum and not _HEX.fullmatch(checksum):
        raise BadAddress(
            f"not the digest of a commit: {checksum!r}", hint="write it in hexadecimal"
        )
    ref = ref or checksum
    if ref.startswith("-") or not ref.isprintable() or " " in ref:
        raise BadAddress(f"not a reference of git: {ref!r}")
    return GitSource(
        remote,
        ref,
        _subdirectory(_agreed("subdir", subdir, options.get("subdir", ""))),
        checksum.lower(),
        _flag("keep-git-dir", options),
        _flag("submodules", options),
        like_a_path,
    )


_OPTIONS = frozenset(
    ("ref", "tag", "branch", "checksum", "commit", "subdir", "keep-git-dir", "submodules")
)


def _options(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _OPTIONS:
            raise BadAddress(
                f"an address of git has no option {key!r}",
                hint=f"it has {', '.join(sorted(_OPTIONS))}",
            )
        if key in found:
            raise BadAddress(f"the address says {key} twice")
        if not value and key not in ("keep-git-dir", "submodules"):
            raise BadAddress(f"the address says {key} without a value")
        found[key] = value
    return found


def _agreed(what: str, one: str, other: str) -> str:
    if one and other and one != other:
        raise BadAddress(f"the address gives two values for {what}: {one!r} and {other!r}")
    return one or other


def _flag(key: str, options: dict[str, str]) -> bool | None:
    value = options.get(key)
    if value is None:
        return None
    if value not in _TRUE | _FALSE:
        raise BadAddress(f"the address says {key}={value}, which is neither true nor false")
    return value in _TRUE


def _subdirectory(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in path:
        raise BadAddress(f"a subdirectory that leads out of the repository: {path!r}")
    return "/".join(parts)
