"""The paper that reports are printed on: what the reader's terminal can show."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lamina.cli.app import App

if TYPE_CHECKING:
    from lamina.report.paper import Paper

_PIPE_WIDTH = 120


def paper(app: App) -> Paper:
    """The terminal's width, colour and alphabet; 120 plain columns for a pipe."""
    from lamina.report.paper import Paper

    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Paper(_width(), app.colored, encoding.startswith("utf"))


def _width() -> int:
    """As shutil.get_terminal_size, which brings every compressor with it."""
    if not sys.stdout.isatty():
        return _PIPE_WIDTH
    chosen = os.environ.get("COLUMNS", "")
    if chosen.isdecimal() and int(chosen):
        return int(chosen)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _PIPE_WIDTH
    except OSError:
        return _PIPE_WIDTH
