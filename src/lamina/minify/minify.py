"""An image watched at work, and made anew without what it never used; or left as it was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from lamina.explain.stack import Stack
from lamina.layer.contract import LayerInfo, Listing
from lamina.minify.errors import NothingRecorded, ProbeFailed
from lamina.minify.image_tree import ImageTree
from lamina.minify.keep import Kept, Wishes, keep
from lamina.minify.later import Later, needed_later
from lamina.minify.probe import Outcome, Probe, fault, tail
from lamina.minify.recorder import Way, recording
from lamina.minify.removed import attach_removed, write_removed
from lamina.minify.trial import Laboratory
from lamina.needs.system import System
from lamina.oci.config import ImageConfig
from lamina.oci.reference import Reference
from lamina.repack.plan import Plan, Span, plan
from lamina.repack.repack import Repacked, repack, tree_of
from lamina.run.lowers import lowers
from lamina.store.contract import Image, Lease, Store

Verdict = Literal["same", "varies", "differs"]
"""varies: the original answers otherwise each time, too; its status is the same, and it opens
nothing that was removed."""


class Checked(msgspec.Struct, frozen=True):
    """A probe, what it came to on the image, and on the smaller one."""

    probe: Probe
    before: Outcome
    after: Outcome | None = None
    """None where no smaller image was tried."""
    verdict: Verdict = "same"


class Observed(msgspec.Struct, frozen=True):
    """What the probes showed of an image, and what follows from it."""

    tree: ImageTree
    outcomes: tuple[Outcome, ...]
    used: frozenset[str]
    """Clean paths."""
    way: Way
    kept: Kept
    later: tuple[Later, ...]
    """What may be missed by ways that no probe took."""


class Minified(msgspec.Struct, frozen=True):
    """What came of it."""

    observed: Observed
    checked: tuple[Checked, ...]
    image: Image | None = None
    """None for a dry run, and when a probe told the two images apart: nothing was named."""
    missing: tuple[str, ...] = ()
    """What the failing probes open of that which was removed: paths to keep."""
    removed_layer: LayerInfo | None = None

    @property
    def holds(self) -> bool:
        """Whether no probe could tell the smaller image from the old one."""
        return all(each.verdict != "differs" for each in self.checked)


def observe(
    image: Image, stack: Stack, laboratory: Laboratory, wishes: Wishes, way: Way | None = None
) -> Observed:
    """Carry the probes out on an image of the store, watching which files are used.

    `way` to watch is chosen when it is None.  Raises ProbeFailed, NothingRecorded,
    NothingMatches, and what the containers' start raises.
    """
    probes = laboratory.settings.probes
    with recording(stack.union, way) as recorder:
        if recorder.way != "fanotify" and way is None:
            laboratory.tell("this kernel has no fanotify for us: watching access times instead")
        with lowers(laboratory.layers, image.layers) as below:
            outcomes = laboratory.try_out(image.config, below, probes, recorder)
        for probe, outcome in zip(probes, outcomes, strict=True):
            if why := fault(probe, outcome):
                raise ProbeFailed(probe.name, why, tail(outcome))
        used, how = recorder.used(), recorder.way
    if not used:
        raise NothingRecorded(how)
    tree = ImageTree(System(stack))
    kept = keep(tree, used, wishes)
    later = tuple(needed_later(tree, kept))
    return Observed(tree, tuple(outcomes), used, how, kept, later)


def minify(
    store: Store,
    image: Image,
    stack: Stack,
    observed: Observed,
    laboratory: Laboratory,
    reference: Reference,
    *,
    keep_removed: bool = False,
) -> Minified:
    """Make the image without what is not kept, try the probes on it, and name it `reference`.

    The new tree is the old one without `observed.kept.removed`, entry by entry, or NotTheSame
    is raised.  When a probe tells the two apart nothing is named: `checked` says how they
    differ, and `missing` what to keep.  With `keep_removed` what was removed is attached.
    """
    probes = laboratory.settings.probes
    removed = observed.kept.removed
    with store.leases.hold() as lease:
        lease.protect(image.manifest.digest, image.config.digest, *image.layers)
        made = _make(store, lease, image, stack, removed)
        lease.protect(made.manifest.digest, made.config.digest)
        laboratory.tell("the probes again, on the smaller image")
        with lowers(store.layers, made.config.diff_ids) as below:
            after = laboratory.try_out(made.config, below, probes)
        checked = _compare(image, laboratory, observed.outcomes, after)
        doubtful = [each.probe for each in checked if each.verdict != "same"]
        layer, missing = None, frozenset[str]()
        if removed and (doubtful or keep_removed):
            layer = write_removed(store, lease, image, stack, removed)
        if layer is not None and doubtful:
            laboratory.tell("what is missing")
            missing = _missed(stack, laboratory, made.config, layer, doubtful) & removed
        if missing:
            # An output that varies by itself may vary with what is there, too.
            checked = tuple(_doubted(each) for each in checked)
        if any(each.verdict == "differs" for each in checked):
            return Minified(observed, checked, missing=tuple(sorted(missing)))
        new = store.images.add(made.manifest, made.config, reference)
        if layer is not None and keep_removed:
            attach_removed(store, new, layer)
    return Minified(observed, checked, new, removed_layer=layer if keep_removed else None)


def minify_plan(stack: Stack, removed: Collection[str]) -> Plan:
    """Which layers are made anew: those that have any of `removed`, or hidden bytes."""
    spans = [
        Span(layer, layer)
        for layer, (listing, told) in enumerate(
            zip(stack.listings, stack.account.layers, strict=True)
        )
        if told.hidden_bytes or _touches(listing, removed)
    ]
    return plan(stack.listings, stack.union, spans, removed=removed)


def _touches(listing: Listing, removed: Collection[str]) -> bool:
    """Whether a layer has anything at or below a path of these: a marker makes the directory
    that it is in, and what is hidden by a file comes back without it."""
    known: set[str] = set()
    for entry in listing.entries:
        at = entry.whiteout_of or entry.path
        while at and at not in known:
            if at in removed:
                return True
            known.add(at)
            at = at.rpartition("/")[0]
    return False


def _make(
    store: Store, lease: Lease, image: Image, stack: Stack, removed: Collection[str]
) -> Repacked:
    tree = {path: record for path, record in tree_of(stack).items() if path not in removed}
    planned = minify_plan(stack, removed)
    return repack(store, lease, stack.name, image.manifest, image.config, tree, planned)


def _compare(
    image: Image, laboratory: Laboratory, before: Sequence[Outcome], after: Sequence[Outcome]
) -> tuple[Checked, ...]:
    """A probe that answers otherwise is tried on the old image once more: one that does so
    there as well tells nothing by its output."""
    probes = laboratory.settings.probes
    differing = [
        place
        for place, (old, new) in enumerate(zip(before, after, strict=True))
        if not old.same(new)
    ]
    again: dict[int, Outcome] = {}
    if differing:
        laboratory.tell("once more on the image as it was")
        with lowers(laboratory.layers, image.layers) as below:
            tried = laboratory.try_out(image.config, below, [probes[place] for place in differing])
        again = dict(zip(differing, tried, strict=True))
    found = []
    for place, (probe, old, new) in enumerate(zip(probes, before, after, strict=True)):
        verdict: Verdict = "same"
        if place in again:
            varies = not old.same(again[place]) and old.status == new.status
            verdict = "varies" if varies else "differs"
        found.append(Checked(probe, old, new, verdict))
    return tuple(found)


def _doubted(checked: Checked) -> Checked:
    return replace(checked, verdict="differs") if checked.verdict == "varies" else checked


def _missed(
    stack: Stack,
    laboratory: Laboratory,
    config: ImageConfig,
    layer: LayerInfo,
    probes: Sequence[Probe],
) -> frozenset[str]:
    """What the probes use when that which was removed is there again."""
    chain = (*config.diff_ids, layer.diff_id)
    with recording(stack.union) as recorder:
        with lowers(laboratory.layers, chain) as below:
            laboratory.try_out(config, below, probes, recorder)
        return recorder.used()
