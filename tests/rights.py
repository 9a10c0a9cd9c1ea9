"""Whose rights the tests have: the host's root's, those of a user namespace's, or nobody's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

AS_USER = os.geteuid() != 0
"""Whether an ordinary user runs the tests (tests/as_user.py): a command of ours makes itself
root of a user namespace, and the test itself has no rights."""
OF_THE_HOST = not AS_USER and Path("/proc/self/uid_map").read_text().split()[2] == "4294967295"
"""Whether this is the host's root, and not a user namespace's."""
needs_rights = pytest.mark.rights
"""For what gives files to others, mounts or makes namespaces in the test's own process; what
`python -m tests.as_user --inside -m rights` tests."""


def roots_alone(what: str) -> pytest.MarkDecorator:
    """For `what` is the host's root's alone (docs/rootless.md)."""
    return pytest.mark.skipif(not OF_THE_HOST, reason=f"root's alone: {what}")


def need_root(what: str) -> None:
    """Skip unless this is the host's root, whose alone `what` is (docs/rootless.md)."""
    if not OF_THE_HOST:
        pytest.skip(f"root's alone: {what}")
