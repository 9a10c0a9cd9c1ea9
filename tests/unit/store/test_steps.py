"""The build cache on disk, and its fake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.oci.digest import Digest
from lamina.store.contract import StepResult, Store
from lamina.store.steps import DirSteps
from tests.contract.step_store import KEY, StepStoreContract
from tests.fakes.images import make_layer
from tests.fakes.stores import MemorySteps

LAYER = Digest.of(b"a layer")


class TestMemorySteps(StepStoreContract):
    @pytest.fixture
    def layer(self) -> Digest:
        return LAYER

    @pytest.fixture
    def steps(self) -> MemorySteps:
        return MemorySteps(lambda digest: digest == LAYER)


class TestDirSteps(StepStoreContract):
    @pytest.fixture
    def layer(self, store: Store) -> Digest:
        return make_layer(store, {"a": b"1"})

    @pytest.fixture
    def steps(self, store: Store) -> DirSteps:
        return DirSteps(store.root / "steps", store.layers)

    def test_a_damaged_result_is_forgotten_and_swept(self, steps: DirSteps, store: Store) -> None:
        steps.put(StepResult(KEY, description="RUN something"))
        (path,) = list[Path]((store.root / "steps").iterdir())
        path.write_bytes(path.read_bytes().replace(b"something", b"s0mething"))
        assert steps.get(KEY) is None
        assert list(steps) == []
        assert steps.sweep() > 0
        assert not path.exists()

    def test_a_touch_is_later_than_what_was_put(self, steps: DirSteps, store: Store) -> None:
        steps.put(StepResult(KEY))
        (path,) = list[Path]((store.root / "steps").iterdir())
        os.utime(path, (1, 1))
        assert steps.used(KEY) == 1
        steps.touch(KEY)
        assert steps.used(KEY) > 1

    def test_a_result_under_another_key_is_none(self, steps: DirSteps, store: Store) -> None:
        steps.put(StepResult(KEY))
        (path,) = list[Path]((store.root / "steps").iterdir())
        other = Digest.of(b"other")
        path.rename(path.with_name(other.hex + ".json"))
        assert steps.get(other) is None
