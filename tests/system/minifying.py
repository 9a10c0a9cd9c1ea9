"""What the system tests of `slim --minify` share: images, the command, what is left of it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lamina.base.archive import recipe_for
from lamina.base.bootstrap import distribution_rootfs
from lamina.errors import EngineError
from tests.system.conftest import CACHE, Lamina


def distribution(name: str, *packages: str) -> Path:
    """Debian with these packages as a tar: made once, then kept in `.cache/`."""
    path = CACHE / f"debian-bookworm-{name}.tar"
    if path.exists():
        return path
    CACHE.mkdir(exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            partial = path.with_suffix(".partial")
            recipe = recipe_for("debian", "bookworm", include=packages)
            try:
                with (
                    distribution_rootfs(recipe, environment=os.environ) as rootfs,
                    partial.open("wb") as output,
                ):
                    output.writelines(rootfs.chunks)
            except EngineError as error:
                partial.unlink(missing_ok=True)
                pytest.skip(f"cannot make debian with {name}: {error}")
            partial.rename(path)
    return path


def write(place: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)


def build(lamina: Lamina, place: Path, tag: str, dockerfile: str, files: Mapping[str, str]) -> None:
    place.mkdir()
    write(place, {"Dockerfile": dockerfile, **files})
    lamina("build", "-q", "-t", tag, str(place))


def names(lamina: Lamina) -> list[str]:
    return lamina("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()


def image_id(lamina: Lamina, name: str) -> str:
    return lamina("inspect", "--format", "{{.Id}}", name).stdout.strip()


def minified(lamina: Lamina, *args: str, status: int = 0) -> Any:
    """The report of `slim --minify`."""
    done = lamina("slim", "--minify", *args, "--format", "json", check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def nothing_left(lamina: Lamina) -> None:
    builds = lamina.root / "builds"
    assert not builds.exists() or not any(builds.iterdir())
    assert str(builds) not in Path("/proc/mounts").read_text()
