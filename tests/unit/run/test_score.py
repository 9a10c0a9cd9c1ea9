"""The score for the end of memory that a child is born with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.run.score import ScoreRefused, born_with

OWN = Path("/proc/self/oom_score_adj")


def score_of_child(score: int | None) -> int:
    reader, writer = os.pipe()

    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            os.write(writer, OWN.read_bytes())
            os._exit(0)
        return pid

    try:
        os.waitpid(born_with(score, fork), 0)
        return int(os.read(reader, 16))
    finally:
        os.close(reader)
        os.close(writer)


def test_a_child_is_born_with_it_and_the_parent_keeps_its_own() -> None:
    before = int(OWN.read_text())
    assert score_of_child(before + 5) == before + 5
    assert int(OWN.read_text()) == before
    assert score_of_child(None) == before


def test_a_score_that_may_not_be_had_is_told() -> None:
    before = OWN.read_text()
    try:
        OWN.write_text("-1000")
    except OSError:
        with pytest.raises(ScoreRefused, match="to -1000: permission denied"):
            score_of_child(-1000)
    else:
        OWN.write_text(before)
        pytest.skip("this process may have any")


def test_a_fork_that_fails_changes_nothing() -> None:
    before = int(OWN.read_text())

    def fork() -> int:
        raise BlockingIOError

    with pytest.raises(BlockingIOError):
        born_with(before + 5, fork)
    assert int(OWN.read_text()) == before
