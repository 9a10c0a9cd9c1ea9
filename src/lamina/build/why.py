"""Why the cache had a step or not: what it is made from now against what it was made from.

What a step was made from is in the trace of the last build of the same context,
Dockerfile and target in which something ran; see `trace`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lamina.build.reason import Cause, Change, LayerFacts, Reason, Trial
from lamina.build.trace import SourceTrace, StepTrace
from lamina.context.outline import Outline, count, flat
from lamina.layer.entry import os_path, text_path
from lamina.oci.digest import Digest

_OPTIONS = {
    "args": "the command",
    "script": "the script",
    "user": "USER",
    "cwd": "WORKDIR",
    "network": "--network",
    "hosts": "--add-host",
    "insecure": "--security",
    "mounts": "--mount",
    "platform": "the platform",
    "dest": "the destination",
    "documents": "the heredoc",
    "owner": "--chown",
    "mode": "--chmod",
    "exclude": "--exclude",
    "link": "--link",
    "parents": "--parents",
}
"""What fields of an operation are called."""
FEW = 5
"""Files that are named; the rest is a number."""
Contents = Callable[[int, int, Sequence[bytes]], Mapping[bytes, LayerFacts] | None]
"""What a source of a step, by their numbers, would be in a chain of layers; None when one of
the layers is not stored."""


def explain(
    trials: Sequence[Trial], before: Sequence[StepTrace], contents: Contents
) -> tuple[Reason, ...]:
    """A reason for each step, in order; `before` is the trace of the last build."""
    earlier = _matched(trials, before)
    made_by = _makers(trials)
    return tuple(
        Reason(
            trial.number,
            trial.place,
            trial.title,
            trial.outcome,
            tuple(_Comparison(trial, old, made_by, contents).causes()),
        )
        for trial, old in zip(trials, earlier, strict=True)
    )


def _matched(trials: Sequence[Trial], before: Sequence[StepTrace]) -> list[StepTrace | None]:
    """For each step the one that stood in its place: instructions may have come and gone."""
    from difflib import SequenceMatcher

    found: list[StepTrace | None] = [None] * len(trials)
    stages: dict[bytes, list[int]] = {}
    for place, trial in enumerate(trials):
        if trial.trace is not None:
            stages.setdefault(trial.trace.stage, []).append(place)
    for stage, places in stages.items():
        old = [each for each in before if each.stage == stage]
        titles = [os_path(trials[place].title) for place in places]
        matcher = SequenceMatcher(None, [each.title for each in old], titles, autojunk=False)
        for tag, first, last, begin, end in matcher.get_opcodes():
            if tag in ("equal", "replace"):
                for one, two in zip(range(first, last), range(begin, end), strict=False):
                    found[places[two]] = old[one]
    return found


def _makers(trials: Sequence[Trial]) -> dict[bytes, str]:
    """Which step made a layer."""
    return {
        trial.trace.layer: f"step {trial.number}"
        for trial in reversed(trials)
        if trial.trace is not None and trial.trace.layer
    }


class _Comparison:
    def __init__(
        self,
        trial: Trial,
        old: StepTrace | None,
        made_by: Mapping[bytes, str],
        contents: Contents,
    ) -> None:
        self.trial = trial
        self.old = old
        self.made_by = made_by
        self.contents = contents

    def causes(self) -> Iterator[Cause]:
        trial, now = self.trial, self.trial.trace
        if trial.outcome in ("unneeded", "unreached") or now is None:
            return
        if trial.outcome == "hit":
            yield from self._hit(now)
            return
        if trial.anew:
            yield Cause("anew", trial.anew)
            return
        if self.old is None:
            yield Cause("never")
            return
        found = list(self._differences(self.old, now))
        if found:
            yield from found
        elif self.old.keys and set(self.old.keys) & set(now.keys):
            yield Cause("pruned", was=_short(self.old.layer))
        else:
            yield Cause("version")

    def _hit(self, now: StepTrace) -> Iterator[Cause]:
        if self.trial.origin:
            yield Cause("elsewhere", self.trial.origin)
        files = sum(count(each.files) for each in now.sources if each.files is not None)
        how = "content" if self.trial.by_content else "linked" if _links(now) else ""
        yield Cause("same", how, total=files)

    def _differences(self, old: StepTrace, now: StepTrace) -> Iterator[Cause]:
        if old.title != now.title:
            yield Cause("instruction", was=text_path(old.title), now=text_path(now.title))
        else:
            yield from self._options(old, now)
        yield from _variables(old, now)
        if old.epoch != now.epoch:
            yield Cause("epoch", was=_number(old.epoch), now=_number(now.epoch))
        if not _links(now):
            yield from self._below(old, now)
        yield from self._sources(old, now)

    def _options(self, old: StepTrace, now: StepTrace) -> Iterator[Cause]:
        before: dict[str, Any] = msgspec.json.decode(old.op)
        after: dict[str, Any] = msgspec.json.decode(now.op)
        for name in sorted(after.keys() | before.keys()):
            was, is_ = before.get(name), after.get(name)
            if was != is_:
                called = "USER" if after["type"] == "mkdir" else _OPTIONS.get(name, name)
                yield Cause("option", called, _said(was), _said(is_))

    def _below(self, old: StepTrace, now: StepTrace) -> Iterator[Cause]:
        if old.below == now.below:
            return
        was, is_ = old.below[: old.of_base], now.below[: now.of_base]
        if was != is_:
            yield Cause("base", text_path(now.base), _base(old), _base(now))
            return
        place = next(
            (
                place
                for place, (one, two) in enumerate(zip(old.below, now.below, strict=False))
                if one != two
            ),
            min(len(old.below), len(now.below)),
        )
        changed = now.below[place] if place < len(now.below) else b""
        yield Cause(
            "below", self.made_by.get(changed, ""), _short(_at(old.below, place)), _short(changed)
        )

    def _sources(self, old: StepTrace, now: StepTrace) -> Iterator[Cause]:
        if [each.path for each in old.sources] != [each.path for each in now.sources]:
            if old.title == now.title:
                was = b" ".join(each.path for each in old.sources)
                is_ = b" ".join(each.path for each in now.sources)
                yield Cause("option", "the source", text_path(was), text_path(is_))
            return
        for place, (one, two) in enumerate(zip(old.sources, now.sources, strict=True)):
            if one.content and two.content and one.content == two.content:
                continue
            if not (one.content and two.content) and one.chain == two.chain and not two.files:
                continue
            yield self._source(place, one, two)

    def _source(self, place: int, old: SourceTrace, now: SourceTrace) -> Cause:
        where = text_path(now.origin)
        if old.origin != now.origin:
            return Cause("origin", text_path(now.path), text_path(old.origin), where)
        changes = self._changes(place, old, now)
        if changes is None:
            return Cause("source", where, _short(old.content), _short(now.content))
        first = tuple(changes[:FEW])
        return Cause("files", where, changes=first, total=len(changes))

    def _changes(self, place: int, old: SourceTrace, now: SourceTrace) -> list[Change] | None:
        if old.files is not None and now.files is not None:
            return _file_changes(_unowned(old.files), _unowned(now.files))
        before = self.contents(self.trial.number, place, old.chain)
        after = self.contents(self.trial.number, place, now.chain)
        return None if before is None or after is None else _file_changes(before, after)


def _file_changes(old: Mapping[bytes, LayerFacts], now: Mapping[bytes, LayerFacts]) -> list[Change]:
    changes: list[Change] = []
    for path in sorted(old.keys() | now.keys()):
        one, two = old.get(path), now.get(path)
        text = text_path(path)
        if one is None:
            changes.append(Change(text, "new"))
        elif two is None:
            changes.append(Change(text, "gone"))
        elif one.facts[1] != two.facts[1] or one.facts[0] >> 12 != two.facts[0] >> 12:
            changes.append(Change(text, "changed"))
        elif one.facts[0] != two.facts[0]:
            was, is_ = (f"{each.facts[0] & 0o7777:04o}" for each in (one, two))
            changes.append(Change(text, "mode", was, is_))
        elif one.owner != two.owner:
            changes.append(Change(text, "owner", *(f"{u}:{g}" for u, g in (one.owner, two.owner))))
    return changes


def _unowned(outline: Outline) -> dict[bytes, LayerFacts]:
    return {path: LayerFacts(facts, (0, 0)) for path, facts in flat(outline).items()}


def _variables(old: StepTrace, now: StepTrace) -> Iterator[Cause]:
    before, after = _environment(old), _environment(now)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Cause("variable", name, before.get(name, "not set"), after.get(name, "not set"))


def _environment(step: StepTrace) -> dict[str, str]:
    pairs = (text_path(each).partition("=") for each in step.env)
    return {name: value for name, _, value in pairs}


def _links(step: StepTrace) -> bool:
    return bool(msgspec.json.decode(step.op).get("link"))


def _base(step: StepTrace) -> str:
    return _short(step.below[step.of_base - 1]) if step.of_base else "nothing"


def _at(layers: Sequence[bytes], place: int) -> bytes:
    return layers[place] if place < len(layers) else b""


def _short(raw: bytes) -> str:
    return Digest.from_raw(raw).short if raw else ""


def _number(value: int | None) -> str:
    return "not set" if value is None else str(value)


def _said(value: Any) -> str:
    """A field's value as a person reads it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return " ".join(_said(each) for each in value)
    if isinstance(value, dict):
        shown = {name: each for name, each in value.items() if each not in ("", None, False, 0)}
        return ",".join(f"{name}={_said(each)}" for name, each in shown.items())
    return "not set" if value in (None, "") else str(value)
