"""What every `StepStore` keeps of its contract."""

from __future__ import annotations

from lamina.oci.digest import Digest
from lamina.store.contract import StepResult, StepStore

KEY = Digest.of(b"key")


class StepStoreContract:
    """Inherit, and give fixtures: `steps`, an empty store, and `layer`, a stored diff_id."""

    def test_a_result_comes_back(self, steps: StepStore, layer: Digest) -> None:
        result = StepResult(KEY, (layer,), "2024-01-01T00:00:00Z", "RUN x", {"a": [1, {"b": "c"}]})
        steps.put(result)
        assert steps.get(KEY) == result
        assert list(steps) == [result]

    def test_unknown_key(self, steps: StepStore) -> None:
        assert steps.get(KEY) is None
        assert steps.remove(KEY) == 0
        assert list(steps) == []

    def test_a_later_result_replaces(self, steps: StepStore) -> None:
        steps.put(StepResult(KEY, description="old"))
        steps.put(StepResult(KEY, description="new"))
        assert [each.description for each in steps] == ["new"]

    def test_a_result_whose_layer_is_gone_is_no_result(self, steps: StepStore) -> None:
        result = StepResult(KEY, (Digest.of(b"no such layer"),))
        steps.put(result)
        assert steps.get(KEY) is None
        assert list(steps) == [result]

    def test_when_it_was_of_use(self, steps: StepStore) -> None:
        assert steps.used(KEY) == 0
        steps.touch(KEY)
        assert steps.used(KEY) == 0
        steps.put(StepResult(KEY))
        before = steps.used(KEY)
        steps.touch(KEY)
        assert steps.used(KEY) >= before > 0

    def test_remove(self, steps: StepStore) -> None:
        steps.put(StepResult(KEY))
        assert steps.remove(KEY) > 0
        assert steps.get(KEY) is None

    def test_sweep_takes_nothing_that_is_kept(self, steps: StepStore) -> None:
        steps.put(StepResult(KEY))
        assert steps.sweep() == 0
        assert steps.get(KEY) == StepResult(KEY)
