"""The store: a long list of images, and the disk that an upgraded image takes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import material
from bench.measure import Engine, interleaved, settle
from bench.rows import Bench, Row, forget
from lamina.engine import open_engine
from lamina.oci.manifest import Manifest
from lamina.oci.reference import Reference

IMAGES = 200


def images(bench: Bench) -> Sequence[Row]:
    """`images` with 200 images in the store, whole process."""
    engine = bench.own_store("images")
    engine("import", str(material.busybox_tar()), "bench/images:0")
    store = open_engine(Path(engine.prefix[-1])).store
    first = store.images.find("bench/images:0")
    for number in range(1, IMAGES):
        config = first.config.amend(author=f"number {number}")
        manifest = Manifest.build(config.descriptor(), first.manifest.layers)
        store.images.add(manifest, config, Reference.parse(f"bench/images:{number}"))
    figures, notes = interleaved({"lamina": lambda: engine.time("images").seconds}, bench.runs)
    forget(engine, "bench/images:0")
    return [Row(f"images, with {IMAGES} in the store", "ms", figures, 0.080, (), notes)]


def disk(bench: Bench) -> Sequence[Row]:
    """Debian, and an image on it that upgrades a third of its packages: bytes of disk."""
    material.seed(material.upgraded(), f"{bench.registry}/upgraded:latest")
    engines = {**bench.engines, "lamina": bench.own_store("disk")}
    stores = {
        "docker": bench.disk / "docker",
        "podman": bench.disk / "podman",
        "lamina": bench.disk / "lamina-disk",
    }
    trials = {
        name: partial(_growth, bench, engine, stores[name]) for name, engine in engines.items()
    }
    figures, notes = interleaved(trials, 1)
    what = "disk for Debian, and an upgrade of a third of it"
    return [Row(what, "MB", figures, 1.0, ("docker",), notes)]


def _growth(bench: Bench, engine: Engine, place: Path) -> float:
    references = [f"{bench.registry}/{name}" for name in ("debian:bookworm", "upgraded:latest")]
    for reference in references:
        engine("rmi", "-f", reference, check=False)
    before = _used(place)
    for reference in references:
        engine("pull", "-q", reference)
    grown = _used(place) - before
    for reference in references:
        forget(engine, reference)
    return float(grown)


def _used(place: Path) -> int:
    settle()
    if not place.exists():
        return 0
    done = subprocess.run(["du", "-sxB1", str(place)], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0])
