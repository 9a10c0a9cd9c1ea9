"""SQL over real images: what it says of Debian is what Debian says of itself."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.system.conftest import Lamina

pytestmark = pytest.mark.system

IMAGE = "debian:bookworm"


def answer(lamina: Lamina, query: str) -> list[list[str]]:
    """The rows of an answer, as texts."""
    return list(csv.reader(io.StringIO(lamina("sql", query, "-o", "csv").stdout)))[1:]


def said(lamina: Lamina, *command: str) -> list[str]:
    """What a command in a container prints, sorted."""
    return sorted(lamina("run", "--rm", IMAGE, *command).stdout.splitlines())


def test_debian_is_told_as_it_tells_itself(debian_store: Lamina) -> None:
    privileged = "select path from files where visible and type = 'file' and mode & 2048 > 0"
    found = sorted(path for (path,) in answer(debian_store, privileged))
    assert found == said(debian_store, "find", "/", "-xdev", "-type", "f", "-perm", "-4000")
    assert "/usr/bin/passwd" in found
    packages = "select name, version from packages where kind = 'dpkg'"
    installed = sorted(" ".join(row) for row in answer(debian_store, packages))
    assert installed == said(debian_store, "dpkg-query", "-W", "-f", "${Package} ${Version}\\n")
    [[digest]] = answer(debian_store, "select sha256 from files where path = '/etc/debian_version'")
    assert said(debian_store, "sha256sum", "/etc/debian_version") == [
        f"{digest}  /etc/debian_version"
    ]


def test_what_a_build_deleted_is_found(busybox_store: Lamina, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\n"
        "RUN mkdir /build && dd if=/dev/zero of=/build/big bs=1M count=3\n"
        "RUN rm -r /build\n"
    )
    busybox_store("build", "-q", "-t", "seed", str(tmp_path))
    assert answer(
        busybox_store,
        "select f.path, f.size, f.hidden_kind, l.instruction from files f"
        " join layers l on l.image = f.image and l.layer = f.hidden_by"
        " where f.image = 'seed:latest' and f.type = 'file' and not f.visible",
    ) == [["/build/big", str(3 << 20), "deleted", "RUN rm -r /build"]]
    command = ("sh", "-c", "echo 12345 > /new; exit 4")
    assert busybox_store("run", "--name", "web", "seed", *command, check=False).returncode == 4
    assert answer(
        busybox_store,
        "select c.name, c.status, c.exit_status, c.size_rw, i.hidden_bytes"
        " from containers c join images i using (image)",
    ) == [["web", "exited", "4", "6", str(3 << 20)]]


def test_a_listing_is_hashed_once_and_kept(busybox_store: Lamina) -> None:
    query = "select path, sha256 from files where type = 'file' order by path"
    assert answer(busybox_store, query) == answer(busybox_store, query)
    assert busybox_store("verify").returncode == 0
