"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from lamina.store.contract import Store
from lamina.store.root import open_store

# A machine under load is no failure.
settings.register_profile("lamina", deadline=None)
settings.load_profile("lamina")
# The suites there assert, and are imported and not collected.
pytest.register_assert_rewrite("tests.contract")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A new, empty store, its layers in the form that every user and kernel has."""
    return open_store(tmp_path / "root", layer_form="tree")
