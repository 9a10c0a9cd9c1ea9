"""What a step leaves in the image that a running container seldom wants, measured.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.explain.unwanted import KINDS
from lamina.rewrite.finding import Finding
from lamina.rewrite.lint_rule import LintRule, View, measured

LEAST = 500_000
"""Bytes of one kind in one layer: less is not worth a person's time."""


def _judge(view: View, rule: LintRule) -> Iterator[Finding]:
    for advice in view.advice:
        if f"left-{advice.kind}" != rule.name:
            continue
        for step in view.document.shipped_steps:
            size = sum(advice.layers.get(layer, 0) for layer in view.evidence.layers[step.index])
            if size >= LEAST:
                files = [
                    each.path
                    for each in advice.examples
                    if each.layer in view.evidence.layers[step.index]
                ]
                example = f", as /{files[0]}" if files else ""
                message = f"this step leaves {advice.what}{example}"
                yield rule.found(step.line, message, amount=measured(size))


LEFT = tuple(
    LintRule(
        f"left-{kind.kind}",
        f"no step leaves {kind.what}",
        kind.instead,
        "info",
        _judge,
    )
    for kind in KINDS
)
