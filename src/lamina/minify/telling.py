"""What was found, gathered for a report.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.layer.entry import Kind
from lamina.minify.image_tree import ImageTree
from lamina.minify.keep_node import package_of
from lamina.minify.keep_python import site_of
from lamina.minify.minify import Checked, Minified, Observed
from lamina.minify.probe import HttpProbe, Outcome, Probe, difference
from lamina.minify.reasons import Why
from lamina.report.minify import Group, LaterTold, ProbeTold, Telling


def telling(name: str, done: Minified) -> Telling:
    """All that there is to tell of the image `name`."""
    observed, new = done.observed, done.image
    tree, kept = observed.tree, observed.kept
    by_reason = _groups(tree, ((path, kept.reasons[path].why.value) for path in kept.reasons))
    order = {why.value: place for place, why in enumerate(Why)}
    removed = _groups(tree, ((path, _belongs(tree, path)) for path in kept.removed))
    after = sum(group.bytes for group in by_reason)
    reference = new.row.reference if new is not None else None
    return Telling(
        image=name,
        new=reference.familiar if reference is not None else "",
        image_id=str(new.config.digest) if new is not None else "",
        before=after + sum(group.bytes for group in removed),
        after=after,
        way=observed.way,
        used=len(observed.used),
        probes=[_probe(each) for each in done.checked],
        kept=sorted(by_reason, key=lambda group: order[group.name]),
        removed=sorted(removed, key=lambda group: (-group.bytes, group.name)),
        removed_paths=sorted(kept.removed),
        later=[LaterTold(*each) for each in observed.later],
        missing=done.missing,
        removed_kept=done.removed_layer is not None,
    )


def dry(observed: Observed, probes: Iterable[Probe]) -> Minified:
    """What is told of an image that was only looked at."""
    outcomes = zip(probes, observed.outcomes, strict=True)
    return Minified(observed, tuple(Checked(probe, outcome) for probe, outcome in outcomes))


def _probe(checked: Checked) -> ProbeTold:
    before, after = checked.before, checked.after
    return ProbeTold(
        checked.probe.name,
        _result(checked.probe, before),
        before.seconds,
        checked.verdict if after is not None else "",
        difference(before, after) if after is not None and checked.verdict == "differs" else (),
    )


def _result(probe: Probe, outcome: Outcome) -> str:
    if outcome.status is None:
        return "runs on"
    kind = "HTTP" if isinstance(probe, HttpProbe) else "exit"
    return f"{kind} status {outcome.status}"


def _groups(tree: ImageTree, named: Iterable[tuple[str, str]]) -> list[Group]:
    """Files by the name they come with; a content with several names counts once."""
    files: dict[str, int] = {}
    sizes: dict[str, int] = {}
    seen: set[int] = set()
    for path, name in sorted(named):
        if tree.entries[path].kind is Kind.DIRECTORY:
            continue
        files[name] = files.get(name, 0) + 1
        content = tree.union.content(path)
        size = content.entry.size if content is not None and id(content.entry) not in seen else 0
        if content is not None:
            seen.add(id(content.entry))
        sizes[name] = sizes.get(name, 0) + size
    return [Group(name, files[name], sizes[name]) for name in files]


def _belongs(tree: ImageTree, path: str) -> str:
    """What brought a path: a package of the system or of a language, or where it lies."""
    if (package := tree.packaged.owner.get(path)) is not None:
        return package
    if (site := site_of(path)) is not None:
        return f"python: {site[1].partition('/')[0]}"
    if (node := package_of(path)) is not None:
        return f"node: {node[1]}"
    return "/" + "/".join(path.split("/")[:2] if path.count("/") > 1 else path.split("/")[:1])
