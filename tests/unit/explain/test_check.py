"""Whether an image keeps to its rules."""

from __future__ import annotations

import pytest

from lamina.explain.check import Outcome, check
from lamina.explain.policy import DIVE, OWN, Policy, Rule
from lamina.layer.contract import Listing
from tests.fakes.stacks import stack_of
from tests.unit.layer.stacks import listing

LAYERS = [
    listing("f a 100", "f b 50 same", "f c 30 old", "d d", "f d/x 20", "f e 10 e"),
    listing("w a", "f b 50 same", "f c 31 new", "d d", "o d", "d e", "f z 4 1", "f z 5 2"),
]
TRUTH = {
    "max-hidden-bytes": 214,
    "max-hidden-percent": 100 * 214 / 300,
    "max-size": 300,
    "max-layers": 2,
    "max-overwritten": 30,
    "max-duplicated": 50,
    "max-deleted": 100,
    "max-opaque": 20,
    "max-replaced": 10,
    "max-superseded": 4,
}


def outcome(name: str, limit: float, layers: list[Listing] = LAYERS) -> Outcome:
    unit = {**OWN, **DIVE}[name]
    [found] = check(stack_of(layers), Policy("x", (Rule(name, limit, unit),))).outcomes
    return found


def test_there_is_a_truth_for_every_rule() -> None:
    assert TRUTH.keys() == OWN.keys()


@pytest.mark.parametrize("name", TRUTH)
def test_our_rules_are_on_what_is_true(name: str) -> None:
    assert outcome(name, TRUTH[name]).value == TRUTH[name]
    assert outcome(name, TRUTH[name]).holds, "the limit itself is allowed"
    broken = outcome(name, TRUTH[name] - 1)
    assert not broken.holds
    if "layers" not in name and "percent" not in name:
        assert sum(each.bytes for each in broken.evidence) == TRUTH[name]


def test_the_kinds_add_up() -> None:
    kinds = [value for name, value in TRUTH.items() if outcome(name, 0).rule.unit == "bytes"]
    assert sum(kinds) == TRUTH["max-size"] + 2 * TRUTH["max-hidden-bytes"]


def test_what_counts_against_a_rule_says_who_did_it() -> None:
    [found] = outcome("max-deleted", 0).evidence
    assert (found.path, found.bytes, found.layer, found.hidden_by) == ("a", 100, 0, 1)
    assert outcome("max-deleted", 100).evidence == ()
    assert [each.layer for each in outcome("max-size", 1).evidence] == [0, 1]


@pytest.mark.parametrize(
    ("name", "limit", "holds"),
    [
        ("lowestEfficiency", 0.5, True),  # strict: equal is enough
        ("lowestEfficiency", 0.51, False),
        ("highestWastedBytes", 10, True),
        ("highestWastedBytes", 9, False),
        ("highestUserWastedPercent", 1, False),  # 10 of 5: dive counts both copies
    ],
)
def test_dives_rules_are_compared_as_dive_does(name: str, limit: float, holds: bool) -> None:
    found = outcome(name, limit, [listing("f x 5"), listing("f x 5")])
    assert found.holds is holds
    if not holds:
        assert [(each.path, each.cause) for each in found.evidence] == [("x", "in 2 layers")]


def test_an_image_of_one_layer_passes_dives_percentage() -> None:
    assert outcome("highestUserWastedPercent", 0, [listing("f x 5")]).holds


def test_dive_is_asked_only_where_a_rule_needs_it() -> None:
    stack = stack_of(LAYERS)
    assert check(stack, Policy("x", (Rule("max-size", 1, "bytes"),))).score is None
    verdict = check(stack, Policy("x", (Rule("lowestEfficiency", 0.1, "share"),)))
    assert verdict.score is not None and verdict.holds and not verdict.failed


def test_no_rules_and_no_layers() -> None:
    assert check(stack_of([]), Policy("x", ())).holds
    assert outcome("max-hidden-percent", 0, []).value == 0
