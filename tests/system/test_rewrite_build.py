"""Both builds of a rewritten Dockerfile: what differs by itself, what does not, what stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import Lamina
from tests.system.test_story import DEMO, FILE

pytestmark = pytest.mark.system


def place(directory: Path, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "Dockerfile").write_text(text)
    return directory / "Dockerfile"


def told(lamina: Lamina, *arguments: str, status: int = 0) -> dict[str, Any]:
    done = lamina("slim", *arguments, "--format", "json", check=False)
    assert done.returncode == status, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_seed_becomes_one_run_and_ships_nothing_hidden(
    debian_store: Lamina, tmp_path: Path
) -> None:
    lamina, file = debian_store, tmp_path / "Dockerfile"
    shutil.copyfile(DEMO / "seed" / "Dockerfile", file)
    lamina("build", "-t", "seed", str(tmp_path))
    found = told(lamina, "--dockerfile", str(file), "seed", "--build", "--apply", "-t", "seed:slim")
    edits = {each["rule"]: each for each in found["edits"]}
    assert (edits["chain-hidden"]["bytes"], edits["chain-hidden"]["basis"]) == (FILE, "measured")
    assert edits["chain-hidden"]["line"] == 6
    assert found["written"]
    assert found["unexplained"] == 0
    assert found["differences"] == []
    assert [each["rule"] for each in found["settings"]] == ["maintainer-label"]
    assert (found["before"]["hidden"], found["after"]["hidden"]) == (FILE, 0)
    assert found["before"]["bytes"] - found["after"]["bytes"] == FILE
    runs = [line for line in file.read_text().splitlines() if line.startswith("RUN")]
    assert len(runs) == 1
    explained = json.loads(lamina("explain", "--format", "json", "seed:slim").stdout)
    assert explained["hidden_bytes"] == 0
    # Nothing is left to say, and of the images that were only compared nothing is left.
    assert told(lamina, "--dockerfile", str(file))["edits"] == []
    names = lamina("images", "-a", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    assert sorted(names) == ["debian:bookworm", "seed:latest", "seed:slim"]


def test_a_difference_that_comes_by_itself_and_one_that_does_not(
    busybox_store: Lamina, tmp_path: Path
) -> None:
    chance = place(
        tmp_path / "chance",
        "FROM busybox\nRUN dd if=/dev/urandom of=/r bs=64 count=1 && mktemp -p /home\n"
        "RUN dd if=/dev/zero of=/big bs=1M count=2\nRUN rm /big\n",
    )
    found = told(busybox_store, "--dockerfile", str(chance), "--build", "-t", "chance")
    assert {each["path"] for each in found["differences"]} >= {"r"}
    assert len(found["differences"]) == 3
    assert {each["rule"] for each in found["differences"]} == {None}
    assert all(each["cause"] for each in found["differences"])
    # A process that sees who is beside it: chained, it is another one.
    seen = place(
        tmp_path / "seen",
        "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=2\n"
        "RUN tr '\\0' ' ' < /proc/1/cmdline > /seen; rm /big\n",
    )
    before = seen.read_text()
    arguments = ("--dockerfile", str(seen), "--build", "--apply", "-t", "seen")
    found = told(busybox_store, *arguments, status=3)
    assert [(each["path"], each["cause"]) for each in found["differences"]] == [("seen", None)]
    assert not found["written"]
    assert seen.read_text() == before
    names = busybox_store("images", "-a", "--format", "{{.Repository}}").stdout.split()
    assert sorted(names) == ["busybox", "chance"]


def test_a_file_that_does_not_build(busybox_store: Lamina, tmp_path: Path) -> None:
    file = place(tmp_path / "context", "FROM busybox\nMAINTAINER me\nRUN false\n")
    done = busybox_store("slim", "--dockerfile", str(file), "--build", "--apply", check=False)
    assert done.returncode == 1
    assert "    3 │ RUN false" in done.stderr
    assert "does not build as it is" in done.stderr
    assert "MAINTAINER" in file.read_text()
    names = busybox_store("images", "-a", "--format", "{{.Repository}}").stdout.split()
    assert names == ["busybox"]


def test_what_is_copied_and_ignored_is_that_of_the_file(
    busybox_store: Lamina, tmp_path: Path
) -> None:
    file = place(
        tmp_path / "context",
        "FROM busybox\nMAINTAINER me\nARG A=x\nCOPY . /srv/\nRUN test $A = y\n",
    )
    (file.parent / "kept").write_text("kept")
    (file.parent / "left").write_text("left")
    (file.parent / "Dockerfile.dockerignore").write_text("left\nDockerfile*\n")
    arguments = ("--dockerfile", str(file), "--build", "--build-arg", "A=y", "-t", "app")
    assert told(busybox_store, *arguments)["unexplained"] == 0
    assert busybox_store("run", "--rm", "app", "ls", "/srv").stdout == "kept\n"


def test_an_image_that_was_there_before_stays(busybox_store: Lamina, tmp_path: Path) -> None:
    file = place(tmp_path / "context", "FROM busybox\nRUN echo a > /a\n")
    epoch = {"SOURCE_DATE_EPOCH": "1700000000"}
    busybox_store("build", "-q", "--reproducible", "-t", "kept", str(file.parent), env=epoch)
    done = busybox_store("slim", "--dockerfile", str(file), "--build", check=False, env=epoch)
    assert done.returncode == 0, done.stderr
    names = busybox_store("images", "-a", "--format", "{{.Repository}}").stdout.split()
    assert sorted(names) == ["busybox", "kept"]
