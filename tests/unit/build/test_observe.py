"""Where a step stands in its stage, for people."""

from __future__ import annotations

from lamina.build.observe import places_in_stages
from lamina.oci.digest import Digest
from lamina.plan.graph import BaseOp, Graph, MakeDirOp, Vertex


def made(*stages: str) -> list[Vertex]:
    """A step of each of these stages."""
    graph = Graph()
    base = graph.add(BaseOp("b", ()))
    return [
        graph.add(MakeDirOp(f"/{place}"), parent=base, stage=stage)
        for place, stage in enumerate(stages)
    ]


def test_a_single_stage_has_no_name() -> None:
    assert places_in_stages(made("0", "0"), {}) == ["1/2", "2/2"]


def test_several_stages_do_and_a_number_is_no_name() -> None:
    assert places_in_stages(made("a", "1", "a"), {}) == ["a 1/2", "stage-1 1/1", "a 2/2"]


def test_platforms_are_counted_apart() -> None:
    steps = made("0", "0", "0", "0")
    platforms: dict[Digest, str] = {steps[1].digest: "linux/arm64", steps[3].digest: "linux/arm64"}
    assert places_in_stages(steps, platforms) == [
        "1/2",
        "linux/arm64 1/2",
        "2/2",
        "linux/arm64 2/2",
    ]
