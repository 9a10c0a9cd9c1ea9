"""All slimming cases, by name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.slimming import applications, bugs, services, trees
from tests.slimming.case import Case

REAL: tuple[Case, ...] = (*applications.CASES, *services.CASES, *trees.CASES)
"""Images as people make them."""
BUGS: tuple[Case, ...] = bugs.CASES
"""What others got wrong."""


def identified() -> Mapping[str, Case]:
    """Every case by a name of its own, in order."""
    found = {each.name: each for each in (*REAL, *BUGS)}
    assert len(found) == len(REAL) + len(BUGS), "two cases have one name"
    return found
