"""The report of a whole image: for people and as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.explain.advice import advise
from lamina.explain.cause import Origin
from lamina.explain.findings import Finding
from lamina.explain.stack import Stack
from lamina.explain.waste import Account, LayerAccount
from lamina.layer.union import Cause
from lamina.report import advice as advice_report
from lamina.report.paper import Cell, Meaning, Paper
from lamina.text import prose_size

_VERBS = {
    Cause.OVERWRITTEN: "overwrites",
    Cause.DUPLICATED: "ships again",
    Cause.DELETED: "deletes",
    Cause.OPAQUE: "deletes",
    Cause.REPLACED: "replaces",
}
_ROOM_FOR_BARS = 100
"""Columns: on less, instructions need them more."""
_CURES = {
    Cause.DELETED: "delete in the instruction that made it (chain them with &&)",
    Cause.OPAQUE: "delete in the instruction that made it (chain them with &&)",
    Cause.DUPLICATED: "set owner, mode and times where the files are made (COPY --chown, --chmod)",
    Cause.OVERWRITTEN: "write the files once, or start from a base that has the newer ones",
}


def as_json(stack: Stack, *, limit: int | None = None) -> dict[str, Any]:
    """The report as a JSON document; sizes are bytes of file content, the lowest layer first."""
    account = stack.account
    found = stack.findings
    return {
        "container" if stack.is_container else "image": stack.name,
        "id": stack.identity,
        "bytes": account.bytes,
        "visible_bytes": account.visible_bytes,
        "hidden_bytes": account.hidden_bytes,
        "base": {"name": stack.base.name, "layers": stack.base.layers} if stack.base else None,
        "layers": [
            layer_json(stack, origin, layer)
            for origin, layer in zip(stack.origins, account.layers, strict=True)
        ],
        "findings": [finding_json(stack, each) for each in found[:limit]],
        "advice": advice_report.as_json(stack, advise(stack)),
    }


def finding_json(stack: Stack, found: Finding) -> dict[str, Any]:
    """A finding."""
    return {
        "cause": found.cause.value,
        "path": found.path,
        "files": found.files,
        "bytes": found.bytes,
        "layer": stack.label(found.layer),
        "hidden_by": stack.label(found.hidden_by),
    }


def layer_json(stack: Stack, origin: Origin, layer: LayerAccount) -> dict[str, Any]:
    """A layer and its sums."""
    return {
        "layer": origin.label,
        "diff_id": str(layer.diff_id) if origin.label != "rw" else None,
        "created_by": origin.created_by,
        "instruction": origin.instruction,
        "created": origin.created,
        "bytes": layer.bytes,
        "visible_bytes": layer.visible_bytes,
        "hidden_bytes": layer.hidden_bytes,
        "hidden_by": _labelled(stack, layer.hidden_by),
        "hides": _labelled(stack, layer.hides),
    }


def _labelled(stack: Stack, sums: Mapping[int, int]) -> dict[str, int]:
    return {stack.label(layer): size for layer, size in sorted(sums.items())}


def as_text(stack: Stack, paper: Paper, *, limit: int) -> str:
    """The report for people: the sum, the layers from the top, the largest findings; and under
    a heading of its own what can be seen and is probably not wanted."""
    found = stack.findings
    parts = [_headline(stack, paper), _layer_table(stack, found, paper)]
    if found:
        parts.append(finding_table(stack, found, paper, limit=limit))
    if found and not stack.is_container:
        parts.append(_cure(found, paper))
    if not stack.is_container:
        parts.append(advice_report.as_text(stack, advise(stack), paper, limit=(limit + 1) // 2))
    return "\n".join(part for part in parts if part)


def _headline(stack: Stack, paper: Paper) -> str:
    account = stack.account
    return paper.write(Cell(stack.name, "head"), Cell("   "), *summed(account)) + "\n"


def summed(account: Account | LayerAccount) -> list[Cell]:
    """`251.7 MB = 199.3 MB visible + 52.4 MB hidden (20.8 %)`."""
    if not account.hidden_bytes:
        return [Cell(prose_size(account.bytes)), Cell(", all of it visible", "visible")]
    share = 100 * account.hidden_bytes / account.bytes
    return [
        Cell(f"{prose_size(account.bytes)} = "),
        Cell(f"{prose_size(account.visible_bytes)} visible", "visible"),
        Cell(" + "),
        Cell(f"{prose_size(account.hidden_bytes)} hidden", "hidden"),
        Cell(f" ({share:.1f} %)"),
    ]


def _layer_table(stack: Stack, found: Sequence[Finding], paper: Paper) -> str:
    rows = [[Cell(text, "head") for text in ("layer", "size", "hidden", "instruction", "", "")]]
    in_base = stack.base.layers if stack.base else 0
    rows += [
        _row(stack, [place], stack.origins[place].instruction, found, paper)
        for place in range(len(stack.origins) - 1, in_base - 1, -1)
    ]
    if stack.base:
        more = f" ({in_base} layers)" if in_base > 1 else ""
        noun = "image" if stack.is_container and in_base == len(stack.origins) - 1 else "base"
        name = f"{noun} {stack.base.name}{more}"
        rows.append(_row(stack, list(range(in_base)), name, found, paper, meaning="base"))
    return paper.grid(rows, right={1, 2}, stretch=3)


def _row(
    stack: Stack,
    places: Sequence[int],
    instruction: str,
    found: Sequence[Finding],
    paper: Paper,
    *,
    meaning: Meaning = "",
) -> list[Cell]:
    layers = [stack.account.layers[place] for place in places]
    size, hidden = sum(each.bytes for each in layers), sum(each.hidden_bytes for each in layers)
    label = "–".join(dict.fromkeys((stack.label(places[0]), stack.label(places[-1]))))
    became = fate(stack, [each for each in found if each.layer in places], size)
    done = deed(stack, [each for each in found if each.hidden_by in places], places)
    return [
        Cell(label, meaning),
        Cell(prose_size(size), meaning),
        Cell(prose_size(hidden) if hidden else "", "hidden"),
        Cell(instruction, meaning),
        Cell(
            paper.bar(hidden / size) if hidden and paper.width >= _ROOM_FOR_BARS else "", "hidden"
        ),
        Cell("; ".join(text for text in (became, done) if text)),
    ]


def fate(stack: Stack, found: Sequence[Finding], size: int) -> str:
    """How much of a layer is hidden, and by whom."""
    hidden = sum(each.bytes for each in found)
    if not hidden:
        return ""
    others = {each.hidden_by for each in found if each.hidden_by != each.layer}
    percent = min(99, round(100 * hidden / size))
    share = "all" if hidden == size else f"{percent} %" if percent else "<1 %"
    return f"{share} hidden by {layer_names(stack, others) if others else 'itself'}"


def deed(stack: Stack, found: Sequence[Finding], places: Sequence[int]) -> str:
    """What a layer does to those below it."""
    others = [each for each in found if each.layer not in places]
    if not others:
        return ""
    verbs = {_VERBS[each.cause] for each in others}
    size = prose_size(sum(each.bytes for each in others))
    verb = verbs.pop() if len(verbs) == 1 else "hides"
    return f"{verb} {size} of {layer_names(stack, {each.layer for each in others})}"


def layer_names(stack: Stack, places: set[int]) -> str:
    """`layers 2, 3`; more than three are counted."""
    labels = [stack.label(place) for place in sorted(places)]
    if len(labels) > 3:
        return f"{len(labels)} layers"
    if labels == ["rw"]:
        return "the container"
    return f"layer{'s' if len(labels) > 1 else ''} {', '.join(labels)}"


def finding_table(stack: Stack, found: Sequence[Finding], paper: Paper, *, limit: int) -> str:
    """The largest findings, and the sum of the rest."""
    rows = [
        [
            Cell(each.cause.value, "deleted"),
            Cell(prose_size(each.bytes)),
            Cell(f"{each.files} file{'s' if each.files > 1 else ''}"),
            Cell(each.path),
            Cell(_between(stack, each)),
        ]
        for each in found[:limit]
    ]
    rest = found[limit:]
    if rest:
        size, files = sum(each.bytes for each in rest), sum(each.files for each in rest)
        last = [Cell(prose_size(size)), Cell(f"{files} file{'s' if files > 1 else ''}")]
        rows.append([Cell("and more"), *last, Cell(f"(--limit {len(found)} shows all)"), Cell("")])
    return paper.grid(rows, right={1, 2}, stretch=3)


def _between(stack: Stack, found: Finding) -> str:
    if found.layer == found.hidden_by:
        return f"shipped and hidden by {stack.label(found.layer)}"
    return f"shipped by {stack.label(found.layer)}, hidden by {stack.label(found.hidden_by)}"


def _cure(found: Sequence[Finding], paper: Paper) -> str:
    sums: dict[str, int] = {}
    for each in found:
        cure = _CURES.get(each.cause, "")
        sums[cure] = sums.get(cure, 0) + each.bytes
    cure, size = max(sums.items(), key=lambda item: item[1])
    told = paper.prose(f"to ship {prose_size(size)} less: {cure}") if cure else ""
    return told + paper.prose(
        "`lamina slim` takes out what is hidden, `lamina slim --dockerfile` mends the cause"
    )
