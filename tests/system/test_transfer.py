"""Registries, archives and layouts, with the programs that others use for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rights import need_root, needs_rights
from tests.system.conftest import Lamina, Registry, Tool, need_tool

pytestmark = pytest.mark.system
IMAGE = "busybox:latest"
FULL = "docker.io/library/busybox:latest"


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
def image_id(busybox_store: Lamina) -> str:
    return json.loads(busybox_store("inspect", IMAGE).stdout)[0]["Id"]  # type: ignore[no-any-return]


@pytest.fixture
def other(tmp_path: Path) -> Lamina:
    """The command on another, empty store."""
    return Lamina(tmp_path / "other")


def id_of(lamina: Lamina, name: str) -> str:
    return json.loads(lamina("inspect", name).stdout)[0]["Id"]  # type: ignore[no-any-return]


class TestRegistry:
    def test_pushed_and_pulled_back_it_is_the_same_image(
        self, busybox_store: Lamina, image_id: str, registry: Registry, other: Lamina
    ) -> None:
        name = f"{registry.host}/transfer/there-and-back:1"
        busybox_store("tag", IMAGE, name)
        busybox_store("push", name)
        other("pull", name)
        assert id_of(other, name) == image_id
        other("verify")

    def test_skopeo_reads_what_was_pushed(
        self, busybox_store: Lamina, image_id: str, registry: Registry, skopeo: Tool
    ) -> None:
        name = f"{registry.host}/transfer/skopeo:1"
        busybox_store("tag", IMAGE, name)
        digest = busybox_store("push", "-q", name).stdout.strip().partition("@")[2]
        raw = skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{name}")
        assert json.loads(raw)["config"]["digest"] == image_id
        shown = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{name}"))
        assert shown["Digest"] == digest

    def test_blobs_are_mounted_from_a_neighbour(
        self, busybox_store: Lamina, registry: Registry
    ) -> None:
        first, second = (f"{registry.host}/transfer/mount-{n}:1" for n in "ab")
        for name in (first, second):
            busybox_store("tag", IMAGE, name)
        assert "Pushed" in busybox_store("push", first).stdout
        assert "Mounted from transfer/mount-a" in busybox_store("push", second).stdout

    def test_what_podman_pushed_is_pulled(
        self, busybox_store: Lamina, registry: Registry, podman: Tool, other: Lamina, tmp_path: Path
    ) -> None:
        archive = str(tmp_path / "a.tar")
        busybox_store("save", "-o", archive, IMAGE)
        podman("load", "-i", archive)
        name = f"{registry.host}/transfer/podman:1"
        podman("push", "--tls-verify=false", IMAGE, f"docker://{name}")
        other("pull", name)
        assert id_of(other, name) == id_of(busybox_store, IMAGE)

    def test_zstd_layers_go_there_and_back(
        self, busybox_store: Lamina, image_id: str, registry: Registry, other: Lamina
    ) -> None:
        name = f"{registry.host}/transfer/zstd:1"
        busybox_store("tag", IMAGE, name)
        busybox_store("push", "--compression", "zstd", name)
        other("pull", name)
        assert id_of(other, name) == image_id

    def test_copy_keeps_every_digest(
        self, busybox_store: Lamina, registry: Registry, skopeo: Tool, tmp_path: Path
    ) -> None:
        name = f"{registry.host}/transfer/copy:1"
        busybox_store("tag", IMAGE, name)
        digest = busybox_store("push", "-q", name).stdout.strip().partition("@")[2]
        layout, archive = f"oci:{tmp_path}/layout:one", f"oci-archive:{tmp_path}/a.tar:one"
        back = f"docker://{registry.host}/transfer/copied:1"
        for source, dest in ((f"docker://{name}", layout), (layout, archive), (archive, back)):
            assert busybox_store("copy", "-q", source, dest).stdout == f"{digest}\n"
            arguments = ["--tls-verify=false"] if dest == back else []
            assert json.loads(skopeo("inspect", *arguments, dest))["Digest"] == digest


class TestArchives:
    @pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
    def test_podman_loads_ours_and_we_load_podmans(
        self,
        busybox_store: Lamina,
        image_id: str,
        podman: Tool,
        other: Lamina,
        tmp_path: Path,
        form: str,
    ) -> None:
        ours, theirs = str(tmp_path / "ours.tar"), str(tmp_path / "theirs.tar")
        busybox_store("save", "--format", form, "-o", ours, IMAGE)
        assert FULL in podman("load", "-i", ours)
        podman("save", "--format", form, "-o", theirs, IMAGE)
        assert other("load", "-i", theirs).stdout == f"Loaded image: {IMAGE}\n"
        assert id_of(other, IMAGE) == image_id

    @pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
    def test_skopeo_reads_ours_and_we_load_skopeos(
        self,
        busybox_store: Lamina,
        image_id: str,
        skopeo: Tool,
        other: Lamina,
        tmp_path: Path,
        form: str,
    ) -> None:
        busybox_store("save", "--format", form, "-o", f"{tmp_path}/ours", IMAGE)
        transport = "oci" if form == "oci-dir" else form
        theirs = f"{tmp_path}/theirs"
        skopeo("copy", f"{transport}:{tmp_path}/ours", f"{transport}:{theirs}:{FULL}")
        assert other("load", "-i", theirs).stdout == f"Loaded image: {IMAGE}\n"
        assert id_of(other, IMAGE) == image_id

    def test_docker_loads_ours_and_we_load_dockers(
        self, busybox_store: Lamina, image_id: str, docker: Tool, other: Lamina, tmp_path: Path
    ) -> None:
        ours, theirs = str(tmp_path / "ours.tar"), str(tmp_path / "theirs.tar")
        busybox_store("tag", IMAGE, "me/two:names")
        busybox_store("save", "-o", ours, IMAGE, "me/two:names")
        assert "Loaded image: busybox:latest" in docker("load", "-i", ours)
        assert docker("image", "inspect", "-f", "{{.Id}}", "me/two:names").strip() == image_id
        docker("save", "-o", theirs, IMAGE, "me/two:names")
        loaded = other("load", "-i", theirs).stdout.splitlines()
        assert sorted(loaded) == ["Loaded image: busybox:latest", "Loaded image: me/two:names"]
        assert id_of(other, IMAGE) == image_id

    def test_docker_pulls_what_we_push_and_the_reverse(
        self, busybox_store: Lamina, image_id: str, docker: Tool, registry: Registry, other: Lamina
    ) -> None:
        name = f"{registry.host}/transfer/docker:1"
        back = f"{registry.host}/transfer/docker:2"
        busybox_store("tag", IMAGE, name)
        busybox_store("push", name)
        docker("pull", name)
        assert docker("image", "inspect", "-f", "{{.Id}}", name).strip() == image_id
        docker("tag", name, back)
        docker("push", back)
        other("pull", back)
        assert id_of(other, back) == image_id

    def test_through_a_pipe(self, busybox_store: Lamina, image_id: str, other: Lamina) -> None:
        command = shutil.which("lamina", path=str(Path(sys.executable).parent))
        assert command is not None
        with subprocess.Popen(
            [command, "--root", str(busybox_store.root), "save", IMAGE], stdout=subprocess.PIPE
        ) as saving:
            loaded = subprocess.run(
                [command, "--root", str(other.root), "load"],
                stdin=saving.stdout,
                capture_output=True,
                text=True,
                check=True,
            )
        assert loaded.stdout == f"Loaded image: {IMAGE}\n"
        assert id_of(other, IMAGE) == image_id


@needs_rights
def test_a_full_disk_is_one_error_and_names_nothing(
    busybox_store: Lamina, registry: Registry, tmp_path: Path
) -> None:
    name = f"{registry.host}/transfer/full:1"
    busybox_store("tag", IMAGE, name)
    busybox_store("push", name)
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=True)
    try:
        lamina = Lamina(small / "root")
        done = lamina("pull", name, check=False)
        assert done.returncode == 1
        assert "no space left" in done.stderr
        assert "Traceback" not in done.stderr
        assert lamina("images", "-q").stdout == ""
        assert not list((small / "root" / "layers").iterdir())
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.slow
def test_much_data_needs_little_memory(
    root_only: None, registry: Registry, lamina: Lamina, other: Lamina, tmp_path: Path
) -> None:
    noise = tmp_path / "noise"
    pattern = os.urandom(1 << 20)
    with noise.open("wb") as file:
        for _ in range(384):  # MiB: three times what all may take
            file.write(pattern)
    tar = tmp_path / "big.tar"
    subprocess.run(["tar", "-cf", str(tar), "-C", str(tmp_path), "noise"], check=True)
    noise.unlink()
    name = f"{registry.host}/transfer/big:1"
    for store, args in ((lamina, ["import", str(tar), name]), (lamina, ["push", name])):
        assert _peak(store, *args) <= 120_000
    assert _peak(other, "pull", name) <= 120_000


def _peak(lamina: Lamina, *args: str) -> int:
    """Kilobytes of memory that a command needed at most."""
    timed = need_tool("time", "time")
    command = shutil.which("lamina", path=str(Path(sys.executable).parent))
    assert command is not None
    done = subprocess.run(
        [timed, "-f", "%M", command, "--root", str(lamina.root), *args],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stderr.split()[-1])
