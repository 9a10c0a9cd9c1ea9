"""Lamina beside the real dive 0.13.1: what each finds in images of known waste, and dive's score
by our hand.

The truth is independent of both: bytes of all layers less the bytes of the merged tree,
counted by hand from what each image is made of.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lamina.engine import open_engine
from lamina.explain.score import Score, score
from lamina.explain.stack import open_stack
from tests.system.archives_for_dive import (
    Figures,
    Layer,
    dive_says,
    docker_archive,
    random_layers,
)
from tests.system.conftest import Lamina

DOCUMENT = Path(__file__).parents[2] / "docs" / "waste.md"
MEBI = 1 << 20
BIG = 5 * MEBI
SMALL = 65_536

BASE: Layer = {"base": MEBI}
CASES: Mapping[str, tuple[Sequence[Layer], int, int]] = {
    # name: (layers, true waste, what dive says)
    "file-deleted": ([BASE, {"x": BIG}, {".wh.x": 0}], BIG, BIG),
    "directory-deleted": ([BASE, {"d": None, "d/x": BIG}, {".wh.d": 0}], BIG, 0),
    "directory-made-opaque": (
        [BASE, {"d": None, "d/x": BIG}, {"d": None, "d/.wh..wh..opq": 0, "d/y": 1}],
        BIG,
        0,
    ),
    "file-shipped-twice": ([BASE, {"x": BIG}, {"x": BIG}], BIG, 2 * BIG),
    "dangling-whiteout-and-a-duplicate": (
        [BASE, {"a": SMALL}, {".wh.nothere": 0, "a": SMALL}],
        SMALL,
        0,
    ),
}
SEEDS = range(25)


def score_of(lamina: Lamina, archive: Path, name: str) -> Score:
    lamina("load", "-q", "-i", str(archive))
    return score(open_stack(open_engine(lamina.root).store, name).listings)


def figures(found: Score) -> Figures:
    percent = found.wasted_user_percent
    return Figures(
        found.efficiency,
        found.wasted_bytes,
        found.size_bytes,
        found.user_size_bytes,
        0.0 if math.isnan(percent) else percent,
    )


@pytest.mark.system
@pytest.mark.parametrize("name", CASES)
def test_our_figure_is_exact(name: str, lamina: Lamina, tmp_path: Path) -> None:
    layers, truth, _ = CASES[name]
    docker_archive(tmp_path / "image.tar", name, layers)
    lamina("load", "-i", str(tmp_path / "image.tar"))
    document = json.loads(lamina("explain", name, "--format", "json").stdout)
    shipped = sum(size for layer in layers for size in layer.values() if isinstance(size, int))
    assert document["hidden_bytes"] == truth
    assert document["visible_bytes"] == shipped - truth


@pytest.mark.system
@pytest.mark.parametrize("name", CASES)
def test_what_dive_makes_of_it_we_say_as_well(name: str, lamina: Lamina, tmp_path: Path) -> None:
    layers, _, figure = CASES[name]
    docker_archive(tmp_path / "image.tar", name, layers)
    said = dive_says(tmp_path / "image.tar")
    assert said.wasted_bytes == figure
    assert figures(score_of(lamina, tmp_path / "image.tar", name)) == said


@pytest.mark.system
@pytest.mark.parametrize("seed", SEEDS)
def test_all_of_dives_figures_on_random_images(seed: int, lamina: Lamina, tmp_path: Path) -> None:
    docker_archive(tmp_path / "image.tar", "random", random_layers(seed))
    said = dive_says(tmp_path / "image.tar")
    assert figures(score_of(lamina, tmp_path / "image.tar", "random")) == said


def test_the_random_images_have_what_dive_stumbles_over() -> None:
    layers = [layer for seed in SEEDS for layer in random_layers(seed)]
    names = [path.rpartition("/")[2] for layer in layers for path in layer]
    kinds = [what for layer in layers for what in layer.values()]
    assert names.count(".wh..wh..opq") > 10
    assert sum(name.startswith(".wh.") for name in names) > 40
    assert sum(isinstance(what, str) for what in kinds) > 10
    assert kinds.count(None) > 20


def table_of_the_document() -> dict[str, tuple[int, ...]]:
    """Name → what is true, what Lamina says, what dive says, as docs/waste.md has them."""
    number = r"\**([\d,]+)\**"
    row = rf"^\| `([a-z-]+)` \|.*\| {number} \| {number} \| {number} \|$"
    rows = re.findall(row, DOCUMENT.read_text(), re.MULTILINE)
    return {name: tuple(int(each.replace(",", "")) for each in rest) for name, *rest in rows}


def test_the_document_says_the_same() -> None:
    assert table_of_the_document() == {
        name: (truth, truth, figure) for name, (_, truth, figure) in CASES.items()
    }
