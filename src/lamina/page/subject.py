"""An image or a container as the page shows it: alone, or beside another one.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lamina.explain.findings import Finding
from lamina.explain.stack import Stack
from lamina.oci.digest import Digest
from lamina.report.account import deed, fate

_HUES, _GREYS = 8, 2
"""Colours that page.css tells apart; beyond them they come again, and the labels tell."""


class Subject(msgspec.Struct, frozen=True):
    """One stack and what the parts of the page say of it."""

    number: int
    """Its place on the page, from 0."""
    stack: Stack
    findings: Sequence[Finding]
    """The most bytes first."""
    colours: Sequence[str]
    """For each layer the class of its colour; a layer that both stacks have has one."""
    shared: Mapping[int, str]
    """Layer → the label that the other stack gives it."""
    fates: Sequence[str]
    """For each layer how much of it is hidden, and by whom: words, or none."""
    deeds: Sequence[str]
    """For each layer what it does to those below it."""

    def anchor(self, layer: int) -> str:
        """The id of the element that tells all of a layer."""
        return f"layer-{self.number}-{layer}"


def subjects(stacks: Sequence[Stack]) -> list[Subject]:
    """One stack, or two that are compared."""
    colours = _colours(stacks)
    found = []
    for number, stack in enumerate(stacks):
        hidden = stack.findings
        others = [other for other in stacks if other is not stack]
        found.append(
            Subject(
                number,
                stack,
                hidden,
                [colours[layer.diff_id] for layer in stack.account.layers],
                {k: v for other in others for k, v in _shared(stack, other).items()},
                _fates(stack, hidden),
                _deeds(stack, hidden),
            )
        )
    return found


def _colours(stacks: Sequence[Stack]) -> dict[Digest, str]:
    """Greys for a base, hues for what was put on it, none for a layer without bytes."""
    chosen: dict[Digest, str] = {}
    hues = greys = 0
    for stack in stacks:
        for place, layer in enumerate(stack.account.layers):
            if layer.diff_id in chosen:
                continue
            if not layer.bytes:
                chosen[layer.diff_id] = "bare"
            elif stack.base is not None and place < stack.base.layers:
                chosen[layer.diff_id] = f"grey{greys % _GREYS}"
                greys += 1
            else:
                chosen[layer.diff_id] = f"hue{hues % _HUES}"
                hues += 1
    return chosen


def _shared(stack: Stack, other: Stack) -> dict[int, str]:
    """Empty layers may be many times in a stack: the one at the same place is meant."""
    theirs = [layer.diff_id for layer in other.account.layers]
    first = {diff_id: place for place, diff_id in reversed(list(enumerate(theirs)))}
    found = {}
    for place, layer in enumerate(stack.account.layers):
        if layer.diff_id in first:
            same = theirs[place : place + 1] == [layer.diff_id]
            found[place] = other.label(place if same else first[layer.diff_id])
    return found


def _fates(stack: Stack, found: Sequence[Finding]) -> list[str]:
    of: list[list[Finding]] = [[] for _ in stack.origins]
    for each in found:
        of[each.layer].append(each)
    return [
        fate(stack, each, layer.bytes) for each, layer in zip(of, stack.account.layers, strict=True)
    ]


def _deeds(stack: Stack, found: Sequence[Finding]) -> list[str]:
    by: list[list[Finding]] = [[] for _ in stack.origins]
    for each in found:
        by[each.hidden_by].append(each)
    return [deed(stack, each, [place]) for place, each in enumerate(by)]
