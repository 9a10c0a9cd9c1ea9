"""The command lines of programs that do what a watcher is too small for."""

from __future__ import annotations

import sys

import msgspec

_BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); \
from lamina.lifecycle.watcher import program; program(sys.argv[2:])"


def program_arguments(*words: str) -> list[str]:
    """The command line that runs `lamina.lifecycle.watcher.program` with the words, and with the
    same modules in reach."""
    paths = msgspec.json.encode([path for path in sys.path if path]).decode()
    return [sys.executable, "-I", "-S", "-c", _BOOT, paths, *words]
