"""Where `lamina build` puts what it made: read back by other tools where they are there."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import tarfile
from pathlib import Path

import pytest

from lamina.engine import open_engine
from tests.system.conftest import COMMAND, Lamina, Registry, Tool, need_tool

pytestmark = pytest.mark.system

EXPORT = """\
FROM busybox AS build
RUN mkdir -m 750 /out && echo program > /out/app && chmod 755 /out/app && ln -s app /out/link
RUN echo gone > /out/gone
RUN rm /out/gone
FROM scratch
COPY --from=build /out /
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context with a Dockerfile whose target is files alone."""
    place = tmp_path / "context"
    place.mkdir()
    (place / "Dockerfile").write_text(EXPORT)
    return place


def named(lamina: Lamina) -> list[str]:
    """The names in the store."""
    rows = open_engine(lamina.root).store.images
    return sorted(row.reference.familiar if row.reference else "<none>" for row in rows)


def test_files_to_a_directory(busybox_store: Lamina, context: Path) -> None:
    busybox_store("build", "-t", "unused", "-o", "out", ".", cwd=context)
    assert sorted(os.listdir(context / "out")) == ["app", "link"]
    assert (context / "out" / "app").read_text() == "program\n"
    assert os.readlink(context / "out" / "link") == "app"
    assert named(busybox_store) == ["busybox:latest"]


def test_files_to_a_tar_and_to_standard_output(busybox_store: Lamina, context: Path) -> None:
    busybox_store("build", "-o", "out.tar", ".", cwd=context)
    done = subprocess.run(
        [COMMAND, "--root", busybox_store.root, "build", "-q", "-o", "-", context],
        capture_output=True,
        check=True,
    )
    assert done.stdout == (context / "out.tar").read_bytes()
    with tarfile.open(context / "out.tar") as tar:
        assert tar.getnames() == ["app", "link"]


def test_several_outputs_of_one_build(busybox_store: Lamina, context: Path, tmp_path: Path) -> None:
    skopeo = need_tool("skopeo", "skopeo")
    busybox_store(
        *("build", "-t", "app:1", "-o", "out", "-o", f"type=oci,dest={tmp_path}/oci.tar"),
        *("-o", f"type=docker,dest={tmp_path}/docker.tar"),
        *("-o", f"type=oci,tar=false,dest={tmp_path}/layout", "--load", str(context)),
        cwd=context,
    )
    image = open_engine(busybox_store.root).store.images.find("app:1")
    for place in ("oci-archive:oci.tar", "docker-archive:docker.tar", "oci:layout"):
        found = subprocess.run(
            [skopeo, "inspect", "--raw", "--config", place],
            capture_output=True,
            cwd=tmp_path,
            check=True,
        )
        assert json.loads(found.stdout) == json.loads(image.config.raw)
    assert (context / "out" / "app").exists()
    other = Lamina(tmp_path / "other")
    other("load", "-i", str(tmp_path / "docker.tar"))
    assert named(other) == ["app:1"]


def test_compression(busybox_store: Lamina, context: Path, tmp_path: Path) -> None:
    for compression, ending in (("uncompressed", ""), ("gzip", "+gzip"), ("zstd", "+zstd")):
        place = tmp_path / compression
        output = f"type=oci,tar=false,dest={place},compression={compression}"
        busybox_store("build", "-o", output, str(context))
        index = json.loads((place / "index.json").read_text())
        digest = index["manifests"][0]["digest"].partition(":")[2]
        manifest = json.loads((place / "blobs" / "sha256" / digest).read_text())
        kinds = {layer["mediaType"] for layer in manifest["layers"]}
        assert kinds == {f"application/vnd.oci.image.layer.v1.tar{ending}"}


def test_push_and_what_is_told_of_it(
    busybox_store: Lamina, context: Path, tmp_path: Path, registry: Registry
) -> None:
    name = f"{registry.host}/built/app"
    done = busybox_store(
        *("build", "-t", f"{name}:1", "-t", f"{name}:2", "--push", "-q"),
        *("--metadata-file", str(tmp_path / "meta"), "--iidfile", str(tmp_path / "id")),
        str(context),
    )
    told = json.loads((tmp_path / "meta").read_text())
    image = open_engine(busybox_store.root).store.images.find(f"{name}:1")
    assert told["containerimage.config.digest"] == str(image.config.digest)
    assert told["image.name"] == f"{name}:1,{name}:2"
    assert told["containerimage.descriptor"]["digest"] == told["containerimage.digest"]
    assert (tmp_path / "id").read_text() == str(image.config.digest)
    assert done.stdout == f"{image.config.digest}\n"
    assert done.stderr == ""
    other = Lamina(tmp_path / "other")
    other("pull", f"{name}@{told['containerimage.digest']}")
    other("pull", f"{name}:2")
    assert open_engine(other.root).store.images.find(f"{name}:2").config == image.config


def test_a_push_that_fails_names_nothing(busybox_store: Lamina, context: Path) -> None:
    done = busybox_store("build", "-t", "127.0.0.1:1/app", "--push", str(context), check=False)
    assert done.returncode == 1
    assert "nobody listens there" in done.stderr
    assert named(busybox_store) == ["busybox:latest"]


def test_a_build_that_fails_leaves_no_output(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN exit 4\n")
    done = busybox_store(
        *("build", "-o", "out", "-o", "out.tar", "-o", "type=oci,dest=oci.tar"),
        *("--iidfile", "id", "--metadata-file", "meta", "."),
        cwd=context,
        check=False,
    )
    assert done.returncode == 1
    assert os.listdir(context) == ["Dockerfile"]


def test_a_tar_is_not_written_to_a_terminal(busybox_store: Lamina, context: Path) -> None:
    master, slave = pty.openpty()
    done = subprocess.run(
        [COMMAND, "--root", busybox_store.root, "build", "-o", "-", context],
        stdout=slave,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(slave)
    os.close(master)
    assert done.returncode == 2
    assert "not written to a terminal" in done.stderr


def test_the_id_is_as_private_as_the_umask_says(busybox_store: Lamina, context: Path) -> None:
    before = os.umask(0o027)
    try:
        busybox_store("build", "--iidfile", "id", "-o", "f.tar", ".", cwd=context)
    finally:
        os.umask(before)
    modes = [(context / name).stat().st_mode & 0o777 for name in ("id", "f.tar")]
    assert modes == [0o640, 0o640]


def test_docker_loads_the_archive(
    busybox_store: Lamina, context: Path, tmp_path: Path, docker: Tool
) -> None:
    busybox_store(
        "build", "-t", "app:1", "-o", f"type=docker,dest={tmp_path}/app.tar", "--load", str(context)
    )
    docker("load", "-i", str(tmp_path / "app.tar"))
    found = docker("image", "inspect", "--format", "{{.Id}}", "app:1")
    image = open_engine(busybox_store.root).store.images.find("app:1")
    assert found.strip() == str(image.config.digest)
