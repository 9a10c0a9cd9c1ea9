"""`lamina exec` as it is usually written, without what a start costs otherwise.

People and scripts wait for `exec` more than for anything else, so the library that reads
options, and the parts of the store that have nothing to do with containers, are left alone
for it.  Whatever is not understood here goes the usual way, and so does every error.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

_LETTERS = {"i": "interactive", "t": "tty", "d": "detach"}
_FLAGS = {name: name for name in ("interactive", "tty", "detach", "privileged")}
_VALUES = {"e": "env", "u": "user", "w": "workdir", "env": "env", "user": "user"}
_VALUES |= {"workdir": "workdir", "detach-keys": "detach_keys"}
_MANY = {"env"}


class Words(msgspec.Struct, frozen=True):
    """`lamina [--root ROOT] exec [OPTIONS] CONTAINER COMMAND...`, read."""

    root: str
    """Empty when it is not given."""
    container: str
    args: tuple[str, ...]
    options: dict[str, Any]
    """As `execute` (cli/exec_run.py) takes them."""


def read(words: Sequence[str]) -> Words | None:
    """What the words mean; None when they are not of the usual kind."""
    rest = list(words)[::-1]
    root = ""
    if rest and rest[-1] == "--root" and len(rest) > 1:
        rest.pop()
        root = rest.pop()
    if not rest or rest.pop() != "exec":
        return None
    options: dict[str, Any] = {}
    while rest and rest[-1].startswith("-"):
        if not _option(rest.pop(), rest, options):
            return None
    if len(rest) < 2:
        return None
    container = rest.pop()
    return Words(root, container, tuple(rest[::-1]), options)


def _option(word: str, rest: list[str], options: dict[str, Any]) -> bool:
    """Take an option, and its value from `rest`.  False for what is not known here."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if name in _FLAGS and not equals:
            options[_FLAGS[name]] = True
            return True
        return name in _VALUES and len(name) > 1 and _value(name, equals, value, rest, options)
    letters = word[1:]
    if letters and all(letter in _LETTERS for letter in letters):
        options.update((_LETTERS[letter], True) for letter in letters)
        return True
    return letters in {"e", "u", "w"} and _value(letters, "", "", rest, options)


def _value(name: str, equals: str, value: str, rest: list[str], options: dict[str, Any]) -> bool:
    if not equals:
        if not rest:
            return False
        value = rest.pop()
    field = _VALUES[name]
    options[field] = (*options.get(field, ()), value) if field in _MANY else value
    return True


def run(words: Sequence[str]) -> int | None:
    """Execute; the exit status, or None when the usual way is to be gone."""
    found = read(words)
    if found is None or os.geteuid() != 0:
        return None
    from lamina.cli.exec_run import execute
    from lamina.errors import EngineError
    from lamina.store.containers_alone import open_containers
    from lamina.store.place import default_root

    root = Path(found.root) if found.root else default_root(os.environ, 0)
    try:
        store = open_containers(root)
        if store is None:
            return None
        status, refused = execute(store, found.container, found.args, **found.options)
    except EngineError as error:
        from lamina.cli.main import EXIT_STATUS, report

        report(str(error), error.hint)
        return EXIT_STATUS.get(error.kind, 1)
    except KeyboardInterrupt:
        return 130
    if refused:
        from lamina.cli.main import report

        report(refused, "")
    return status
