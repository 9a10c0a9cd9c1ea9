"""`lamina slim` on images of many kinds: nothing hidden is left, and nothing else changed."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.rights import OF_THE_HOST, need_root, needs_rights
from tests.slimming import bases
from tests.slimming.bugs import CASES as BUGS
from tests.slimming.case import Base, Case
from tests.slimming.cases import identified
from tests.slimming.shop import Failed, Shop
from tests.slimming.tree import Tree, archived, differences
from tests.system.conftest import Tool, unmounted

pytestmark = [pytest.mark.system, needs_rights]
CASES = identified()
AT_HOME = [name for name, case in CASES.items() if not case.network and case.base == "busybox"]
"""Those that need nothing but busybox, and so little time."""
REWRITTEN = (
    "python: apt and pip in many steps",
    "c: gcc installed, used and purged",
    "apt: lists removed in a later step",
    "the seed: a file of 50 MB made and removed",
)
"""Those on Debian that are put through `slim --dockerfile` as well."""
DOCKER = (
    "hard links: the name that came first is removed",
    "kinds: links become directories, directories become links",
    "names: unicode, spaces, newlines, dashes and very long ones",
)
"""Cases whose slimmed images docker runs."""


@pytest.fixture(scope="module")
def shop(root_only: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A store that the cases of a worker share: bases are imported when one needs them."""
    shop = Shop(tmp_path_factory.mktemp("slimming") / "root")
    yield shop
    unmounted(shop.root)


@pytest.fixture
def ready(shop: Shop, request: pytest.FixtureRequest) -> Callable[[Case], Shop]:
    """Gives the store once it has a case's bases; skips where they cannot be had."""

    def with_bases(case: Case) -> Shop:
        for base in (case.base, *case.also):
            if not shop.has(base):
                shop.take(_source(base, request), base)
        return shop

    return with_bases


def _source(base: Base, request: pytest.FixtureRequest) -> Path:
    if base == "busybox":
        path: Path = request.getfixturevalue("busybox_tar")
        return path
    debian: Path = request.getfixturevalue("debian_tar")
    if base == "debian":
        return debian
    try:
        return bases.archive(debian)
    except bases.NoBases as error:
        pytest.skip(f"no image of {base}: {error}")


def built(shop: Shop, case: Case, place: Path, *options: str) -> str:
    """The image of a case; its name."""
    if "mknod" in case.dockerfile:
        need_root("making devices")
    name = f"case-{[*CASES].index(case.name)}"
    try:
        shop.build(case, place / "context", name, *options)
    except Failed as error:
        if case.network and any(word in str(error) for word in bases.NO_NETWORK):
            pytest.skip(f"the build needs a network: {str(error)[-200:]}")
        raise
    return name


def base_name(case: Case) -> str:
    """What the last stage stands on; empty for scratch."""
    last = [line for line in case.dockerfile.splitlines() if line.startswith("FROM ")][-1]
    name = last.split()[1]
    return "" if name == "scratch" else name


@pytest.mark.parametrize("name", CASES)
def test_a_slimmed_image_shows_and_does_the_same(
    name: str, ready: Callable[[Case], Shop], tmp_path: Path
) -> None:
    case = CASES[name]
    shop = ready(case)
    old = built(shop, case, tmp_path)
    new = f"{old}-slim"
    assert shop.probe(old, case) == case.says, "the image does not work to begin with"
    told = json.loads(shop.lamina("slim", old, "-t", new, "--format", "json").stdout)

    before, after = shop.explained(old), shop.explained(new)
    shared = set(shop.diff_ids(base_name(case))) if base_name(case) else set()
    assert hidden_above(before, shared) >= case.hides
    assert hidden_above(after, shared) == 0, after["findings"]
    assert told["new_bytes"] == after["bytes"] <= before["bytes"]
    assert after["visible_bytes"] == before["visible_bytes"]
    base = [each for each in shop.diff_ids(old) if each in shared]
    assert [*shop.diff_ids(new)][: len(base)] == base, "layers of the base are shared as before"

    assert differences(shop.tree(old), shop.tree(new)) == []
    same_but_for_layers(shop.inspect(old), shop.inspect(new))
    assert shop.lamina("verify", old, new, check=False).returncode == 0
    assert shop.probe(new, case) == case.says


def comparable(tree: Tree) -> Tree:
    """A tree without its root, for which an archive need not have an entry; and without device
    nodes, which an archive has and only the host's root can have on disk, for others."""
    return {
        path: node
        for path, node in tree.items()
        if path != "/" and (OF_THE_HOST or not stat.S_ISCHR(node.mode))
    }


def hidden_above(told: Mapping[str, Any], shared: set[str]) -> int:
    """Hidden bytes of an image, those of shared layers left out."""
    layers = [layer for layer in told["layers"] if layer["diff_id"] not in shared]
    return sum(layer["hidden_bytes"] for layer in layers)


def same_but_for_layers(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Assert that two configurations differ in their layers and history alone."""
    both = [
        {name: value for name, value in each.items() if name not in ("rootfs", "history")}
        for each in (old, new)
    ]
    assert both[0] == both[1]
    layers = [line for line in new["history"] if not line.get("empty_layer")]
    assert len(layers) == len(new["rootfs"]["diff_ids"])


@pytest.mark.parametrize("name", AT_HOME)
def test_a_slim_build_shows_and_does_the_same(
    name: str, ready: Callable[[Case], Shop], tmp_path: Path
) -> None:
    case = CASES[name]
    shop = ready(case)
    old = built(shop, case, tmp_path)
    new = f"{old}-built"
    shop.lamina("build", "-q", "--slim", "-t", new, str(tmp_path / "context"))
    shared = set(shop.diff_ids(base_name(case))) if base_name(case) else set()
    assert hidden_above(shop.explained(new), shared) == 0
    # No layer of a build says when the root was last changed: that is the disk's business.
    differing = differences(shop.tree(old), shop.tree(new))
    assert [each for each in differing if not each.startswith("'/': mtime")] == []
    same_but_for_layers(shop.inspect(old), shop.inspect(new))
    assert shop.probe(new, case) == case.says


@pytest.mark.parametrize("name", [*AT_HOME, *REWRITTEN])
def test_a_rewritten_dockerfile_makes_an_image_that_does_the_same(
    name: str, ready: Callable[[Case], Shop], tmp_path: Path
) -> None:
    case = CASES[name]
    shop = ready(case)
    old = built(shop, case, tmp_path)
    file = tmp_path / "context" / "Dockerfile"
    told = shop.lamina("slim", "--dockerfile", str(file), old, "--format", "json")
    assert json.loads(told.stdout)["image"] == f"{old}:latest"
    shop.lamina("slim", "--dockerfile", str(file), "--apply")
    again = shop.lamina("slim", "--dockerfile", str(file), "--format", "json")
    assert json.loads(again.stdout)["edits"] == []
    if file.read_text() == case.dockerfile:
        return
    network = ("--network", "host", "--allow", "network.host") if case.network else ()
    shop.lamina("build", "-q", *network, "-t", f"{old}-new", str(tmp_path / "context"))
    shared = set(shop.diff_ids(base_name(case))) if base_name(case) else set()
    before, after = (shop.explained(each) for each in (old, f"{old}-new"))
    assert hidden_above(after, shared) <= hidden_above(before, shared)
    assert after["bytes"] <= before["bytes"]
    assert shop.probe(f"{old}-new", case) == case.says


@pytest.mark.parametrize("case", BUGS, ids=lambda case: case.name)
def test_an_archive_of_it_is_right_for_other_readers(
    case: Case, ready: Callable[[Case], Shop], tmp_path: Path
) -> None:
    """Read by another program's rules, the layers of bugs make the same tree again."""
    shop = ready(case)
    old = built(shop, case, tmp_path)
    trees = []
    ways: list[tuple[str, ...]] = [(), ("--squash-from", "base")]
    if case.base == "busybox":
        ways.append(("--flatten",))  # a large base says no more than a small one, and takes long
    for options in ways:
        shop.lamina("slim", old, "-t", "bug-slim", *options)
        shop.lamina("save", "-q", "-o", str(tmp_path / "new.tar"), "bug-slim")
        trees.append(comparable(archived(tmp_path / "new.tar").tree))
    truth = comparable(shop.tree(old))
    assert [differences(truth, tree, seconds=True) for tree in trees] == [[] for _ in ways]


@pytest.mark.parametrize("name", DOCKER)
def test_docker_loads_and_runs_it(
    name: str, ready: Callable[[Case], Shop], docker: Tool, tmp_path: Path
) -> None:
    case = CASES[name]
    shop = ready(case)
    old = built(shop, case, tmp_path)
    shop.lamina("slim", old, "-t", "for-docker")
    shop.lamina("save", "-q", "-o", str(tmp_path / "new.tar"), "for-docker")
    docker("load", "-q", "-i", str(tmp_path / "new.tar"))
    words = ("run", "--rm", "--network=none", "for-docker", *case.probe)
    assert docker(*words).strip() == case.says


def test_the_seeds_image_becomes_what_its_author_wrote_by_hand(
    ready: Callable[[Case], Shop], tmp_path: Path
) -> None:
    demo = Path(__file__).parents[2] / "demo"
    shop = ready(CASES["the seed: a file of 50 MB made and removed"])
    for name in ("seed", "improved"):
        shop.lamina("build", "-q", "-t", name, str(demo / name))
    shop.lamina("slim", "seed", "-t", "seed-slim")
    by_hand, by_itself = shop.explained("improved"), shop.explained("seed-slim")
    assert by_itself["bytes"] <= by_hand["bytes"]
    assert by_itself["hidden_bytes"] == 0
    trees = [shop.tree(each) for each in ("improved", "seed-slim")]
    # The two were written to at different times.
    assert {line.split(": ")[0] for line in differences(*trees)} <= {"'/'", "'/home'"}
