"""`lamina run` without the library that reads options, when its command line is right.

All else, and every error in the words, is left to click (lamina.cli.main).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.cli.app import App
from lamina.cli.declared import read as read_options
from lamina.cli.failure import end, guarded
from lamina.cli.run_network import makes_network
from lamina.cli.running import OPTIONS
from lamina.cli.running import run as run_container
from lamina.store.place import default_root

if TYPE_CHECKING:
    from lamina.lifecycle.ahead import Ahead


def read(words: Sequence[str]) -> tuple[str, dict[str, Any]] | None:
    """The root, empty when it is not given, and the options of `lamina [--root ROOT] run ...`;
    None for all else."""
    root = ""
    if words[:1] == ["--root"] and len(words) > 1:
        root, words = words[1], words[2:]
    if not words or words[0] != "run":
        return None
    found = read_options(OPTIONS, words[1:])
    if found is None or not found[1]:
        return None
    options, (image, *command) = found
    return root, {**options, "image": image, "command": tuple(command)}


def run(words: Sequence[str], ahead: Ahead | None) -> None:
    """Run a container, by the watcher that was forked `ahead` if there is one, and end the
    process; returns when the words are not understood."""
    found = read(words)
    if ahead is not None:
        if found is None or found[1]["dry_run"]:
            ahead.dismiss()
            ahead = None
        else:
            ahead.announce(network=makes_network(found[1]["networks"]))
    if found is None:
        return
    root, options = found
    user = os.geteuid()
    place = Path(root) if root else default_root(os.environ, user)
    app = App(place, rootless=user != 0)
    end(guarded(lambda: run_container(app, options, ahead)))
