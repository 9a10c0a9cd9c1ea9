"""The paper that reports are printed on: what the reader's terminal can show."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from lamina.cli.app import App

if TYPE_CHECKING:
    from lamina.report.paper import Paper

_PIPE_WIDTH = 120


def paper(app: App) -> Paper:
    """The terminal's width, colour and alphabet; 120 plain columns for a pipe."""
    from lamina.report.paper import Paper

    width = shutil.get_terminal_size((_PIPE_WIDTH, 24)).columns
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Paper(
        width if sys.stdout.isatty() else _PIPE_WIDTH, app.colored, encoding.startswith("utf")
    )
