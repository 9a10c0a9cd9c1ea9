"""More layers than there is a reason for.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.rewrite.document import Step
from lamina.rewrite.finding import Finding
from lamina.rewrite.lint_rule import LintRule, View

MOST = 30
"""Layers that an image's own steps may make: each costs a request when it is pulled, and a
container can stand on no more than 127 with those of its base."""
_MAKE_LAYERS = {"RUN", "COPY", "ADD", "WORKDIR"}


def _judge(view: View, rule: LintRule) -> Iterator[Finding]:
    steps = [each for each in view.document.shipped_steps if each.keyword in _MAKE_LAYERS]
    if len(steps) <= MOST:
        return
    longest: list[Step] = []
    row: list[Step] = []
    for step in steps:
        joins = bool(row) and row[-1].keyword == step.keyword and row[-1].stage == step.stage
        row = [*row, step] if joins else [step]
        longest = max(longest, row, key=len)
    first, last = longest[0], longest[-1]
    message = f"this file makes {len(steps)} layers"
    if first is not last:
        many = f"{len(longest)} of them by {first.keyword}"
        message += f", {many} in lines {first.line.span.line} to {last.line.span.line}"
    yield rule.found(first.line, message)


MANY_LAYERS = LintRule(
    "many-layers",
    "the steps of an image make at most 30 layers",
    "join steps that change together: one RUN with &&, one COPY with several sources",
    "info",
    _judge,
)
