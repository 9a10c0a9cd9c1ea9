"""Fixtures of the commands' tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lamina.cli.main import run
from lamina.store.contract import Store

Lamina = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lamina(store: Store, capsys: pytest.CaptureFixture[str]) -> Lamina:
    """Run the command line on `store`: (exit status, standard output, standard error)."""

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["--root", str(store.root), *arguments])
        return status, *capsys.readouterr()

    return call
