"""The table of where builders differ, as a page of Markdown.  Pure."""

from __future__ import annotations

Results = dict[str, dict[str, list[str]]]
"""By case and builder: the differences, none for a pass."""


def table(results: Results, versions: str) -> str:
    return ""
