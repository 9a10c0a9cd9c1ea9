"""Why the cache had a step or not: what each change of its inputs is called."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from lamina.build.reason import Cause, Change, LayerFacts, Reason, Trial
from lamina.build.trace import SourceTrace, StepTrace
from lamina.build.why import explain
from lamina.cli.build_cache_why import lines
from lamina.context.outline import Columns, Outline
from lamina.layer.entry import os_path
from lamina.oci.document import encode
from lamina.plan.graph import CopyOp, Op, RunOp

RUN = RunOp(("/bin/sh", "-c", "make"), (), "", "/")
COPY = CopyOp((), "/src/")


def raw(text: str) -> bytes:
    """A digest."""
    return hashlib.sha256(text.encode()).digest()


def files(**contents: str) -> Outline:
    """An outline of files in `d`, all 0644; `name__755` has another mode."""
    names, modes, digests = b"", b"", b""
    for name, text in contents.items():
        name, _, mode = name.partition("__")
        names += name.encode() + b"\0"
        modes += (0o100000 | int(mode or "644", 8)).to_bytes(2, "little")
        digests += raw(text)[:8]
    return {b"d": Columns(names, modes, digests)}


@dataclass
class Step:
    """The inputs of one step."""

    title: str = "RUN make"
    op: Op = RUN
    env: tuple[str, ...] = ()
    base: str = "busybox"
    below: tuple[str, ...] = ("base",)
    of_base: int = 1
    sources: tuple[SourceTrace, ...] = ()
    epoch: int | None = None
    layer: str = "made"
    stage: str = "0"
    key: str = ""

    def trace(self) -> StepTrace:
        parts = [self.title, encode(self.op).decode(), *self.env, *self.below, str(self.epoch)]
        parts += [each.content.hex() for each in self.sources]
        return StepTrace(
            os_path(self.stage),
            os_path(self.title),
            encode(self.op),
            tuple(map(os_path, self.env)),
            os_path(self.base),
            tuple(map(raw, self.below)),
            self.of_base,
            self.sources,
            self.epoch,
            (raw(self.key or " ".join(parts)),),
            raw(self.layer),
        )


@dataclass
class Layers:
    """What chains of layers hold, by the name of their top one."""

    contents: Mapping[str, Mapping[bytes, LayerFacts]] = field(default_factory=dict)

    def __call__(
        self, number: int, place: int, chain: Sequence[bytes]
    ) -> Mapping[bytes, LayerFacts] | None:
        found = [each for name, each in self.contents.items() if raw(name) == chain[-1]]
        return found[0] if found else None


def reasons(
    before: Sequence[Step],
    now: Sequence[Step],
    outcomes: str = "",
    layers: Layers | None = None,
    **more: Any,
) -> tuple[Reason, ...]:
    """Of steps that all ran (m), or as `outcomes` says: h is a hit."""
    names = {"m": "miss", "h": "hit", "n": "unneeded", "u": "unreached"}
    trials = [
        Trial(number, f"{number}/{len(now)}", names[outcome], step.trace(), step.title, **more)  # type: ignore[arg-type]
        for number, (step, outcome) in enumerate(
            zip(now, outcomes or "m" * len(now), strict=True), 1
        )
    ]
    return explain(trials, [each.trace() for each in before], layers or Layers())


def causes(before: Step, now: Step, layers: Layers | None = None) -> tuple[Cause, ...]:
    (reason,) = reasons([before], [now], layers=layers)
    return reason.causes


def test_the_instruction() -> None:
    assert causes(Step(), Step("RUN make all")) == (
        Cause("instruction", was="RUN make", now="RUN make all"),
    )


def test_a_variable_in_the_instruction() -> None:
    before = Step("COPY $FROM $TO", COPY)
    now = Step("COPY $FROM $TO", msgspec.structs.replace(COPY, dest="/other/", owner="1000"))
    assert set(causes(before, now)) == {
        Cause("option", "the destination", "/src/", "/other/"),
        Cause("option", "--chown", "not set", "1000"),
    }


def test_variables() -> None:
    before, now = Step(env=("A=1", "B=2", "C=3")), Step(env=("A=1", "B=", "D=4"))
    assert causes(before, now) == (
        Cause("variable", "B", "2", ""),
        Cause("variable", "C", "3", "not set"),
        Cause("variable", "D", "not set", "4"),
    )


def test_the_base() -> None:
    (cause,) = causes(Step(), Step(below=("newer",), base="busybox:2"))
    assert cause == Cause("base", "busybox:2", raw("base").hex()[:12], raw("newer").hex()[:12])
    (cause,) = causes(Step(below=(), of_base=0), Step())
    assert cause.was == "nothing"


def test_a_step_below() -> None:
    one, two = Step("RUN one", layer="1"), Step("RUN two", below=("base", "1"))
    changed = [Step("RUN 1", layer="x"), Step("RUN two", below=("base", "x"))]
    first, second = reasons([one, two], changed)
    assert [each.kind for each in first.causes] == ["instruction"]
    assert second.causes == (Cause("below", "step 1", raw("1").hex()[:12], raw("x").hex()[:12]),)


def test_a_linked_copy_does_not_stand_on_anything() -> None:
    op = msgspec.structs.replace(COPY, link=True)
    before = Step("COPY --link a /", op, sources=(source("one"),))
    now = Step("COPY --link a /", op, below=("newer",), sources=(source("two"),))
    assert [each.kind for each in causes(before, now)] == ["files"]


def source(content: str, outline: Outline | None = None, **more: Any) -> SourceTrace:
    found = files(f=content) if outline is None and not more else outline
    return SourceTrace(b"d", b"the context", raw(content), found, **more)


def test_files_of_the_context() -> None:
    old = files(same="s", changed="1", gone="x", mode="m")
    new = files(same="s", changed="2", new="x", mode__755="m")
    (cause,) = causes(
        Step("COPY d /", COPY, sources=(source("one", old),)),
        Step("COPY d /", COPY, sources=(source("two", new),)),
    )
    assert cause.subject == "the context"
    assert cause.total == 4
    assert cause.changes == (
        Change("d/changed", "changed"),
        Change("d/gone", "gone"),
        Change("d/mode", "mode", "0644", "0755"),
        Change("d/new", "new"),
    )


def test_only_the_first_files_are_named() -> None:
    many = files(**{f"f{number:03}": "x" for number in range(200)})
    (cause,) = causes(Step(sources=(source("one", files()),)), Step(sources=(source("two", many),)))
    assert cause.total == 200
    assert [each.path for each in cause.changes] == [f"d/f00{place}" for place in range(5)]


def layered(content: str, top: str) -> SourceTrace:
    return SourceTrace(b"b", b"stage build", raw(content), None, (raw("base"), raw(top)))


def test_files_of_a_stage_have_owners() -> None:
    facts = (0o100644, raw("x")[:8])
    layers = Layers(
        {
            "1": {b"b": LayerFacts(facts, (0, 0)), b"same": LayerFacts(facts, (5, 5))},
            "2": {b"b": LayerFacts(facts, (1000, 100)), b"same": LayerFacts(facts, (5, 5))},
        }
    )
    (cause,) = causes(
        Step(sources=(layered("one", "1"),)), Step(sources=(layered("two", "2"),)), layers
    )
    assert cause.changes == (Change("b", "owner", "0:0", "1000:100"),)


def test_files_of_a_stage_whose_layers_are_gone() -> None:
    (cause,) = causes(Step(sources=(layered("one", "1"),)), Step(sources=(layered("two", "2"),)))
    assert cause == Cause("source", "stage build", raw("one").hex()[:12], raw("two").hex()[:12])


def test_another_place_of_the_same_name() -> None:
    other = msgspec.structs.replace(layered("two", "2"), origin=b"stage test")
    (cause,) = causes(Step(sources=(layered("one", "1"),)), Step(sources=(other,)))
    assert cause == Cause("origin", "b", "stage build", "stage test")


def test_the_epoch() -> None:
    assert causes(Step(), Step(epoch=5)) == (Cause("epoch", was="not set", now="5"),)


def test_several_things_at_once() -> None:
    before = Step(env=("A=1",))
    now = Step("RUN make all", env=("A=2",), below=("newer",), epoch=1)
    assert [each.kind for each in causes(before, now)] == [
        "instruction",
        "variable",
        "epoch",
        "base",
    ]


def test_never_built() -> None:
    (reason,) = reasons([], [Step()])
    assert reason.causes == (Cause("never"),)


def test_pruned() -> None:
    assert causes(Step(), Step()) == (Cause("pruned", was=raw("made").hex()[:12]),)


def test_keys_of_another_version() -> None:
    assert causes(Step(key="old"), Step(key="new")) == (Cause("version"),)


def test_asked_for_anew() -> None:
    (reason,) = reasons([Step()], [Step()], anew="--no-cache")
    assert reason.causes == (Cause("anew", "--no-cache"),)


def test_a_hit() -> None:
    step = Step("COPY d /", COPY, sources=(source("one", files(a="1", b="2")),))
    (reason,) = reasons([step], [step], "h")
    assert (reason.outcome, reason.causes) == ("hit", (Cause("same", total=2),))
    (reason,) = reasons([step], [step], "h", origin="reg.example/cache")
    assert reason.causes[0] == Cause("elsewhere", "reg.example/cache")
    (reason,) = reasons([step], [step], "h", by_content=True)
    assert reason.causes[-1].subject == "content"


def test_steps_are_matched_though_others_came_and_went() -> None:
    before = [Step("RUN a"), Step("RUN b", key="b"), Step("RUN c", epoch=1)]
    now = [Step("RUN new"), Step("RUN a"), Step("RUN c", epoch=2)]
    first, second, third = reasons(before, now)
    assert first.causes == (Cause("never"),)
    assert second.causes == (Cause("pruned", was=raw("made").hex()[:12]),)
    assert third.causes == (Cause("epoch", was="1", now="2"),)


def test_stages_are_apart() -> None:
    before = [Step("RUN a", stage="x", epoch=1), Step("RUN a", stage="y", epoch=2)]
    now = [Step("RUN a", stage="y", epoch=3), Step("RUN a", stage="x", epoch=4)]
    assert [each.causes[0].was for each in reasons(before, now)] == ["2", "1"]


@pytest.mark.parametrize("outcome", ["n", "u"])
def test_what_did_not_come_to_it(outcome: str) -> None:
    (reason,) = reasons([Step()], [Step()], outcome)
    assert reason.causes == ()


SHOWN = [
    Step("RUN one", layer="1"),
    Step(
        "COPY a-very-long-name-of-a-directory/that-has-others-in-it /srv/and/one/more/level/",
        COPY,
        below=("base", "1"),
        sources=(source("one", files(changed="1", gone="x")),),
    ),
    Step("RUN \x1b[31mmake", env=("V=1",), below=("base", "1", "2")),
]
CHANGED = [
    SHOWN[0],
    Step(
        SHOWN[1].title,
        COPY,
        below=("base", "1"),
        sources=(source("two", files(changed="2", new="x")),),
        layer="x",
    ),
    Step("RUN \x1b[31mmake", env=("V=2",), below=("base", "1", "x")),
]


def test_as_lines() -> None:
    told = list(lines(reasons(SHOWN, CHANGED, "hmm"), 80, colored=False))
    assert told == [
        " 1/3 RUN one                                                             cached",
        "     same instruction, same layers below",
        " 2/3 COPY a-very-long-name-of-a-directory/that-has-others-in-it /…  carried out",
        "     3 files of the context are not as before",
        "       d/changed   changed",
        "       d/gone      gone",
        "       d/new       new",
        r" 3/3 RUN \e[31mmake                                                 carried out",
        "     V (ARG or ENV): 1 → 2",
        f"     step 2 below it made another layer: {raw('2').hex()[:12]} → {raw('x').hex()[:12]}",
    ]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    told = list(lines(reasons(SHOWN, CHANGED), columns, colored=False))
    assert max(map(len, told)) <= max(columns, 40)


def test_colour_says_nothing_that_the_words_do_not() -> None:
    plain = list(lines(reasons(SHOWN, CHANGED, "hmm"), 80, colored=False))
    colored = list(lines(reasons(SHOWN, CHANGED, "hmm"), 80, colored=True))
    assert [each.removeprefix("\x1b[2m").removesuffix("\x1b[0m") for each in colored] == plain
    assert colored[0].startswith("\x1b[2m")
    assert colored[2] == plain[2]


def test_every_kind_has_words() -> None:
    from typing import get_args

    from lamina.build.reason import Kind

    for kind in get_args(Kind):
        reason = Reason(1, "1/1", "RUN x", "miss", (Cause(kind, "subject", "was", "now"),))
        _, *told = lines([reason], 80, colored=False)
        assert told
