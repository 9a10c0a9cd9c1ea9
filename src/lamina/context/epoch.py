"""The time that a reproducible build takes for its own: of the commit, or of the newest file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lamina.context.tree import Tree
from lamina.layer.entry import Kind


def git_epoch(directory: Path, environment: Mapping[str, str]) -> int | None:
    """When the commit at HEAD was made, in seconds since the epoch, if `directory` lies in a
    git work tree; None without one, without a commit, or without git."""
    from lamina.context.git_program import Git, GitFailed, NoGit

    try:
        command = ("log", "-1", "--no-show-signature", "--format=%ct", "HEAD", "--")
        return int(Git(environment).run(*command, directory=directory))
    except (GitFailed, NoGit, ValueError, OSError):
        return None


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
