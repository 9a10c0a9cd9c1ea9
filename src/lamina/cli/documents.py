"""How everything that is known of objects is printed: JSON, or a template's text of each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from lamina.cli.format import emit, to_json
from lamina.text import escape_lines

Renderer = Callable[[dict[str, Any]], str]


def renderer(fmt: str) -> Renderer | None:
    """Of a Go template; None for JSON.  Raises what `Template.parse` raises."""
    if fmt in ("", "json"):
        return None
    from lamina.cli.gotemplate import Template

    return Template.parse(fmt).render


def print_documents(found: Sequence[dict[str, Any]], fmt: str, render: Renderer | None) -> None:
    """An array; with the format `json` one object a line, with `render` its text a line."""
    if render is not None:
        # Templates may print lines of their own; a terminal gets nothing else that moves it.
        show = escape_lines if sys.stdout.isatty() else str
        emit("".join(show(render(each)) + "\n" for each in found))
    elif fmt == "json":
        emit("".join(to_json(each) + "\n" for each in found))
    else:
        emit(to_json(found, indent=4))
