"""The report of a whole image, or of one layer: for people and as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamina.errors import NotFound
from lamina.explain.cause import Base, Origin
from lamina.explain.paper import Cell, Meaning, Paper
from lamina.explain.waste import Account, Finding, LayerAccount, findings
from lamina.layer.entry import Entry
from lamina.layer.union import Cause, Hidden
from lamina.text import prose_size

_VERBS = {
    Cause.OVERWRITTEN: "overwrites",
    Cause.DUPLICATED: "ships again",
    Cause.DELETED: "deletes",
    Cause.OPAQUE: "deletes",
    Cause.REPLACED: "replaces",
}
_DONE = {
    Cause.OVERWRITTEN: "overwritten",
    Cause.DUPLICATED: "shipped twice",
    Cause.DELETED: "deleted",
    Cause.OPAQUE: "deleted",
    Cause.REPLACED: "replaced",
    Cause.SUPERSEDED: "named twice",
}
_ADVICE = {
    Cause.DELETED: "delete in the instruction that made it (chain them with &&)",
    Cause.OPAQUE: "delete in the instruction that made it (chain them with &&)",
    Cause.DUPLICATED: "set owner, mode and times where the files are made (COPY --chown, --chmod)",
    Cause.OVERWRITTEN: "write the files once, or start from a base that has the newer ones",
}


class NoSuchLayer(NotFound):
    """The image has fewer layers."""

    def __init__(self, number: str, name: str, count: int) -> None:
        super().__init__(f"no layer {number} in {name}", hint=f"it has layers 1 to {count}")


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be told of an image or container."""

    name: str
    identity: str
    origins: Sequence[Origin]
    account: Account
    base: Base | None = None

    @property
    def is_container(self) -> bool:
        """Whether the top layer is a container's own."""
        return bool(self.origins) and self.origins[-1].label == "rw"

    def label(self, layer: int) -> str:
        """What people call the layer."""
        return self.origins[layer].label

    def place(self, label: str) -> int:
        """The layer that is called so.  Raises NoSuchLayer."""
        for place, origin in enumerate(self.origins):
            if origin.label == label:
                return place
        raise NoSuchLayer(label, self.name, len(self.origins))


def as_json(report: Report, *, limit: int | None = None) -> dict[str, Any]:
    """The report as a JSON document; sizes are bytes of file content, the lowest layer first."""
    account = report.account
    found = findings(account.hidden)
    return {
        "container" if report.is_container else "image": report.name,
        "id": report.identity,
        "bytes": account.bytes,
        "visible_bytes": account.visible_bytes,
        "hidden_bytes": account.hidden_bytes,
        "base": {"name": report.base.name, "layers": report.base.layers} if report.base else None,
        "layers": [
            _layer_json(report, origin, layer)
            for origin, layer in zip(report.origins, account.layers, strict=True)
        ],
        "findings": [
            {
                "cause": each.cause.value,
                "path": "/" + each.at,
                "files": each.files,
                "bytes": each.bytes,
                "layer": report.label(each.layer),
                "hidden_by": report.label(each.hidden_by),
            }
            for each in found[:limit]
        ],
    }


def _layer_json(report: Report, origin: Origin, layer: LayerAccount) -> dict[str, Any]:
    return {
        "layer": origin.label,
        "diff_id": str(layer.diff_id) if origin.label != "rw" else None,
        "created_by": origin.created_by,
        "instruction": origin.instruction,
        "created": origin.created,
        "bytes": layer.bytes,
        "visible_bytes": layer.visible_bytes,
        "hidden_bytes": layer.hidden_bytes,
        "hidden_by": _labelled(report, layer.hidden_by),
        "hides": _labelled(report, layer.hides),
    }


def _labelled(report: Report, sums: Mapping[int, int]) -> dict[str, int]:
    return {report.label(layer): size for layer, size in sorted(sums.items())}


def as_text(report: Report, paper: Paper, *, limit: int) -> str:
    """The report for people: the sum, the layers from the top, the largest findings."""
    found = findings(report.account.hidden)
    parts = [_headline(report, paper), _layer_table(report, found, paper)]
    if found:
        parts.append(_finding_table(report, found, paper, limit))
    if found and not report.is_container:
        parts.append(_advice(found, paper))
    return "\n".join(part for part in parts if part)


def _headline(report: Report, paper: Paper) -> str:
    account = report.account
    return paper.write(Cell(report.name, "head"), Cell("   "), *_sum(account)) + "\n"


def _sum(account: Account | LayerAccount) -> list[Cell]:
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


def _layer_table(report: Report, found: Sequence[Finding], paper: Paper) -> str:
    rows = [[Cell(text, "head") for text in ("layer", "size", "hidden", "instruction", "", "")]]
    in_base = report.base.layers if report.base else 0
    rows += [
        _row(report, [place], report.origins[place].instruction, found, paper)
        for place in range(len(report.origins) - 1, in_base - 1, -1)
    ]
    if report.base:
        more = f" ({in_base} layers)" if in_base > 1 else ""
        noun = "image" if report.is_container and in_base == len(report.origins) - 1 else "base"
        name = f"{noun} {report.base.name}{more}"
        rows.append(_row(report, list(range(in_base)), name, found, paper, meaning="base"))
    return paper.grid(rows, right={1, 2}, stretch=3)


def _row(
    report: Report,
    places: Sequence[int],
    instruction: str,
    found: Sequence[Finding],
    paper: Paper,
    *,
    meaning: Meaning = "",
) -> list[Cell]:
    layers = [report.account.layers[place] for place in places]
    size, hidden = sum(each.bytes for each in layers), sum(each.hidden_bytes for each in layers)
    label = "–".join(dict.fromkeys((report.label(places[0]), report.label(places[-1]))))
    fate = _fate(report, [each for each in found if each.layer in places], size)
    deed = _deed(report, [each for each in found if each.hidden_by in places], places)
    return [
        Cell(label, meaning),
        Cell(prose_size(size), meaning),
        Cell(prose_size(hidden) if hidden else "", "hidden"),
        Cell(instruction, meaning),
        Cell(paper.bar(hidden / size) if hidden else "", "hidden"),
        Cell("; ".join(text for text in (fate, deed) if text)),
    ]


def _fate(report: Report, found: Sequence[Finding], size: int) -> str:
    """How much of a layer is hidden, and by whom."""
    hidden = sum(each.bytes for each in found)
    if not hidden:
        return ""
    others = {each.hidden_by for each in found if each.hidden_by != each.layer}
    percent = min(99, round(100 * hidden / size))
    share = "all" if hidden == size else f"{percent} %" if percent else "<1 %"
    return f"{share} hidden by {_layers(report, others) if others else 'itself'}"


def _deed(report: Report, found: Sequence[Finding], places: Sequence[int]) -> str:
    """What a layer does to those below it."""
    others = [each for each in found if each.layer not in places]
    if not others:
        return ""
    verbs = {_VERBS[each.cause] for each in others}
    size = prose_size(sum(each.bytes for each in others))
    verb = verbs.pop() if len(verbs) == 1 else "hides"
    return f"{verb} {size} of {_layers(report, {each.layer for each in others})}"


def _layers(report: Report, places: set[int]) -> str:
    labels = [report.label(place) for place in sorted(places)]
    if len(labels) > 4:
        labels = [*labels[:3], f"{len(labels) - 3} more"]
    if labels == ["rw"]:
        return "the container"
    return f"layer{'s' if len(labels) > 1 else ''} {', '.join(labels)}"


def _finding_table(report: Report, found: Sequence[Finding], paper: Paper, limit: int) -> str:
    rows = [
        [
            Cell(_DONE[each.cause], "deleted"),
            Cell(prose_size(each.bytes)),
            Cell(f"{each.files} file{'s' if each.files > 1 else ''}"),
            Cell(f"/{each.at}"),
            Cell(_between(report, each)),
        ]
        for each in found[:limit]
    ]
    rest = found[limit:]
    if rest:
        size, files = sum(each.bytes for each in rest), sum(each.files for each in rest)
        last = [Cell(prose_size(size)), Cell(f"{files} file{'s' if files > 1 else ''}")]
        rows.append([Cell("and more"), *last, Cell(f"(--limit {len(found)} shows all)"), Cell("")])
    return paper.grid(rows, right={1, 2}, stretch=3)


def _between(report: Report, found: Finding) -> str:
    if found.layer == found.hidden_by:
        return f"shipped and hidden by {report.label(found.layer)}"
    return f"shipped by {report.label(found.layer)}, hidden by {report.label(found.hidden_by)}"


def _advice(found: Sequence[Finding], paper: Paper) -> str:
    sums: dict[str, int] = {}
    for each in found:
        advice = _ADVICE.get(each.cause, "")
        sums[advice] = sums.get(advice, 0) + each.bytes
    advice, size = max(sums.items(), key=lambda item: item[1])
    if not advice:
        return ""
    return paper.write(Cell(f"   to ship {prose_size(size)} less: {advice}")) + "\n"


def layer_as_text(report: Report, label: str, paper: Paper, *, limit: int) -> str:
    """What one layer ships: its largest files, and what became of each.  Raises NoSuchLayer."""
    place = report.place(label)
    layer = report.account.layers[place]
    head = paper.write(Cell(f"layer {label} of {report.name}", "head"), Cell("   "), *_sum(layer))
    what = report.origins[place].instruction or str(layer.diff_id)
    files = layer_files(report.account, place)
    rows = [
        [Cell(prose_size(entry.size)), Cell(f"/{entry.path}"), _fate_of_file(report, hidden)]
        for entry, hidden in files[:limit]
    ]
    parts = [f"{head}\n{paper.write(Cell('   ' + what))}\n"]
    if rows:
        parts.append(paper.grid(rows, right={0}, stretch=1))
    if rest := files[limit:]:
        size = prose_size(sum(entry.size for entry, _ in rest))
        parts.append(f"   and {len(rest)} smaller, {size}   (--limit {len(files)} shows all)\n")
    return "\n".join(parts)


def layer_as_json(report: Report, label: str) -> dict[str, Any]:
    """One layer as JSON: as in `as_json`, with all its files.  Raises NoSuchLayer."""
    place = report.place(label)
    document = _layer_json(report, report.origins[place], report.account.layers[place])
    document["files"] = [
        {
            "path": "/" + entry.path,
            "bytes": entry.size,
            "visible": hidden is None,
            "cause": hidden.cause.value if hidden else None,
            "hidden_by": report.label(hidden.hidden_by) if hidden else None,
        }
        for entry, hidden in layer_files(report.account, place)
    ]
    return document


def layer_files(account: Account, place: int) -> list[tuple[Entry, Hidden | None]]:
    """Every file content in a layer, the largest first, and how it came to be hidden."""
    hidden = {id(each.entry): each for each in account.hidden if each.layer == place}
    files = [
        (entry, hidden.get(id(entry))) for entry in account.listings[place].entries if entry.size
    ]
    return sorted(files, key=lambda file: (-file[0].size, file[0].path))


def _fate_of_file(report: Report, hidden: Hidden | None) -> Cell:
    if hidden is None:
        return Cell("visible", "visible")
    return Cell(f"{_DONE[hidden.cause]} by layer {report.label(hidden.hidden_by)}", "hidden")
