"""RUN instructions that hide each other's bytes, as one.  Pure.

Safe: see `joining`.  A layer keeps what its step left behind, and one step leaves what the two
left together: the tree is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from lamina.rewrite.caches import APT, verb
from lamina.rewrite.document import Document, Step
from lamina.rewrite.evidence import Evidence, estimated
from lamina.rewrite.finding import UNKNOWN, Amount, Finding
from lamina.rewrite.joining import are_adjacent, join
from lamina.rewrite.paths import covers, removed, written
from lamina.rewrite.rule import Rule
from lamina.text import prose_size

WORTH = 1_000_000
"""Bytes: for less, two steps that can be cached apart are worth more than one."""


def _judge(document: Document, evidence: Evidence) -> Iterator[Finding]:
    for series in _series(document):
        pairs = list(_pairs(series, evidence))
        for first, last in _groups(pairs):
            inside = [each for each in pairs if first <= each[0] and each[1] <= last]
            amount = _sum([each[2] for each in inside])
            yield _finding(document, series[first : last + 1], amount)
    yield from _apart(document, evidence)


def _series(document: Document) -> list[list[Step]]:
    """RUN instructions with nothing between them."""
    found: list[list[Step]] = []
    for step in document.shipped_steps:
        if found and are_adjacent(found[-1][-1], step):
            found[-1].append(step)
        elif step.keyword == "RUN":
            found.append([step])
    return [each for each in found if len(each) > 1]


def _pairs(series: Sequence[Step], evidence: Evidence) -> Iterator[tuple[int, int, Amount]]:
    """Which step hides bytes of which, by their places."""
    for upper in range(1, len(series)):
        for lower in range(upper):
            amount = _hidden(series[lower], series[upper], evidence)
            if amount is not None:
                yield lower, upper, amount


def _hidden(lower: Step, upper: Step, evidence: Evidence) -> Amount | None:
    """The bytes of one step that another hides, when that is worth a word."""
    measured = evidence.hidden(lower, upper)
    if measured is not None:
        return Amount(measured, "measured") if measured >= WORTH else None
    if lower.script is None or upper.script is None:
        return None
    gone = removed(upper.script, upper.state.cwd)
    sizes = [
        size
        for path, size in written(lower.script, lower.state.cwd)
        if any(covers(each, path) for each in gone)
    ]
    if not sizes or (0 not in sizes and max(sizes) < WORTH):
        return None
    return estimated(max(sizes)) if max(sizes) >= WORTH else UNKNOWN


def _groups(pairs: Sequence[tuple[int, int, Amount]]) -> list[tuple[int, int]]:
    """The steps from the first to the last that have to do with each other."""
    groups: list[tuple[int, int]] = []
    for lower, upper, _ in sorted(pairs, key=lambda each: each[:2]):
        if groups and lower <= groups[-1][1]:
            groups[-1] = groups[-1][0], max(groups[-1][1], upper)
        else:
            groups.append((lower, upper))
    return groups


def _sum(amounts: Sequence[Amount]) -> Amount:
    total = sum(each.bytes for each in amounts)
    if not total:
        return UNKNOWN
    return Amount(total, "measured" if amounts[0].basis == "measured" else "estimated")


def _lines(numbers: Sequence[int]) -> str:
    """`line 4 hides`, `lines 4, 5 and 6 hide`."""
    *some, last = map(str, numbers)
    return f"lines {', '.join(some)} and {last} hide" if some else f"line {last} hides"


def _finding(document: Document, steps: Sequence[Step], amount: Amount) -> Finding:
    who = _lines([each.number for each in steps[1:]])
    what = f"{prose_size(amount.bytes)} of it" if amount.bytes else "what it writes"
    message = f"{who} {what}, and both ship: chained, they leave what is left"
    joined = join(document, steps)
    if isinstance(joined, str):
        return Finding(
            CHAIN_HIDDEN.name,
            "suggestion",
            steps[0].line.span,
            f"{who} {what}, and both ship",
            amount,
            reason=joined,
            advice="write them as one RUN with && between",
        )
    return Finding(CHAIN_HIDDEN.name, "edit", steps[0].line.span, message, amount, joined)


def _apart(document: Document, evidence: Evidence) -> Iterator[Finding]:
    """Steps with another one between them: what that would see is not known."""
    together = {
        step.index: number for number, each in enumerate(_series(document)) for step in each
    }
    steps = [each for each in document.shipped_steps if each.keyword in _ADVICE]
    for place, upper in enumerate(steps):
        for lower in steps[:place] if upper.keyword == "RUN" else ():
            number = together.get(lower.index)
            if number is not None and number == together.get(upper.index):
                continue
            amount = _hidden(lower, upper, evidence)
            if amount is None:
                continue
            what = f"{prose_size(amount.bytes)} of it" if amount.bytes else "what it writes"
            yield Finding(
                CHAIN_HIDDEN.name,
                "suggestion",
                lower.line.span,
                f"line {upper.number} hides {what}, and both ship",
                amount,
                reason="other steps stand between them",
                advice=_ADVICE[lower.keyword],
            )


_ADVICE = {
    "RUN": "remove it in the RUN that makes it",
    "COPY": "read it with RUN --mount=type=bind, which leaves nothing behind",
    "ADD": "fetch, use and remove it in one RUN, or read it with RUN --mount=type=bind",
}


def _update_apart(document: Document, evidence: Evidence) -> Iterator[Finding]:
    """`apt-get update` in a step of its own: from the cache it gives last year's lists to an
    install that was edited today, and they ship wherever they are removed."""
    for series in _series(document):
        for first, second in pairwise(series):
            if not _updates(first) or "install" not in map(verb, second.commands(*APT.managers)):
                continue
            if _updates(second):
                continue
            joined = join(document, (first, second))
            if isinstance(joined, str):
                message = "the lists of apt-get update are cached apart from the install"
                yield Finding(
                    APT_UPDATE_APART.name,
                    "suggestion",
                    first.line.span,
                    message,
                    reason=joined,
                    advice="write apt-get update && apt-get install in one RUN",
                )
            else:
                yield Finding(
                    APT_UPDATE_APART.name,
                    "edit",
                    first.line.span,
                    f"the lists of apt-get update are cached apart from the install in line "
                    f"{second.number}: old ones would be used, and both ship",
                    UNKNOWN,
                    joined,
                )


def _updates(step: Step) -> bool:
    return "update" in map(verb, step.commands(*APT.managers))


CHAIN_HIDDEN = Rule("chain-hidden", "makes one RUN of several that hide each other's bytes", _judge)
APT_UPDATE_APART = Rule(
    "apt-update-apart", "puts apt-get update into the step that installs", _update_apart
)
