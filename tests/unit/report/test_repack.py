"""How a repacked image, and the comparison of two, are told."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from lamina.explain.cause import Base
from lamina.explain.settings import SettingChange
from lamina.explain.stack import Stack
from lamina.oci.digest import Digest
from lamina.repack.plan import plan
from lamina.repack.proof import Proof, Side, tree_changes
from lamina.repack.sharing import Sharer
from lamina.repack.spans import lossless, squashed
from lamina.repack.tree import digest, records
from lamina.report import repack as report
from lamina.report import sameness
from lamina.report.paper import Paper
from tests.fakes.stacks import numbered, stack_of
from tests.golden.golden import check
from tests.unit.layer.stacks import listing

LAYERS = [
    listing("f bin/sh 90000000", "f etc/a 3000000 old"),
    listing("f lib/x 10000000", "f lib/x 12000000"),
    listing("d home", "f home/50M.file 52428800"),
    listing("d home", "w home/50M.file", "f etc/a 120 new"),
]
TEXTS = [
    "ADD file:1 in /",
    "COPY lib /lib",
    "RUN dd if=/dev/zero of=50M.file",
    "RUN rm 50M.file \x1b",
]
SIDE = Side(Digest.of(b"image"), (), 0)


def telling(*, base: bool = True, flat: bool = False) -> report.Telling:
    stack = stack_of(
        LAYERS, numbered(TEXTS), name="app:1", base=Base("debian:bookworm", 1) if base else None
    )
    shared = {0: Sharer("debian:bookworm", 3_000_000)} if base else {}
    spans = squashed(stack.account, 0) if flat else lossless(stack.account, kept=shared)
    return report.Telling(stack, plan(stack.listings, stack.union, spans), shared)


def done(told: report.Telling) -> report.Telling:
    proof = Proof(Digest.of(b"tree"), 8737, SIDE, SIDE)
    return replace(told, new="app:slim", image_id="sha256:abc", proof=proof)


@pytest.mark.parametrize(
    ("name", "told", "paper"),
    [
        ("done", done(telling()), Paper(120)),
        ("narrow", done(telling()), Paper(80, unicode=False)),
        ("dry-run", telling(base=False), Paper(120)),
        ("flat", done(telling(flat=True)), Paper(120, colored=True)),
    ],
)
def test_text(name: str, told: report.Telling, paper: Paper) -> None:
    check(f"cli/slim/{name}.txt", report.as_text(told, paper))


def nothing_hidden() -> Stack:
    return stack_of([listing("f a 1")], numbered(["ADD a"]), name="app:1")


def test_an_image_without_waste() -> None:
    stack = nothing_hidden()
    told = report.Telling(stack, plan(stack.listings, stack.union, []), {})
    assert report.as_text(told, Paper()) == "app:1   nothing is hidden in it\n"
    assert (
        report.as_text(replace(told, new="app:slim"), Paper())
        == "app:1   nothing is hidden in it: app:slim is the same image\n"
    )


def test_json_adds_up() -> None:
    document = json.loads(json.dumps(report.as_json(done(telling()))))
    assert document["bytes"] - document["saved_bytes"] == document["new_bytes"]
    assert document["hidden_bytes_left"] == 3_000_000
    assert [(each["layers"], each["done"]) for each in document["layers"]] == [
        (["1"], "kept"),
        (["2"], "made"),
        (["3"], "dropped"),
        (["4"], "kept"),
    ]
    assert sum(each["new_bytes"] for each in document["layers"]) == document["new_bytes"]
    assert document["layers"][0]["shared_with"] == "debian:bookworm"


def compared(new: list[str]) -> sameness.Sameness:
    old = listing("d a", "f a/x 1 c", "f a/y 2 d", "l z -> a")
    trees = [records([each], stack_of([each]).union) for each in (old, listing(*new))]
    changes = tree_changes(*trees)
    settings = [SettingChange("env", "A", "1", None)] if changes else []
    return sameness.Sameness(
        "app:1", "app:2", len(trees[0]), digest(trees[0]), digest(trees[1]), changes, settings
    )


def test_the_same() -> None:
    found = compared(["f a/x 1 c", "f a/y 2 d", "d a", "l z -> a"])
    assert found.holds
    text = sameness.as_text(found, Paper(), limit=20)
    assert text == f"app:1 and app:2 show the same: 5 paths, tree {found.old_tree}\n"


def test_not_the_same() -> None:
    found = compared(["d a", "f a/x 1 e", "f new 1 x", "d z"])
    assert not found.holds
    check("cli/slim/differs.txt", sameness.as_text(found, Paper(80), limit=3))
    document = sameness.as_json(found)
    assert [(each["path"], each["verdict"], each["aspects"]) for each in document["changes"]] == [
        ("/a/x", "changed", ["content"]),
        ("/a/y", "removed", []),
        ("/new", "added", []),
        ("/z", "changed", ["type"]),
    ]
