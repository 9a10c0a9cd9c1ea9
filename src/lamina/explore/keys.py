"""The keys of the explorer: dive's, vi's, and letters for what a terminal does not send.  Pure."""

from __future__ import annotations

HELP: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Everywhere",
        (
            ("Tab", "the other pane"),
            ("arrows, h j k l", "move; open and close directories"),
            ("PageUp PageDown, g G", "a page; first and last"),
            ("/ or Ctrl+F", "filter: a part of the path, or *.log"),
            ("s or Ctrl+O", "sort by name, size, hidden bytes"),
            ("c", "who hid, deleted or wrote it; again: who shipped it"),
            ("[ ]", "scroll what is told below the layers"),
            ("?", "these keys"),
            ("q or Ctrl+C", "quit"),
        ),
    ),
    (
        "Layers",
        (
            ("Ctrl+L", "mark the changes of this layer"),
            ("Ctrl+A", "mark all changes above the base"),
        ),
    ),
    (
        "Tree",
        (
            ("Space", "open or close a directory"),
            ("Ctrl+Space or e", "open or close all"),
            ("Enter", "look into a file, also a deleted one"),
            ("a r m u, Ctrl+...", "show or hide: added, removed, modified, unmodified"),
            ("b or Ctrl+B", "modes and owners"),
        ),
    ),
)
"""Group → key and what it does.  Many terminals send Enter for Ctrl+M: `m` does the same."""

FOOTER: tuple[tuple[str, str], ...] = (
    ("Tab", "pane"),
    ("/", "filter"),
    ("s", "sort"),
    ("c", "cause"),
    ("Enter", "view"),
    ("?", "keys"),
    ("q", "quit"),
)
"""What the last line reminds of."""
