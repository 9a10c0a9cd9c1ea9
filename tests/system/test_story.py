"""The story that `make demo` tells, held to its words on a real Debian."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.conftest import Lamina, Registry

pytestmark = pytest.mark.system

DEMO = Path(__file__).parents[2] / "demo"
FILE = 50 << 20
"""Bytes that the seed's Dockerfile writes and then deletes: 52.4 MB."""


@pytest.fixture
def seed(debian_store: Lamina) -> Lamina:
    """A store with the seed's image, built."""
    debian_store("build", "-t", "seed", str(DEMO / "seed"))
    return debian_store


def explained(lamina: Lamina, image: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(lamina("explain", "--format", "json", image).stdout)
    return found


def test_the_deleted_file_still_ships(seed: Lamina) -> None:
    told = explained(seed, "seed")
    assert told["hidden_bytes"] == FILE
    base = explained(seed, "debian:bookworm")
    assert told["visible_bytes"] == base["visible_bytes"]
    layers = told["layers"]
    assert isinstance(layers, list)
    (guilty,) = [layer for layer in layers if layer["hidden_bytes"]]
    assert guilty["bytes"] == guilty["hidden_bytes"] == FILE
    assert "dd if=/dev/zero of=50M.file" in guilty["created_by"]


def test_history_shows_the_true_size_of_each_layer(seed: Lamina) -> None:
    lines = seed("history", "--format", "{{.Size}} {{.CreatedBy}}", "--no-trunc", "seed").stdout
    sizes = {line.partition(" ")[2]: line.partition(" ")[0] for line in lines.splitlines()}
    (written,) = [size for cause, size in sizes.items() if "dd if=/dev/zero" in cause]
    (removed,) = [size for cause, size in sizes.items() if "rm -rf" in cause]
    assert (written, removed) == ("52.4MB", "0B")


def test_the_search_for_the_deleted_file_ends_at_its_whiteout(seed: Lamina) -> None:
    told = seed("explain", "seed", "/home/50M.file").stdout
    assert "deleted" in told
    assert "52.4 MB" in told
    assert "rm -rf 50M.file" in told
    gone = seed("run", "--rm", "seed", "ls", "/home/50M.file", check=False)
    assert gone.returncode != 0


def test_the_improved_dockerfile_ships_nothing_hidden(seed: Lamina) -> None:
    seed("build", "-t", "improved", str(DEMO / "improved"))
    assert explained(seed, "improved")["hidden_bytes"] == 0
    rows = seed("images", "--format", "{{.Repository}} {{.Size}}").stdout.splitlines()
    sizes = dict(row.split() for row in rows)
    assert sizes["improved"] == sizes["debian"] != sizes["seed"]


def test_containers_copy_on_write(debian_store: Lamina) -> None:
    lamina = debian_store
    change = "cat /etc/debian_version; echo ada >> /etc/motd; rm /etc/issue; echo x > /root/new"
    lamina("run", "--name", "ada", "debian:bookworm", "sh", "-c", change)
    seen = lamina(
        *("run", "--name", "bob", "debian:bookworm", "sh", "-c"),
        "grep -c ada /etc/motd; ls /etc/issue; ls /root | wc -l",
    )
    assert seen.stdout.splitlines() == ["0", "/etc/issue", "0"]
    changed = set(lamina("diff", "ada").stdout.splitlines())
    assert {"C /etc/motd", "D /etc/issue", "A /root/new"} <= changed
    assert changed <= {"C /etc", "C /root", "C /etc/motd", "D /etc/issue", "A /root/new"}
    assert lamina("diff", "bob").stdout == ""
    assert "copied up" in lamina("explain", "ada", "/etc/motd").stdout
    assert "deleted" in lamina("explain", "ada", "/etc/issue").stdout
    assert "new" in lamina("explain", "ada", "/root/new").stdout


def test_what_nobody_changed_is_one_inode(seed: Lamina) -> None:
    ask = ("stat", "-c", "%i", "/usr/bin/bash", "/etc/os-release", "/usr/bin/perl")
    images = ("debian:bookworm", "debian:bookworm", "seed")
    answers = {seed("run", "--rm", image, *ask).stdout for image in images}
    assert len(answers) == 1


def test_kernel_of_the_host_user_space_of_the_image(
    debian_store: Lamina, busybox_tar: Path
) -> None:
    debian_store("import", str(busybox_tar), "busybox")
    ask = ("uname -r; . /etc/os-release; echo $ID",)
    answers = [
        debian_store("run", "--rm", image, "sh", "-c", *ask).stdout.split()
        for image in ("debian:bookworm", "busybox")
    ]
    kernel = Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert answers == [[kernel, "debian"], [kernel, "busybox"]]


def test_to_a_registry_and_back(seed: Lamina, registry: Registry, tmp_path: Path) -> None:
    name = f"{registry.host}/story/seed"
    seed("tag", "seed", name)
    seed("push", name)
    other = Lamina(tmp_path / "other")
    other("pull", name)
    ids = [store("images", "--no-trunc", "-q", name).stdout for store in (seed, other)]
    assert ids[0] == ids[1] != ""
    other("verify")


def test_the_store_is_whole_and_accounted_for(seed: Lamina) -> None:
    seed("verify")
    told = seed("system", "df").stdout
    assert told.splitlines()[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
