"""`lamina explore` where it cannot draw: one sentence, and what to do."""

from __future__ import annotations

import sys

import pytest

from lamina.cli.main import run
from lamina.store.contract import Store
from tests.unit.cli import sample


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The streams say that they are a terminal's."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")


def test_a_pipe_is_no_terminal(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    sample.seed(store)
    assert run(["--root", str(store.root), "explore", "seed"]) == 1
    assert capsys.readouterr().err == (
        "lamina: the explorer needs a terminal\n  try: lamina explain seed   (it prints)\n"
    )


def test_a_dumb_terminal_is_none(
    store: Store,
    terminal: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert run(["--root", str(store.root), "explore", "seed"]) == 1
    assert "needs a terminal" in capsys.readouterr().err


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
