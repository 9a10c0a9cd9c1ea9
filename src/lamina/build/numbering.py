"""Steps as they are shown: numbered, and by where they stand.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.build.observe import Step, places_in_stages
from lamina.oci.digest import Digest
from lamina.plan.graph import Vertex, in_order
from lamina.plan.plan import Plan


def numbered(order: Sequence[Vertex], plans: Sequence[Plan]) -> dict[Digest, Step]:
    """Every vertex as a step, by its digest; those that make no layer have the number 0."""
    steps = [vertex for vertex in order if vertex.makes_layer]
    platforms = _platforms(plans)
    places = places_in_stages(steps, platforms)
    found = {
        vertex.digest: Step(0, len(steps), vertex, platforms.get(vertex.digest, ""))
        for vertex in order
    }
    for number, vertex in enumerate(steps, 1):
        found[vertex.digest] = Step(number, len(steps), vertex, places[number - 1])
    return found


def _platforms(plans: Sequence[Plan]) -> dict[Digest, str]:
    """Of what is for one of several platforms alone: which."""
    wanted: dict[Digest, list[str]] = {}
    for plan in plans if len(plans) > 1 else ():
        for vertex in in_order(plan.stage.tip):
            wanted.setdefault(vertex.digest, []).append(str(plan.stage.settings.platform))
    return {digest: found[0] for digest, found in wanted.items() if len(found) == 1}
