"""How advice about a base is told: a table of candidates, and what the best would want.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lamina.needs.bases import Answer, Holding, Judgement
from lamina.needs.need import Kind, Need, Weight
from lamina.needs.own import Told
from lamina.needs.uses import Uses
from lamina.report.paper import Cell, Meaning, Paper
from lamina.text import clip, prose_size

_TOLD_IN_FULL = 3
"""Candidates of which is told what they have and have not."""
_MOST_ANSWERS = 12
_LONGEST_BY = 60
_PLURALS = {
    Kind.LIBRARY: "libraries",
    Kind.CERTIFICATES: "sets of certificates",
}


class Telling(msgspec.Struct, frozen=True):
    """What was found, for a report."""

    uses: Uses
    judgements: Sequence[Judgement]
    """The best first."""
    unread: Sequence[tuple[str, str]] = ()
    """Candidates that could not be read, and why."""
    notes: Sequence[str] = ()
    """What was left out."""


def as_text(telling: Telling, paper: Paper) -> str:
    """The present base, the candidates, the best of them in full, and what to do."""
    uses = telling.uses
    blocks = [paper.write(Cell(uses.stack.name, "head")) + "\n" + _present(uses, paper)]
    if telling.judgements:
        rows = [[Cell(word, "base") for word in ("candidate", "size", "saves", "", "verdict")]]
        rows += [_row(each, uses) for each in telling.judgements]
        blocks.append(paper.grid(rows, right={1, 2, 3}, stretch=4))
        told = [each for each in telling.judgements if not each.impossible][:_TOLD_IN_FULL]
        blocks += [_in_full(each, paper) for each in told]
    lines = [f"{x.name}: {x.impossible}" for x in telling.judgements if x.impossible]
    lines += [f"{name} cannot be read: {why}" for name, why in telling.unread]
    if lines or telling.notes:
        blocks.append("".join(paper.prose(line) for line in (*lines, *telling.notes)))
    if not telling.judgements:
        blocks.append(
            paper.prose("no candidate for a smaller base")
            + paper.prose(
                "give some with --candidate NAME (an image of the store, docker://NAME:TAG,"
                " docker://NAME for the tags of a repository, oci:DIR) or --candidates FILE"
            )
        )
    return "\n".join(blocks)


def _present(uses: Uses, paper: Paper) -> str:
    """What the image stands on, what is its own, and what it uses."""
    own, base = uses.own, uses.stack.base
    visible = uses.stack.account.visible_bytes
    if own.told is Told.LAYERS and base is not None:
        head = f"stands on {base.name}: {prose_size(visible - own.bytes)}"
        head += f", and has {prose_size(own.bytes)} of its own"
    else:
        what = {
            Told.PACKAGES: f"the packages of {own.packaged.manager} are taken to be the base's",
            Told.LOWEST: "the lowest layer is taken to be the base",
            Told.WHOLE: "all of it is taken to be the base",
        }[own.told]
        head = (
            f"its base cannot be told, for no image of the store has its lowest layers:"
            f" {what}; {prose_size(visible)}, of it {prose_size(own.bytes)} its own"
        )
    if base is None and (named := uses.labelled_base):
        head += f"; its label names {named}: pull that to know more"
    return paper.prose(head) + paper.prose(f"uses of it: {_counted(uses.needs)}")


def _counted(needs: Sequence[Need]) -> str:
    """`3 programs, 12 libraries, certificates`."""
    counts: dict[Kind, int] = {}
    for need in needs:
        counts[need.kind] = counts.get(need.kind, 0) + 1
    words = []
    for kind in Kind:
        if kind is Kind.CERTIFICATES and kind in counts:
            words.append("certificates")
        elif kind in counts:
            words.append(f"{counts[kind]} {_plural(kind, counts[kind])}")
    return ", ".join(words) or "nothing"


def _plural(kind: Kind, count: int) -> str:
    return kind.value if count == 1 else _PLURALS.get(kind, f"{kind.value}s")


def _row(each: Judgement, uses: Uses) -> list[Cell]:
    visible = uses.stack.account.visible_bytes
    share = f"{each.saves / visible:.0%}" if visible and each.saves > 0 else ""
    saves = prose_size(each.saves) if each.saves > 0 else "nothing"
    text, meaning = _verdict(each)
    size = "" if each.impossible else prose_size(each.bytes)
    if each.impossible:
        saves = share = ""
    return [Cell(each.name), Cell(size), Cell(saves), Cell(share), Cell(text, meaning)]


def _verdict(each: Judgement) -> tuple[str, Meaning]:
    if each.impossible:
        return "not possible", "deleted"
    parts = []
    if missing := len(each.missing):
        parts.append(f"misses {missing}")
    if build := len(each.with_(Holding.MISSING, Weight.BUILD)):
        parts.append(f"cannot be built there: misses {build}" if not parts else f"{build} to build")
    good = each.holds_all
    if good:
        parts.append("holds all")
    if other := len(each.with_(Holding.OTHER)):
        parts.append(f"{other} in another version")
    if may := len(each.with_(Holding.MISSING, Weight.MAY)):
        parts.append(f"{may} {'' if good else 'more '}may be missed")
    if comes := len(each.with_(Holding.COMES)):
        parts.append(f"{comes} come with its packages")
    return ", ".join(parts), "visible" if good else "hidden"


def _in_full(each: Judgement, paper: Paper) -> str:
    head = paper.prose(each.name + (" holds all that is used" if each.holds_all else ""), "head")
    told = [
        answer for holding in (Holding.MISSING, Holding.OTHER) for answer in each.with_(holding)
    ]
    noted = [answer for answer in each.with_(Holding.HELD) if answer.note]
    rows = [_answer(answer) for answer in (*told, *noted)[:_MOST_ANSWERS]]
    text = head + paper.grid(rows, stretch=3)
    if more := len(told) + len(noted) - len(rows):
        text += paper.prose(f"and {more} more: --format json has them all")
    return text + "".join(paper.prose(line) for line in _instructions(each))


def _answer(answer: Answer) -> list[Cell]:
    need = answer.need
    meanings: dict[Holding, Meaning] = {Holding.MISSING: "hidden", Holding.OTHER: "deleted"}
    word = answer.holding.value
    if answer.holding is Holding.MISSING and need.weight is not Weight.MUST:
        word = "may be missed" if need.weight is Weight.MAY else "missing to build"
    return [
        Cell(word, meanings.get(answer.holding, "")),
        Cell(need.kind.value),
        Cell(need.name),
        Cell(_told(answer)),
    ]


def _told(answer: Answer) -> str:
    need = answer.need
    more = f" and {need.others} more" if need.others else ""
    by = f"for {clip(need.by, _LONGEST_BY)}{more}"
    return f"{answer.note}; {by}" if answer.note else by


def _instructions(each: Judgement) -> list[str]:
    """Lines of a Dockerfile for that base, and what they would bring."""
    lines = [f"FROM {each.from_name}"] if each.from_name and not each.lacking else []
    if each.packages and each.install:
        lines.append(f"RUN {each.install}")
    elif each.packages:
        names = ", ".join(each.packages)
        lines.append(f"packages of the present base that have what is missing: {names}")
    if each.perhaps:
        lines.append(f"perhaps also: {', '.join(each.perhaps)}")
    users = [a.need.name for a in each.with_(Holding.MISSING) if a.need.kind is Kind.USER]
    if users:
        lines.append(f"users to make there: {', '.join(users)}")
    if each.package_bytes:
        left = each.saves - each.package_bytes
        saves = f"saves {prose_size(left)} then" if left > 0 else "saves nothing then"
        lines.append(f"about {prose_size(each.package_bytes)} of packages more: {saves}")
    return lines


def as_json(telling: Telling) -> dict[str, Any]:
    """All that is known."""
    uses = telling.uses
    base = uses.stack.base
    visible = uses.stack.account.visible_bytes
    return {
        "image": uses.stack.name,
        "bytes": visible,
        "own_bytes": uses.own.bytes,
        "base": base.name if base is not None else None,
        "base_told_by": uses.own.told.value,
        "needs": [_need(each) for each in uses.needs],
        "candidates": [
            {
                "name": each.name,
                "from": each.from_name or None,
                "holds_all": each.holds_all,
                "impossible": each.impossible or None,
                "base_bytes": each.base_bytes,
                "bytes": each.bytes,
                "saves": each.saves,
                "install": each.install or None,
                "packages": list(each.packages),
                "perhaps": list(each.perhaps),
                "package_bytes": each.package_bytes,
                "answers": [
                    {
                        "kind": answer.need.kind.value,
                        "name": answer.need.name,
                        "weight": answer.need.weight.value,
                        "holding": answer.holding.value,
                        "note": answer.note or None,
                    }
                    for answer in each.answers
                ],
            }
            for each in telling.judgements
        ],
        "unread": [{"name": name, "error": why} for name, why in telling.unread],
        "notes": list(telling.notes),
    }


def _need(need: Need) -> dict[str, Any]:
    return {
        "kind": need.kind.value,
        "name": need.name,
        "weight": need.weight.value,
        "by": need.by,
        "others": need.others,
        "path": f"/{need.place}" if need.place else None,
        "versions": list(need.versions),
        "package": need.package or None,
    }
