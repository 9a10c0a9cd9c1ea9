"""Whether an image keeps to its rules, and what does most that it does not.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lamina.explain.findings import Finding
from lamina.explain.policy import DIVE, Policy, Rule
from lamina.explain.score import Score, score
from lamina.explain.stack import Stack


class Evidence(msgspec.Struct, frozen=True):
    """Something that counts against a rule."""

    bytes: int
    layer: int
    """The layer that ships it; its instruction is the cause."""
    path: str | None = None
    """None for a whole layer."""
    hidden_by: int | None = None
    cause: str = ""
    """How it came to be hidden, or how often dive counts it."""


class Outcome(msgspec.Struct, frozen=True):
    """How an image does by one rule."""

    rule: Rule
    value: float
    """In the rule's unit; nan where dive divides nothing by nothing."""
    holds: bool
    evidence: Sequence[Evidence]
    """The largest first; none for a rule that holds."""


class Verdict(msgspec.Struct, frozen=True):
    """How an image does by all of its rules."""

    source: str
    """As in `Policy`."""
    outcomes: Sequence[Outcome]
    score: Score | None
    """dive's figures, where a rule asks for them."""

    @property
    def holds(self) -> bool:
        """Whether every rule does."""
        return all(outcome.holds for outcome in self.outcomes)

    @property
    def failed(self) -> Sequence[Outcome]:
        """The rules that do not hold."""
        return [outcome for outcome in self.outcomes if not outcome.holds]


def check(stack: Stack, policy: Policy) -> Verdict:
    """Hold an image to its rules."""
    found = stack.findings
    dive = score(stack.listings) if policy.asks_dive else None
    outcomes = []
    for rule in policy.rules:
        if dive is not None and rule.name in DIVE:
            outcomes.append(_by_dive(rule, dive))
        else:
            outcomes.append(_by_truth(rule, stack, found))
    return Verdict(policy.source, outcomes, dive)


def _by_truth(rule: Rule, stack: Stack, found: Sequence[Finding]) -> Outcome:
    account = stack.account
    kind = rule.name.removeprefix("max-")
    evidence: Sequence[Evidence] = [_hidden(each) for each in found]
    value: float
    if kind == "size":
        value, evidence = account.bytes, _layers(stack)
    elif kind == "layers":
        value, evidence = len(stack), _layers(stack)
    elif kind == "hidden-bytes":
        value = account.hidden_bytes
    elif kind == "hidden-percent":
        value = 100 * account.hidden_bytes / account.bytes if account.bytes else 0.0
    else:
        evidence = [_hidden(each) for each in found if each.cause.value == kind]
        value = sum(each.bytes for each in evidence)
    holds = value <= rule.limit
    return Outcome(rule, value, holds, () if holds else evidence)


def _hidden(found: Finding) -> Evidence:
    return Evidence(found.bytes, found.layer, found.path[1:], found.hidden_by, found.cause.value)


def _layers(stack: Stack) -> list[Evidence]:
    sizes = [Evidence(layer.bytes, at) for at, layer in enumerate(stack.account.layers)]
    return sorted(sizes, key=lambda each: (-each.bytes, each.layer))


def _by_dive(rule: Rule, dive: Score) -> Outcome:
    if rule.name == "lowestEfficiency":
        value: float = dive.efficiency
        fails = rule.limit > value
    else:
        is_bytes = rule.name == "highestWastedBytes"
        value = dive.wasted_bytes if is_bytes else dive.wasted_user_percent
        fails = value > rule.limit  # nan is above nothing: dive lets an image of one layer pass
    evidence = [
        Evidence(each.bytes, each.layers[0], each.path, None, f"in {each.count} layers")
        for each in dive.repeated
    ]
    return Outcome(rule, value, not fails, evidence if fails else ())
