"""What a rule is.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from lamina.rewrite.document import Document
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.finding import Finding


class Rule(msgspec.Struct, frozen=True):
    """A way to waste bytes or builds, and its remedy; docs/rewrite.md has an example of each."""

    name: str
    what: str
    """What the remedy does, for a list."""
    judge: Callable[[Document, Evidence], Iterable[Finding]]
    changes: tuple[str, ...] = ()
    """What its edits may change of the image's tree: patterns of paths, `**` for all below."""
    settings: tuple[str, ...] = ()
    """What they may change of its configuration, by the names that `compare` gives."""
