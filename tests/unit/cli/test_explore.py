"""`lamina explore` where it cannot draw: one sentence, and what to do."""

from __future__ import annotations

import sys

import pytest

from lamina.cli import explore
from lamina.cli.main import run
from lamina.store.contract import Store
from tests.unit.cli import sample


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command believe that it has one."""
    monkeypatch.setattr(explore, "_has_terminal", lambda: True)


def test_a_pipe_is_no_terminal(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    sample.seed(store)
    assert run(["--root", str(store.root), "explore", "seed"]) == 1
    assert capsys.readouterr().err == (
        "lamina: the explorer needs a terminal\n  try: lamina explain seed   (it prints)\n"
    )


def test_without_the_extra_it_says_how_to_get_it(
    store: Store,
    terminal: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "textual", None)
    assert run(["--root", str(store.root), "explore", "seed"]) == 1
    assert capsys.readouterr().err == (
        "lamina: the explorer needs textual\n  pip install 'lamina[explore]'\n"
    )


def test_an_image_that_is_not_there_is_told_before_anything_is_drawn(
    store: Store, terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--root", str(store.root), "explore", "nope"]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("lamina: no image")
    assert shown.out == ""
