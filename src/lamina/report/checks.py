"""How an image does by its rules: for people, and as JSON.  Pure."""

from __future__ import annotations

import math
from typing import Any

from lamina.explain.check import Evidence, Outcome, Verdict
from lamina.explain.policy import DIVE, Rule
from lamina.explain.stack import Stack
from lamina.report.paper import Cell, Paper
from lamina.text import prose_size


def amount(rule: Rule, value: float) -> str:
    """A value or a limit in the unit of its rule, for people."""
    if math.isnan(value):
        return "undefined"
    if rule.unit == "bytes":
        return prose_size(int(value))
    if rule.unit == "percent":
        return f"{_short(value, 2)} %"
    return str(int(value)) if rule.unit == "layers" else _short(value, 4)


def _short(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def sentence(outcome: Outcome) -> str:
    """The outcome of a rule in words: `max-hidden-bytes is 84.9 MB, the limit is 10.0 MB`."""
    rule = outcome.rule
    bound = "least" if rule.name == "lowestEfficiency" else "limit"
    by = "dive's " if rule.name in DIVE else ""
    value, limit = amount(rule, outcome.value), amount(rule, rule.limit)
    if not outcome.holds and value == limit:
        # Rounded they look alike; the reader must see which is larger.
        value, limit = f"{outcome.value:.12g}", f"{rule.limit:.12g}"
    return f"{by}{rule.name} is {value}, the {bound} is {limit}"


def described(stack: Stack, evidence: Evidence) -> str:
    """What counts against a rule, with the instruction that caused it, as one sentence."""
    what = f"/{evidence.path}" if evidence.path is not None else "the layer"
    by = stack.origins[evidence.layer].instruction
    text = f"{prose_size(evidence.bytes)}: {what}, shipped by layer {stack.label(evidence.layer)}"
    text += f" ({by})" if by else ""
    if evidence.hidden_by is None:
        return f"{text}, {evidence.cause}" if evidence.cause else text
    if evidence.hidden_by == evidence.layer:
        return f"{text}, {evidence.cause} there"
    hider = stack.origins[evidence.hidden_by].instruction
    text += f", {evidence.cause} by layer {stack.label(evidence.hidden_by)}"
    return text + (f" ({hider})" if hider else "")


def as_text(stack: Stack, verdict: Verdict, paper: Paper, *, limit: int) -> str:
    """Each rule with its value and its limit; under one that does not hold, what causes it."""
    head = paper.write(Cell(stack.name, "head"), Cell(f"   {_rules(verdict)}: "), *_result(verdict))
    rows = []
    for outcome in verdict.outcomes:
        passed = outcome.holds
        rows.append(
            [
                Cell("PASS" if passed else "FAIL", "visible" if passed else "hidden"),
                Cell(outcome.rule.name),
                Cell(sentence(outcome).split(" is ", 1)[1]),
                Cell("by dive's arithmetic" if outcome.rule.name in DIVE else ""),
            ]
        )
    parts = [f"{head}\n", paper.grid(rows, stretch=2)]
    parts += [_causes(stack, outcome, paper, limit) for outcome in verdict.failed]
    return "\n".join(part for part in parts if part)


def _rules(verdict: Verdict) -> str:
    noun = "rule" if len(verdict.outcomes) == 1 else "rules"
    return f"the {noun} of {verdict.source}" if verdict.source else f"the default {noun}"


def _result(verdict: Verdict) -> list[Cell]:
    if not verdict.outcomes:
        return [Cell("there are none", "deleted")]
    count = len(verdict.outcomes)
    if verdict.holds:
        return [Cell("it holds" if count == 1 else f"all {count} hold", "visible")]
    failed = len(verdict.failed)
    if count == 1:
        return [Cell("it does not hold", "hidden")]
    verb = "does" if failed == 1 else "do"
    return [Cell(f"{failed} of {count} {verb} not hold", "hidden")]


def _causes(stack: Stack, outcome: Outcome, paper: Paper, limit: int) -> str:
    shown = outcome.evidence[:limit]
    if not shown:
        return ""
    rows = [
        [
            Cell(prose_size(each.bytes)),
            Cell(f"/{each.path}" if each.path is not None else f"layer {stack.label(each.layer)}"),
            Cell(_how(stack, each), "deleted"),
            Cell(stack.origins[each.layer].instruction),
        ]
        for each in shown
    ]
    if rest := outcome.evidence[limit:]:
        size = prose_size(sum(each.bytes for each in rest))
        rows.append([Cell(size), Cell(f"in {len(rest)} more"), Cell(""), Cell("")])
    title = paper.write(Cell(f"   {outcome.rule.name}:", "head"))
    return f"{title}\n{paper.grid(rows, right={0}, stretch=3)}"


def _how(stack: Stack, evidence: Evidence) -> str:
    label = stack.label(evidence.layer)
    if evidence.hidden_by is None:
        return evidence.cause
    if evidence.hidden_by == evidence.layer:
        return f"shipped and {evidence.cause} by {label}"
    return f"shipped by {label}, {evidence.cause} by {stack.label(evidence.hidden_by)}"


def as_json(stack: Stack, verdict: Verdict) -> dict[str, Any]:
    """Rules, values and causes; sizes are bytes, a value that is no number is null."""
    account = stack.account
    return {
        "container" if stack.is_container else "image": stack.name,
        "id": stack.identity,
        "rules_of": verdict.source or None,
        "holds": verdict.holds,
        "bytes": account.bytes,
        "visible_bytes": account.visible_bytes,
        "hidden_bytes": account.hidden_bytes,
        "rules": [_outcome_json(stack, outcome) for outcome in verdict.outcomes],
        "dive": _score_json(verdict),
    }


def _outcome_json(stack: Stack, outcome: Outcome) -> dict[str, Any]:
    return {
        "rule": outcome.rule.name,
        "unit": outcome.rule.unit,
        "value": _finite(outcome.value),
        "limit": outcome.rule.limit,
        "holds": outcome.holds,
        "message": sentence(outcome),
        "causes": [evidence_json(stack, each) for each in outcome.evidence],
    }


def evidence_json(stack: Stack, evidence: Evidence) -> dict[str, Any]:
    """One cause, with the instructions that shipped it and hid it."""
    hider = evidence.hidden_by
    return {
        "path": f"/{evidence.path}" if evidence.path is not None else None,
        "bytes": evidence.bytes,
        "how": evidence.cause or None,
        "layer": stack.label(evidence.layer),
        "instruction": stack.origins[evidence.layer].instruction,
        "hidden_by": stack.label(hider) if hider is not None else None,
        "hiding_instruction": stack.origins[hider].instruction if hider is not None else None,
    }


def _score_json(verdict: Verdict) -> dict[str, Any] | None:
    score = verdict.score
    if score is None:
        return None
    return {
        "efficiency": score.efficiency,
        "wastedBytes": score.wasted_bytes,
        "sizeBytes": score.size_bytes,
        "userSizeBytes": score.user_size_bytes,
        "wastedUserPercent": _finite(score.wasted_user_percent),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
