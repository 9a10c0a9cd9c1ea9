"""Bytes that one step ships and another hides, as a built image has them.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.explain.findings import Finding as Hidden
from lamina.layer.union import Cause
from lamina.rewrite.document import Step
from lamina.rewrite.finding import Finding
from lamina.rewrite.lint_rule import LEAST, LintRule, View, measured

_DONE = {
    Cause.OVERWRITTEN: "overwrites",
    Cause.DELETED: "deletes",
    Cause.OPAQUE: "clears",
    Cause.REPLACED: "replaces",
}


def _pairs(view: View) -> Iterator[tuple[Step | None, Step, list[Hidden]]]:
    """What each step hides of each other one, or of the base image (None), in bytes
    the most first."""
    stack = view.evidence.stack
    if stack is None:
        return
    steps = {
        layer: step
        for step in view.document.shipped_steps
        for layer in view.evidence.layers[step.index]
    }
    groups: dict[tuple[int, int], list[Hidden]] = {}
    for each in stack.findings:
        lower, upper = steps.get(each.layer), steps.get(each.hidden_by)
        if upper is not None and lower is not upper:
            key = (lower.index if lower is not None else -1, upper.index)
            groups.setdefault(key, []).append(each)
    by_index = {step.index: step for step in steps.values()}
    for (below, above), hidden in groups.items():
        yield by_index.get(below), by_index[above], hidden


def _example(hidden: list[Hidden]) -> str:
    """The largest thing of some, and how many more there are."""
    more = sum(each.files for each in hidden) - hidden[0].files
    files = f" ({hidden[0].files:,} files)" if hidden[0].files > 1 else ""
    return f"{hidden[0].path}{files}" + (f" and {more:,} more" if more else "")


def _hidden(view: View, rule: LintRule) -> Iterator[Finding]:
    for lower, upper, hidden in _pairs(view):
        gone = [each for each in hidden if each.cause in _DONE]
        size = sum(each.bytes for each in gone)
        if lower is None or size < LEAST:
            continue
        done = _DONE[gone[0].cause]
        line = upper.line.span.line
        message = f"line {line} {done} what this step ships: {_example(gone)}"
        yield rule.found(lower.line, message, amount=measured(size), advice=_advice(lower, upper))


def _advice(lower: Step, upper: Step) -> str:
    if lower.keyword == "RUN" and upper.keyword == "RUN":
        return f"do it in one RUN with line {upper.line.span.line}, joined by &&"
    if lower.keyword in ("COPY", "ADD") and upper.keyword == "RUN":
        return "RUN --mount=type=bind shows files to a step and ships none of them"
    return ""


def _hidden_base(view: View, rule: LintRule) -> Iterator[Finding]:
    for lower, upper, hidden in _pairs(view):
        gone = [each for each in hidden if each.cause is not Cause.DUPLICATED]
        size = sum(each.bytes for each in gone)
        if lower is None and size >= LEAST:
            done = _DONE.get(gone[0].cause, "hides")
            message = f"this step {done} files of the base image, which ships them all the same: "
            yield rule.found(upper.line, message + _example(gone), amount=measured(size))


def _changed(view: View, rule: LintRule) -> Iterator[Finding]:
    for lower, upper, hidden in _pairs(view):
        same = [each for each in hidden if each.cause is Cause.DUPLICATED]
        size = sum(each.bytes for each in same)
        if size < LEAST:
            continue
        of = f"line {lower.line.span.line}" if lower is not None else "the base image"
        message = f"this step ships files of {of} again, with the same content: {_example(same)}"
        yield rule.found(upper.line, message, amount=measured(size), advice=_in_place(lower))


def _in_place(lower: Step | None) -> str:
    """How files get their owner and mode where they are made."""
    if lower is None:
        return "leave the files of the base image as they are, or take another base"
    place = f"in line {lower.line.span.line}"
    if lower.keyword in ("COPY", "ADD"):
        return f"write --chown=… or --chmod=… {place}"
    return f"change them in the {lower.keyword} {place}, which makes them"


HIDDEN = LintRule(
    "hidden-bytes",
    "no step deletes or overwrites what an earlier one ships",
    "keep it out of the earlier step, or do both in one",
    "warning",
    _hidden,
)
HIDDEN_BASE = LintRule(
    "hidden-base-bytes",
    "no step deletes or overwrites much of the base image",
    "take a base image without these files: lamina slim --base looks for one",
    "info",
    _hidden_base,
)
SHIPPED_TWICE = LintRule(
    "shipped-twice",
    "no step ships files again only to change their owner or mode",
    "COPY --chown=… --chmod=…, or change them in the RUN that makes them",
    "warning",
    _changed,
)
