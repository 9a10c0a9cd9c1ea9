"""Builds for several platforms: work that is the same is done once, foreign programs are run by
an emulator where the kernel has one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec
import pytest

from lamina.build.foreign import NoEmulator, require_emulator
from lamina.engine import open_engine
from lamina.oci.config import ImageConfig
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Image
from tests.system.conftest import CACHE, Lamina, Registry, need_tool
from tests.system.test_build import cached, content

pytestmark = pytest.mark.system

HERE, THERE = "linux/amd64", "linux/arm64"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """An empty context."""
    place = tmp_path / "context"
    place.mkdir()
    return place


def both(lamina: Lamina, name: str, images: list[Image]) -> None:
    """Give an index of images a name."""
    store = open_engine(lamina.root).store
    entries = [
        msgspec.structs.replace(each.manifest.descriptor, platform=each.config.platform)
        for each in images
    ]
    documents: list[tuple[Manifest, ImageConfig]] = [
        (each.manifest, each.config) for each in images
    ]
    store.images.add_index(
        Index.build(entries), documents, Reference.parse(name), platform=Platform("amd64")
    )


@pytest.fixture
def multi_store(busybox_store: Lamina, tmp_path: Path) -> Lamina:
    """A store with `multi`: busybox here, and for the other platform an image that has files
    and no program."""
    tar = tmp_path / "files.tar"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "there").write_text("there\n")
    subprocess.run(["tar", "cf", tar, "-C", tmp_path, "etc"], check=True)
    busybox_store("import", "--platform", THERE, str(tar), "there")
    store = open_engine(busybox_store.root).store
    both(
        busybox_store,
        "multi",
        [store.images.find("busybox"), store.images.find("there", platform=THERE)],
    )
    return busybox_store


BOTH = """\
FROM --platform=$BUILDPLATFORM multi AS build
RUN echo once > /once
ARG TARGETARCH
RUN echo for $TARGETARCH > /for
FROM multi
COPY --from=build /once /for /
"""


def built(lamina: Lamina, context: Path, text: str, *args: str, check: bool = True) -> str:
    (context / "Dockerfile").write_text(text)
    done = lamina("build", "-t", "t", *args, str(context), check=check)
    return done.stdout + done.stderr


def test_a_list_of_platforms_makes_an_index(multi_store: Lamina, context: Path) -> None:
    said = built(multi_store, context, BOTH, "--platform", f"{HERE},{THERE}")
    assert said.count("RUN echo once") == 1
    assert "[build 1/1] RUN echo once" in said
    assert f"[{HERE} build 1/1] RUN echo for" in said
    assert f"[{THERE} build 1/1] RUN echo for" in said
    assert f"#0 [{THERE}] base multi" in said
    store = open_engine(multi_store.root).store
    for platform in (HERE, THERE):
        image = store.images.find("t", platform=platform)
        assert str(image.config.platform) == platform
        layers = image.layers
        listing = store.layers.listing(layers[-1])
        entry = next(each for each in listing.entries if each.path == "for")
        with store.layers.open_file(layers[-1], entry) as file:
            assert file.read().decode() == f"for {platform.rpartition('/')[2]}\n"
    again = built(multi_store, context, BOTH, "--platform", HERE, "--platform", THERE)
    assert len(cached(again)) == said.count("DONE")
    multi_store("prune", "-f")
    assert str(store.images.find("t", platform=THERE).config.platform) == THERE


def test_an_index_is_pushed_whole(
    multi_store: Lamina, context: Path, registry: Registry, tmp_path: Path
) -> None:
    skopeo = need_tool("skopeo", "skopeo")
    name = f"{registry.host}/built/both"
    (context / "Dockerfile").write_text(BOTH)
    meta = tmp_path / "meta"
    multi_store(
        *("build", "-t", name, "--platform", f"{HERE},{THERE}", "--push"),
        *("--metadata-file", str(meta), "-o", f"type=oci,dest={tmp_path}/both.tar", str(context)),
    )
    for place in (f"docker://{name}", f"oci-archive:{tmp_path}/both.tar"):
        raw = subprocess.run(
            [skopeo, "inspect", "--tls-verify=false", "--raw", place],
            capture_output=True,
            check=True,
        ).stdout
        platforms = [each["platform"]["architecture"] for each in json.loads(raw)["manifests"]]
        assert platforms == ["amd64", "arm64"]
    assert json.loads(meta.read_text())["containerimage.descriptor"]["mediaType"].endswith(
        "index.v1+json"
    )
    multi_store("push", name)
    other = Lamina(tmp_path / "other")
    other("pull", "--platform", THERE, name)


def test_files_of_several_platforms(multi_store: Lamina, context: Path, tmp_path: Path) -> None:
    built(multi_store, context, BOTH, "--platform", f"{HERE},{THERE}", "-o", str(tmp_path / "out"))
    assert (tmp_path / "out" / "linux_arm64" / "for").read_text() == "for arm64\n"
    assert (tmp_path / "out" / "linux_amd64" / "for").read_text() == "for amd64\n"
    assert (tmp_path / "out" / "linux_amd64" / "bin" / "sh").exists()


def test_an_archive_of_docker_has_one_platform(
    multi_store: Lamina, context: Path, tmp_path: Path
) -> None:
    said = built(
        *(multi_store, context, "FROM multi\n", "--platform", f"{HERE},{THERE}"),
        *("-o", f"type=docker,dest={tmp_path}/x.tar"),
        check=False,
    )
    assert "holds one platform" in said
    assert not (tmp_path / "x.tar").exists()


def test_a_base_that_has_no_such_platform(multi_store: Lamina, context: Path) -> None:
    said = built(multi_store, context, "FROM multi\n", "--platform", "linux/s390x", check=False)
    assert "Dockerfile:1: multi:latest has no image for linux/s390x" in said
    assert "linux/amd64, linux/arm64" in said


def test_a_foreign_command_without_an_emulator(multi_store: Lamina, context: Path) -> None:
    text = "FROM scratch\nCOPY Dockerfile /\nRUN true\n"
    said = built(multi_store, context, text, "--platform", "linux/s390x", check=False)
    try:
        require_emulator("linux/s390x")
    except NoEmulator:
        assert "Dockerfile:3: programs for linux/s390x do not run on this host" in said
        assert "qemu-user-static" in said
    else:
        pytest.skip("this host runs programs for linux/s390x")


@pytest.fixture
def foreign_store(busybox_store: Lamina, tmp_path: Path) -> Lamina:
    """A store with `foreign`, busybox for the other platform, which this host can run."""
    try:
        require_emulator(THERE)
    except NoEmulator as error:
        pytest.skip(f"{error}: {error.hint}")
    root = tmp_path / "rootfs"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "busybox").write_bytes(_foreign_busybox(tmp_path))
    (root / "bin" / "busybox").chmod(0o755)
    for applet in ("sh", "uname", "cat"):
        (root / "bin" / applet).symlink_to("busybox")
    tar = tmp_path / "rootfs.tar"
    subprocess.run(["tar", "cf", tar, "-C", root, "."], check=True)
    busybox_store("import", "--platform", THERE, str(tar), "foreign")
    return busybox_store


def _foreign_busybox(place: Path) -> bytes:
    """Debian's busybox-static for the other platform; this host's apt learns nothing of it."""
    kept = CACHE / "busybox-arm64"
    if kept.exists():
        return kept.read_bytes()
    apt = need_tool("apt-get", "apt")
    lists, archives = place / "lists", place / "archives"
    options = ["-qq", "-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={archives}"]
    options += ["-o", "APT::Architecture=arm64", "-o", "APT::Architectures::=arm64"]
    options += ["-o", "Dir::State::status=/dev/null"]
    for directory in (lists / "partial", archives / "archives" / "partial"):
        directory.mkdir(parents=True)
    for command in (["update"], ["download", "busybox-static"]):
        done = subprocess.run(
            [apt, *options, *command], cwd=place, capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no busybox for {THERE}: {done.stderr.decode()[-300:]}")
    (package,) = place.glob("busybox-static_*_arm64.deb")
    subprocess.run(["dpkg-deb", "-x", package, place / "package"], check=True)
    binary = (place / "package" / "bin" / "busybox").read_bytes()
    CACHE.mkdir(exist_ok=True)
    kept.write_bytes(binary)
    return binary


def test_a_foreign_command_runs(foreign_store: Lamina, context: Path) -> None:
    text = "FROM --platform=linux/arm64 foreign\nRUN uname -m > /machine\n"
    built(foreign_store, context, text, "--platform", THERE)
    assert content(foreign_store, "machine") == "aarch64\n"
