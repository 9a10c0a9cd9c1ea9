"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from lamina.store.contract import Store
from lamina.store.root import open_store
from tests.rights import AS_USER

# A machine under load is no failure.
settings.register_profile("lamina", deadline=None)
settings.load_profile("lamina")
# The suites there assert, and are imported and not collected.
pytest.register_assert_rewrite("tests.contract")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if AS_USER and item.get_closest_marker("rights"):
        pytest.skip("root's work in the test's own process: python -m tests.as_user --inside")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A new, empty store, its layers in the form that every user and kernel has."""
    return open_store(tmp_path / "root", layer_form="tree")
