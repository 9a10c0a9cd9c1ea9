"""What can go wrong with a build context."""

from __future__ import annotations

from lamina.errors import Conflict, Denied, Invalid, NotFound


class ContextChanged(Conflict):
    """A file of the context is not what it was when the build looked at it first."""

    def __init__(self, path: str) -> None:
        what = path or "the build context"
        super().__init__(f"{what} changed while the build was reading it", hint="build again")


class NoContext(Invalid):
    """Nothing that a build could take for its context: no directory, archive or address."""


class Unreadable(Denied):
    """This user may not read a file or a directory of the context."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"no permission to read {path or 'the directory'} in the build context",
            hint="change its mode, or leave it out with .dockerignore",
        )


class BadOption(Invalid):
    """Options that exclude each other, or a value that makes no sense."""


class NoDockerfile(NotFound):
    """The Dockerfile is not there."""
