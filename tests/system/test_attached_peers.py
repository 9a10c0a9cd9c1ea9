"""Other programs, before images that have something attached."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rights import need_root
from tests.system.conftest import Lamina, Tool, need_tool

pytestmark = pytest.mark.system
NAME = "slim:1"
FULL = f"docker.io/library/{NAME}"


@pytest.fixture
def skopeo(tmp_path: Path) -> Tool:
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    return Tool((need_tool("skopeo", "skopeo"), "--policy", str(policy)), {})


@pytest.fixture
def podman() -> Iterator[Tool]:
    need_root("podman, a peer")
    program = need_tool("podman", "podman")
    # podman takes no --runroot of more than 50 characters, which pytest's own paths are.
    with tempfile.TemporaryDirectory(prefix="podman-") as home:
        directories = ("--root", f"{home}/root", "--runroot", f"{home}/run")
        yield Tool((program, *directories, "--storage-driver", "vfs"), {"TMPDIR": home})


@pytest.fixture
def slimmed(root_only: None, lamina: Lamina, tmp_path: Path) -> Lamina:
    """The command on a store with an image and its proof."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY big /big\nCOPY small /big\n")
    (context / "big").write_bytes(b"big" * 100_000)
    (context / "small").write_bytes(b"small")
    lamina("build", "-q", "-t", "wasteful", str(context))
    lamina("slim", "wasteful", "-t", NAME)
    return lamina


def identity(lamina: Lamina) -> str:
    found: str = json.loads(lamina("inspect", NAME).stdout)[0]["Id"]
    return found


def test_an_archive_is_loaded_by_podman_and_by_us(
    slimmed: Lamina, podman: Tool, skopeo: Tool, tmp_path: Path
) -> None:
    archive = tmp_path / "slim.tar"
    slimmed("save", "--format", "oci-archive", "-o", str(archive), NAME)
    assert json.loads(skopeo("inspect", f"oci-archive:{archive}"))["Os"] == "linux"
    podman("load", "-i", str(archive))
    assert json.loads(podman("inspect", FULL))[0]["Id"] == identity(slimmed).partition(":")[2]
    other = Lamina(tmp_path / "other")
    other("load", "-i", str(archive))
    assert identity(other) == identity(slimmed)
    assert len(json.loads(other("inspect", NAME).stdout)[0]["Attached"]) == 1
    other("verify")
    other("rmi", NAME)
    assert list((other.root / "blobs" / "sha256").iterdir()) == []


def test_skopeo_reads_our_root_past_what_is_attached(slimmed: Lamina, skopeo: Tool) -> None:
    raw = skopeo("inspect", "--raw", f"oci:{slimmed.root}:{FULL}")
    assert json.loads(raw)["config"]["digest"] == identity(slimmed)
