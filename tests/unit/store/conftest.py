"""Fixtures of the store's tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.layer.contract import Form
from lamina.store.contract import Store
from lamina.store.root import open_store


@pytest.fixture(params=["tree", "image"])
def form(request: pytest.FixtureRequest) -> Form:
    """How the layers of `store` are kept: what is said of stores holds for both."""
    found: Form = request.param
    return found


@pytest.fixture
def store(tmp_path: Path, form: Form) -> Iterator[Store]:
    """A new, empty store, once for each form of layers."""
    made = open_store(tmp_path / "root", layer_form=form)
    if form == "image" and made.layers.no_image_form:
        pytest.skip(made.layers.no_image_form)
    yield made
    made.layers.sweep()
    assert made.layers.mounted() == []


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one, for tests that sync hundreds of times."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A directory in memory: its file system serves no images, and has only cached pages."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("needs /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)
