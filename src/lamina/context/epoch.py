"""What is known of a context by its commit or its newest file: the time that a reproducible
build takes for its own, and where it was checked out from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from lamina.context.tree import Tree
from lamina.errors import Unavailable
from lamina.layer.entry import Kind

_NANO = 1_000_000_000


class NoEpoch(Unavailable):
    """Nothing says what time a context is of."""


class Head(msgspec.Struct, frozen=True):
    """The commit that a directory is a checkout of."""

    commit: str
    """Its digest, hexadecimal."""
    committed: int
    """When it was made, in seconds since the epoch."""


def head(directory: Path, environment: Mapping[str, str]) -> Head | None:
    """The commit at HEAD, if it has `directory` in it; None where there is no repository, no
    commit, or one that knows nothing of the directory.

    Raises NoGit where there is a repository and no git program.
    """
    from lamina.context.git_program import Git, GitFailed

    place = directory.resolve()
    if not any((above / ".git").exists() for above in (place, *place.parents)):
        return None
    git = Git(environment)
    # Whose repository it is does not matter to who reads names and times of objects alone:
    # root in a container of CI has one that belongs to somebody else.
    ours = ("-c", "safe.directory=*", "--no-replace-objects")
    try:
        names = git.run(*ours, "rev-parse", "HEAD", "HEAD:./", directory=place)
        command = ("log", "-1", "--no-show-signature", "--no-patch", "--format=%ct", "HEAD", "--")
        committed = int(git.run(*ours, *command, directory=place))
    except (GitFailed, ValueError):
        return None
    return Head(names.split()[0].decode(), committed)


def origin(directory: Path, environment: Mapping[str, str]) -> str:
    """Where the repository of a checkout was cloned from, without a password; empty when that
    is not known."""
    from lamina.context.git_address import GitSource
    from lamina.context.git_program import Git, GitFailed, NoGit

    try:
        found = Git(environment).run("config", "--get", "remote.origin.url", directory=directory)
    except (GitFailed, NoGit, OSError):
        return ""
    return GitSource(found.decode("utf-8", "surrogateescape").strip()).shown


def is_clean(directory: Path, environment: Mapping[str, str]) -> bool:
    """Whether everything in a checkout is as it was committed, as far as git tells this user."""
    from lamina.context.git_program import Git, GitFailed, NoGit

    try:
        said = Git(environment).run("status", "--porcelain", "--", ".", directory=directory)
    except (GitFailed, NoGit, OSError):
        return False
    return not said


def newest(tree: Tree) -> int:
    """The latest mtime of a tree's files, in nanoseconds since the epoch; 0 when it has none.

    Directories do not count: theirs change when a file is deleted.
    """
    latest = 0
    pending = [""]
    while pending:
        for entry in tree.children(pending.pop()):
            if entry.kind is Kind.DIRECTORY:
                pending.append(entry.path)
            else:
                latest = max(latest, entry.mtime)
    return latest


def epoch_of(directory: Path | None, tree: Tree, environment: Mapping[str, str]) -> int:
    """The epoch of a context: when the commit was made that is checked out in its `directory`,
    else when the newest file was changed that the build can see.

    Raises NoGit where there is a repository and no git program, and NoEpoch where there is
    no file.
    """
    found = head(directory, environment) if directory is not None else None
    if found is not None:
        return found.committed
    if latest := newest(tree):
        return latest // _NANO
    raise NoEpoch(
        "the context has no file to take a time from",
        hint="set SOURCE_DATE_EPOCH to the seconds since 1970 that the image shall show",
    )
