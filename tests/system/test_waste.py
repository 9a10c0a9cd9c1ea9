"""The account of a real Debian, and of what was built on it, beside what the kernel shows."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import COMMAND, Lamina

pytestmark = pytest.mark.system

DOCKERFILE = """\
FROM debian:bookworm
RUN dd if=/dev/urandom of=/home/deleted bs=1k count=500
RUN rm /home/deleted && echo changed >> /etc/passwd
RUN mkdir /opt/tool && dd if=/dev/urandom of=/opt/tool/data bs=1k count=300 && \\
    ln /opt/tool/data /srv/link && rm -rf /usr/share/man
RUN rm -rf /opt/tool && chmod 600 /etc/shadow && rm /usr/bin/who && mkdir /usr/bin/who
RUN rm -rf /usr/share/doc && mkdir /usr/share/doc && echo new > /usr/share/doc/new
"""
TRUTH = {
    # what is deleted, and how many bytes, as the instructions say
    "/home/deleted": ("deleted", 500 << 10),
    "/usr/bin/who": ("replaced", None),
    "/usr/share/man": ("deleted", None),
    "/usr/share/doc": ("opaque", None),
    "/etc/passwd": ("overwritten", None),
    "/etc/shadow": ("duplicated", None),
}


@pytest.fixture
def built(debian_store: Lamina, tmp_path: Path) -> Lamina:
    """A store with `debian:bookworm` and `built`, which does on it all that hides bytes."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(DOCKERFILE)
    debian_store("build", "-t", "built", str(tmp_path / "context"))
    return debian_store


def explained(lamina: Lamina, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lamina("explain", "--format", "json", image).stdout)
    return found


def flattened(lamina: Lamina, image: str) -> int:
    """Bytes of the files that a container of the image sees, each content once."""
    lamina("run", "--name", "flat", image, "true")
    assert lamina("diff", "flat").stdout == "", "the container changed nothing"
    export = [str(COMMAND), "--root", str(lamina.root), "export", "flat"]
    with (
        subprocess.Popen(export, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        return sum(member.size for member in archive if member.isreg())


@pytest.mark.parametrize("image", ["debian:bookworm", "built"])
def test_what_is_visible_is_what_a_container_sees(built: Lamina, image: str) -> None:
    assert explained(built, image)["visible_bytes"] == flattened(built, image)


def test_every_stroke_is_told_with_its_kind(built: Lamina) -> None:
    told = explained(built, "built")
    findings = {each["path"]: each for each in told["findings"]}
    assert findings.keys() == TRUTH.keys(), "the hard link keeps /opt/tool/data visible"
    for path, (cause, size) in TRUTH.items():
        assert findings[path]["cause"] == cause
        assert size is None or findings[path]["bytes"] == size
    assert told["hidden_bytes"] == sum(each["bytes"] for each in told["findings"])


def test_advice_on_a_real_image_is_visible(built: Lamina) -> None:
    base, child = explained(built, "debian:bookworm"), explained(built, "built")
    kinds = {each["kind"]: each["bytes"] for each in base["advice"]}
    assert kinds["docs"] > 1_000_000 and kinds["locales"] > 1_000_000
    after = {each["kind"]: each["bytes"] for each in child["advice"]}
    assert after["docs"] < kinds["docs"] / 5, "what is deleted is waste now, and no advice"


def test_rules_say_by_their_exit_status_whether_they_hold(built: Lamina, tmp_path: Path) -> None:
    rules = tmp_path / ".lamina.toml"
    rules.write_text('[explain]\nmax-hidden-bytes = "100 MB"\n')
    assert built("explain", "built", "--ci", cwd=tmp_path).returncode == 0
    rules.write_text("[explain]\nmax-deleted = 1000\n")
    done = built("explain", "built", "--ci", cwd=tmp_path, check=False)
    assert done.returncode == 3
    assert "/home/deleted" in done.stdout and "RUN dd if=/dev/urandom" in done.stdout
