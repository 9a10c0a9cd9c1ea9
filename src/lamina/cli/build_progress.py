"""Which view shows a build."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lamina.cli.app import App
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.cli.build_plain import Quiet

WAYS = ("auto", "plain", "tty", "quiet", "rawjson")


class BadProgress(Invalid):
    """BUILDKIT_PROGRESS names no way to show a build."""


@contextmanager
def viewing(app: App, how: str) -> Iterator[Quiet]:
    """The view that `how` names, on standard error; closed at the end of the block."""
    view = _view(app, how)
    try:
        yield view
    finally:
        with suppress(BrokenPipeError):  # what ended the build is the news, not a reader gone
            view.close()


def way(chosen: str | None, *, quiet: bool) -> str:
    """What `--progress`, else BUILDKIT_PROGRESS says.  Raises BadProgress."""
    if quiet:
        return "quiet"
    found = chosen or os.environ.get("BUILDKIT_PROGRESS") or "auto"
    if found not in WAYS:
        raise BadProgress(
            f"BUILDKIT_PROGRESS is no way to show a build: {found!r}", hint=", ".join(WAYS)
        )
    return found


def _view(app: App, how: str) -> Quiet:
    if how == "quiet":
        from lamina.cli.build_plain import Quiet

        return Quiet()
    if how == "rawjson":
        from lamina.cli.build_rawjson import RawJson

        return RawJson(sys.stderr)
    if how == "tty" or (how == "auto" and sys.stderr.isatty() and _can_move()):
        from lamina.cli.build_live import Live

        return Live(sys.stderr, colored=colored(app))
    from lamina.cli.build_plain import Plain

    return Plain(sys.stderr)


def _can_move() -> bool:
    return os.environ.get("TERM") != "dumb"


def colored(app: App) -> bool:
    """Whether standard error takes colour."""
    if app.color != "auto":
        return app.color == "always"
    return not os.environ.get("NO_COLOR") and sys.stderr.isatty()
