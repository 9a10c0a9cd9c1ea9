"""What `lamina build` reads: the Dockerfile's text and the context's files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.cli.app import App
from lamina.errors import Invalid, NotFound, Unsupported

if TYPE_CHECKING:
    from lamina.context.directory import Context, Nothing

_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_REMOTE = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")


class BadContext(Invalid):
    """PATH and -f that make no sense together."""


class NoDockerfile(NotFound):
    """The file is not there."""


def dockerfile_text(path: str, file: str | None) -> tuple[str, str, Path | None]:
    """The text, the name that messages use, and where it is on disk."""
    if path.startswith(_REMOTE):
        raise Unsupported(
            f"building from an address is not supported yet: {path}",
            hint="clone or download it, and build the directory",
        )
    if path == "-" and file not in (None, "-"):
        raise BadContext("-f with a Dockerfile and standard input as PATH exclude each other")
    if path == "-" or file == "-":
        raw = sys.stdin.buffer.read()
        if raw.startswith(_ARCHIVES) or raw[257:262] == b"ustar":
            raise Unsupported(
                "a context from a tar on standard input is not supported yet",
                hint="unpack it, and build the directory",
            )
        return raw.decode("utf-8", "surrogateescape"), "Dockerfile", None
    place = Path(file) if file else Path(path) / "Dockerfile"
    try:
        raw = place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NoDockerfile(
            f"no Dockerfile at {place}", hint="name it with -f, or give another PATH"
        ) from None
    except IsADirectoryError:
        raise BadContext(f"{place} is a directory, not a Dockerfile") from None
    return raw.decode("utf-8", "surrogateescape"), file or place.name, place


def open_context(
    app: App, path: str, dockerfile: Path | None, started: int
) -> tuple[Context | Nothing, Callable[[], None]]:
    """The context, and what keeps the digests of its files for the next build."""
    from hashlib import sha256

    from lamina.context.directory import Context, Nothing
    from lamina.context.ignoring import ignore_file
    from lamina.context.known import DigestCache

    if path == "-":
        return Nothing(), lambda: None
    root = Path(path)
    name = sha256(os.fsencode(root.resolve())).hexdigest()[:32]
    cache = DigestCache(app.engine.store.root / "cache" / f"context-{name}", started)
    return Context(root, ignore_file(root, dockerfile), cache), cache.save
