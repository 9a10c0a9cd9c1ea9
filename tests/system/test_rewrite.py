"""`lamina slim --dockerfile` on real images: measured, written, built and compared."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import Lamina

pytestmark = pytest.mark.system

SEED = Path(__file__).parents[2] / "demo/seed"
FILE = 50 << 20
"""Bytes that the seed's Dockerfile writes and then deletes: 52.4 MB."""
OWNED = """\
FROM debian:bookworm
RUN useradd web
WORKDIR /app
COPY . .
RUN chown -R web:web /app
COPY start.sh /usr/bin/start
RUN chmod +x /usr/bin/start
CMD ["start"]
"""


def told(lamina: Lamina, *args: str, cwd: Path, check: bool = True) -> dict[str, Any]:
    done = lamina("slim", "--format", "json", *args, cwd=cwd, check=check)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def sizes(lamina: Lamina, image: str) -> tuple[int, int]:
    """Visible and hidden bytes."""
    found = json.loads(lamina("explain", "--format", "json", image).stdout)
    return found["visible_bytes"], found["hidden_bytes"]


@pytest.fixture
def seed(debian_store: Lamina, tmp_path: Path) -> Path:
    """A copy of the seed's Dockerfile; its image is in the store."""
    place = tmp_path / "seed"
    shutil.copytree(SEED, place)
    debian_store("build", "-q", "-t", "seed", str(place))
    return place


def test_the_seed_becomes_one_run(debian_store: Lamina, seed: Path) -> None:
    found = told(debian_store, "--dockerfile", "Dockerfile", "seed", cwd=seed)
    edits = {each["rule"]: each for each in found["edits"]}
    assert set(edits) == {"chain-hidden", "maintainer-label"}
    assert (edits["chain-hidden"]["bytes"], edits["chain-hidden"]["basis"]) == (FILE, "measured")
    assert edits["chain-hidden"]["line"] == 6
    guess = told(debian_store, "--dockerfile", "Dockerfile", cwd=seed)
    edits = {each["rule"]: each for each in guess["edits"]}
    assert (edits["chain-hidden"]["bytes"], edits["chain-hidden"]["basis"]) == (FILE, "estimated")
    assert guess["patch"] == found["patch"]


def test_the_patch_of_a_pipe_makes_what_apply_writes(debian_store: Lamina, seed: Path) -> None:
    done = debian_store("slim", "--dockerfile", "Dockerfile", "seed", cwd=seed)
    assert "52.4 MB" in done.stderr
    patched = seed.parent / "patched"
    shutil.copytree(seed, patched)
    subprocess.run(["patch", "-p0"], input=done.stdout, text=True, cwd=patched, check=True)
    os.chmod(seed / "Dockerfile", 0o640)
    debian_store("slim", "--dockerfile", "Dockerfile", "seed", "--apply", cwd=seed)
    assert (seed / "Dockerfile").read_text() == (patched / "Dockerfile").read_text()
    assert (seed / "Dockerfile").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(seed)) == ["Dockerfile"]
    again = debian_store("slim", "--dockerfile", "Dockerfile", cwd=seed)
    assert again.stdout == ""


def test_both_are_built_and_every_difference_is_explained(debian_store: Lamina, seed: Path) -> None:
    found = told(
        debian_store, "--dockerfile", "Dockerfile", "seed", "--build", "-t", "seed:slim", cwd=seed
    )
    assert found["unexplained"] == 0
    assert found["before"]["hidden"] == FILE
    assert found["after"]["hidden"] == 0
    assert found["before"]["bytes"] - found["after"]["bytes"] == FILE
    assert sizes(debian_store, "seed:slim") == (sizes(debian_store, "debian:bookworm")[0], 0)
    named = debian_store("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    assert sorted(named) == ["debian:bookworm", "seed:latest", "seed:slim"]


def test_owners_and_modes_on_a_base_that_was_looked_at(
    debian_store: Lamina, tmp_path: Path
) -> None:
    place = tmp_path / "app"
    place.mkdir()
    (place / "Dockerfile").write_text(OWNED)
    (place / "start.sh").write_text("#!/bin/sh\nstat -c '%U:%G %a' /app /app/data /usr/bin/start\n")
    (place / "data").write_bytes(b"x" * 3_000_000)
    start = os.path.getsize(place / "start.sh")
    debian_store("build", "-q", "-t", "app", str(place))
    found = told(
        debian_store, "--dockerfile", "Dockerfile", "app", "--build", "-t", "app:slim", cwd=place
    )
    assert {each["rule"] for each in found["edits"]} == {"copy-chown", "copy-chmod"}
    assert found["differences"] == [] and found["settings"] == []
    # What is left is of useradd, which writes the base's tables anew.
    copied = sum(os.path.getsize(place / each) for each in os.listdir(place))
    assert found["before"]["hidden"] - found["after"]["hidden"] == copied + start
    seen = [debian_store("run", "--rm", each).stdout for each in ("app", "app:slim")]
    assert seen[0] == seen[1] == "web:web 755\nweb:web 644\nroot:root 755\n"


def test_an_image_of_another_file_is_refused(busybox_store: Lamina, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo a > /a\nRUN rm /a\n")
    done = busybox_store("slim", "--dockerfile", "Dockerfile", "busybox", cwd=tmp_path, check=False)
    assert done.returncode == 3
    assert "was not made by Dockerfile" in done.stderr


def test_a_file_that_does_not_parse_is_shown(busybox_store: Lamina, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUNN a\n")
    done = busybox_store("slim", "--dockerfile", "Dockerfile", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "Dockerfile:2: unknown instruction RUNN" in done.stderr
    assert "did you mean RUN?" in done.stderr
