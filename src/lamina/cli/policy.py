"""Where the rules of `explain --ci` come from: a file that is named, or one of the current
directory, or else our own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.errors import Invalid, NotFound

if TYPE_CHECKING:
    from lamina.explain.policy import Policy

_MOST = 1 << 20
"""Bytes of a file of rules."""


class NoPolicyFile(NotFound):
    """The file of rules that was named is not there."""


def find_policy(named: Path | None, directory: Path) -> Policy:
    """The rules of the file `named`: TOML by its name, else dive's YAML.

    Without one: of `.lamina.toml` in `directory` if it has a table `[explain]`, else of
    `.dive-ci` there, else the default.  Raises NoPolicyFile and BadPolicy.
    """
    from lamina.explain import policy

    if named is not None:
        text = _read(named)
        if text is None:
            raise NoPolicyFile(f"no file {named}")
        if named.suffix != ".toml":
            return policy.dive_policy(text, os.fspath(named))
        found = policy.lamina_policy(text, os.fspath(named))
        if found is None:
            raise policy.BadPolicy(f"{named} has no table [explain]")
        return found
    text = _read(directory / policy.LAMINA_FILE)
    found = None if text is None else policy.lamina_policy(text, policy.LAMINA_FILE)
    if found is not None:
        return found
    text = _read(directory / policy.DIVE_FILE)
    return policy.DEFAULT if text is None else policy.dive_policy(text, policy.DIVE_FILE)


def _read(path: Path) -> str | None:
    """The text of a file; None when it is not there."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST + 1)
    except FileNotFoundError:
        return None
    if len(raw) > _MOST:
        raise Invalid(f"{path} is too large for a file of rules")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is no UTF-8 text: byte {error.start} is wrong") from None
