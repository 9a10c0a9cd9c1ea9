"""A tool whose output is read as it comes, and that is left before its end."""

from __future__ import annotations

import os

import pytest

from lamina.base.bootstrap import streaming

TOOL = "trap 'wait; exit 1' TERM; yes & wait; wait"
"""As mmdebstrap: when it is to end it waits for what it has started, which writes to us."""


@pytest.mark.timeout(20)
def test_a_tool_that_is_left_early_ends() -> None:
    with streaming(["sh", "-c", TOOL], os.environ, lambda line: None) as pieces:
        assert next(pieces).startswith(b"y\n")
