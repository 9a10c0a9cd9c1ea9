"""Base images from real packages, on a real kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.base.archive import recipe_for
from lamina.base.bootstrap import distribution_rootfs
from tests.rights import roots_alone
from tests.system.conftest import Lamina

pytestmark = pytest.mark.system


@pytest.fixture
def workplace() -> Iterator[Path]:
    """A temporary directory of the tools' own, open to apt's user: empty again afterwards."""
    with tempfile.TemporaryDirectory(prefix="lamina-test-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory
        assert list(directory.iterdir()) == []


def test_busybox_runs(root_only: None, lamina: Lamina) -> None:
    lamina("base", "busybox")
    told = lamina(
        "run", "--rm", "busybox", "sh", "-c", "echo $PATH; ls -ld /tmp; id -un; exit 3", check=False
    )
    assert told.returncode == 3
    path, tmp, user = told.stdout.splitlines()
    assert path.startswith("/usr/local/sbin:")
    assert tmp.startswith("drwxrwxrwt")
    assert user == "root"


def test_busybox_is_the_same_in_every_store(root_only: None, tmp_path: Path, started: None) -> None:
    stores = [Lamina(tmp_path / name) for name in ("one", "two")]
    ids = {store("base", "busybox", "--quiet").stdout for store in stores}
    assert len(ids) == 1
    assert ids.pop().startswith("sha256:")


def test_debian_has_no_trace_of_this_host(debian_tar: Path) -> None:
    with tarfile.open(debian_tar) as archive:
        members = {member.name.removeprefix("./"): member for member in archive}
        sources = archive.extractfile(members["etc/apt/sources.list.d/debian.sources"])
        assert sources is not None
        text = sources.read().decode()
    assert text.count("URIs: http://deb.debian.org/debian") == 2
    assert "etc/apt/sources.list" not in members
    for name in ("etc/hostname", "etc/resolv.conf", "etc/machine-id"):
        assert members[name].size == 0
    for place in ("var/lib/apt/lists/", "var/cache/apt/archives/", "var/log/apt/"):
        files = [member.name for name, member in members.items() if name.startswith(place)]
        assert [name for name in files if members[name.removeprefix("./")].size] == []


@pytest.mark.slow
@roots_alone("making a distribution from its packages")
def test_debian_made_again_is_the_same_to_the_byte(
    root_only: None, debian_tar: Path, workplace: Path
) -> None:
    position = 0
    environment = {**os.environ, "TMPDIR": str(workplace)}
    with (
        distribution_rootfs(recipe_for("debian", "bookworm"), environment=environment) as rootfs,
        debian_tar.open("rb") as first,
    ):
        with tarfile.open(debian_tar) as archive:
            newest = max(member.mtime for member in archive)
        if newest != rootfs.epoch:
            pytest.skip("the kept tar is of an older point release: remove .cache")
        for chunk in rootfs.chunks:
            assert first.read(len(chunk)) == chunk, f"differs after byte {position}"
            position += len(chunk)
        assert first.read(1) == b""


def test_debian_is_an_image_like_any_other(debian_store: Lamina) -> None:
    told = debian_store("run", "--rm", "debian:bookworm", "sh", "-c", ". /etc/os-release; echo $ID")
    assert told.stdout == "debian\n"
    found = json.loads(debian_store("inspect", "debian:bookworm").stdout)[0]
    assert found["Os"] == "linux"
    assert len(found["RootFS"]["Layers"]) == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["debian:bokworm"], "no suite bokworm at http"),
        (["debian", "--mirror", "http://127.0.0.1:9/debian"], "cannot fetch http://127.0.0.1:9"),
        (["fedora:40"], "no recipe for the distribution fedora"),
        (["debian", "--variant", "tiny"], "no such variant: 'tiny'"),
        (["debian", "--include", "--help"], "not the name of a suite or package: '--help'"),
        (["busybox:1.35"], "busybox has no suites"),
    ],
)
def test_what_cannot_be_made_says_so_and_leaves_nothing(
    root_only: None, lamina: Lamina, workplace: Path, args: list[str], message: str
) -> None:
    told = lamina("base", *args, check=False, env={"TMPDIR": str(workplace)})
    assert told.returncode in (1, 2)
    assert message in told.stderr
    assert "Traceback" not in told.stderr
    assert len(told.stderr.splitlines()) <= 2
    assert lamina("images", "-q").stdout == ""


def test_an_ordinary_user_is_told_that_it_takes_root(root_only: None, tmp_path: Path) -> None:
    script = (
        "import os; from lamina.base import archive, bootstrap\n"
        "os.geteuid() or os.setuid(65534)\n"
        "with bootstrap.distribution_rootfs(archive.recipe_for('debian', 'sid'), environment={}):\n"
        "    pass\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "making debian:sid from packages needs root" in told.stderr


@pytest.mark.slow
def test_a_missing_package_is_named(root_only: None, lamina: Lamina, workplace: Path) -> None:
    wanted = ["debian:bookworm", "--include", "no-such-package"]
    told = lamina("base", *wanted, check=False, env={"TMPDIR": str(workplace)})
    assert told.returncode == 1
    assert "the archive has no package no-such-package" in told.stderr
    assert lamina("images", "-q").stdout == ""
