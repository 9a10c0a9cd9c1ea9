"""Times in a layer that is being made, and the directory order that must not matter."""

from __future__ import annotations

import os
import py_compile
import random
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.copying.clamp import clamp
from lamina.engine import open_engine
from lamina.layer.contract import LayerInfo
from lamina.layer.diff import changes
from lamina.oci.digest import Digest
from tests.rights import roots_alone

EPOCH = 1_600_000_000
OLD, NEW = EPOCH - 5, EPOCH + 5
as_root = roots_alone("making devices")


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    place = tmp_path / "upper"
    place.mkdir()
    return place


def times(upper: Path) -> dict[str, float]:
    return {entry.path: entry.mtime / 1e9 for entry in changes(upper)}


def put(path: Path, text: str = "", seconds: float = NEW) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (seconds, seconds))
    return path


def test_later_times_become_the_epoch_and_earlier_ones_stay(upper: Path) -> None:
    put(upper / "d" / "new")
    put(upper / "d" / "old", seconds=OLD)
    put(upper / "d" / "same", seconds=EPOCH + 0.5)
    (upper / "d" / "link").symlink_to("new")
    os.utime(upper / "d" / "link", (NEW, NEW), follow_symlinks=False)
    os.utime(upper / "d", (NEW, NEW))
    clamp(upper, EPOCH)
    assert times(upper) == {
        "d": EPOCH,
        "d/link": EPOCH,
        "d/new": EPOCH,
        "d/old": OLD,
        "d/same": EPOCH,
    }


def test_what_has_no_time_of_its_own_becomes_the_epoch(upper: Path) -> None:
    for name in ("d/old", "d/kept", "d/new"):
        put(upper / name, seconds=NEW if name == "d/new" else OLD)
    os.utime(upper / "d", (OLD, OLD))
    clamp(upper, EPOCH, {"d", "d/old"})
    assert times(upper) == {"d": EPOCH, "d/old": EPOCH, "d/kept": OLD, "d/new": EPOCH}


def test_a_compiled_file_matches_a_source_that_was_made_later(upper: Path) -> None:
    source = put(upper / "mod.py", "x = 1\n", seconds=OLD)
    compiled(source)
    clamp(upper, EPOCH, {"mod.py"})
    assert source.stat().st_mtime == EPOCH
    assert is_fresh(source, upper)


@as_root
def test_whiteouts_devices_and_pipes_have_times_too(upper: Path) -> None:
    os.mknod(upper / "gone", stat.S_IFCHR, 0)
    os.mknod(upper / "device", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    os.mkfifo(upper / "pipe")
    clamp(upper, EPOCH)
    assert times(upper) == {".wh.gone": EPOCH, "device": EPOCH, "pipe": EPOCH}


def compiled(source: Path) -> Path:
    found = py_compile.compile(str(source), doraise=True)
    assert found is not None
    return Path(found)


def is_fresh(source: Path, where: Path) -> bool:
    """Whether Python takes the .pyc as it is: then it says what it matches, and writes nothing."""
    done = subprocess.run(
        [sys.executable, "-v", "-c", f"import {source.stem}"],
        env={"PYTHONPATH": str(where)},
        capture_output=True,
        text=True,
        check=True,
    )
    return f"matches {source}" in done.stderr


def test_a_compiled_file_goes_on_matching_its_source(upper: Path) -> None:
    source = put(upper / "mod.py", "x = 1\n")
    found = compiled(source)
    before = found.read_bytes()
    clamp(upper, EPOCH)
    assert source.stat().st_mtime == EPOCH
    assert found.stat().st_mtime == EPOCH
    assert found.read_bytes() == before[:8] + EPOCH.to_bytes(4, "little") + before[12:]
    assert is_fresh(source, upper)


def test_without_a_new_stamp_python_would_compile_again(upper: Path) -> None:
    """The reason for all this: the check above can fail."""
    source = put(upper / "mod.py", "x = 1\n")
    compiled(source)
    os.utime(source, (EPOCH, EPOCH))
    assert not is_fresh(source, upper)


def test_a_stale_compiled_file_stays_stale(upper: Path) -> None:
    source = put(upper / "mod.py", "x = 1\n", seconds=NEW)
    found = compiled(source)
    put(source, "x = 2\n", seconds=NEW + 1)
    before = found.read_bytes()
    clamp(upper, EPOCH)
    assert found.read_bytes() == before


def test_a_compiled_file_whose_source_is_older_or_elsewhere_is_left_alone(upper: Path) -> None:
    old = compiled(put(upper / "old.py", "x = 1\n", seconds=OLD))
    source = put(upper / "gone.py", "x = 1\n")
    orphan = compiled(source)
    source.unlink()
    before = old.read_bytes(), orphan.read_bytes()
    clamp(upper, EPOCH)
    assert (old.read_bytes(), orphan.read_bytes()) == before


def test_a_link_called_pyc_is_not_followed(upper: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside.pyc", "0123456789abcdef")
    put(upper / "x.py")
    (upper / "x.pyc").symlink_to(outside)
    clamp(upper, EPOCH)
    assert outside.read_text() == "0123456789abcdef"
    assert outside.stat().st_mtime == NEW


Tree = Sequence[tuple[str, str]]
NAMES = st.text("ab.é", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
TREES = st.lists(
    st.tuples(st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.text("xy", max_size=4)),
    min_size=1,
    max_size=12,
    unique_by=lambda pair: pair[0],
).map(lambda pairs: [pair for pair in pairs if not _is_parent(pair[0], pairs)])


def _is_parent(path: str, pairs: Tree) -> bool:
    return any(other.startswith(path + "/") for other, _ in pairs)


def layer(root: Path, files: Tree) -> LayerInfo:
    """The layer of a tree whose files are made in that order, now, with two names for one."""
    layers = open_engine(root).store.layers
    upper = root / "upper"
    upper.mkdir()
    for path, text in files:
        place = upper / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    first = min(path for path, _ in files)
    os.link(upper / first, upper / "zz-second-name")
    clamp(upper, EPOCH)
    return layers.adopt(upper)


@as_root
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(files=TREES, seed=st.randoms(use_true_random=False))
def test_the_order_in_which_files_are_made_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, files: Tree, seed: random.Random
) -> None:
    found: set[Digest] = set()
    for _ in range(2):
        shuffled = list(files)
        seed.shuffle(shuffled)
        found.add(layer(tmp_path_factory.mktemp("store") / "root", shuffled).diff_id)
    assert len(found) == 1
