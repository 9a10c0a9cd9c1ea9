"""Layers in image form: the contract, and what is particular to a tar under an EROFS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.store.contract import LayerStore
from lamina.store.layers import DirLayers
from lamina.store.root import open_store
from tests.contract.layer_store import LayerStoreContract


def new_layers(root: Path, run_directory: Path) -> DirLayers:
    open_store(root)
    return DirLayers(root, form="image", run_directory=run_directory)


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def layers(root: Path, run_directory: Path) -> Iterator[DirLayers]:
    found = new_layers(root, run_directory)
    if found.no_image_form:
        pytest.skip(found.no_image_form)
    yield found
    found.sweep()
    assert found.mounted() == [], "somebody still holds a mount"


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


class TestImageForm(LayerStoreContract):
    @pytest.fixture
    def second(self, tmp_path: Path, run_directory: Path) -> LayerStore:
        return new_layers(tmp_path / "second", run_directory)

    @pytest.fixture
    def new_upper(self, root: Path, layers: DirLayers) -> Callable[[], Path]:
        made = iter(range(100))

        def new() -> Path:
            upper = root / f"upper{next(made)}"
            upper.mkdir()
            return upper

        return new

    @pytest.fixture
    def residue(self, root: Path, layers: DirLayers) -> Callable[[], list[str]]:
        return lambda: tree(root)
