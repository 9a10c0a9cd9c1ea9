"""`lamina lint --image`: bytes measured in images that were really built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import Lamina

pytestmark = pytest.mark.system

MB = 1_000_000
BAD = """\
FROM busybox:latest
MAINTAINER me
WORKDIR /srv
COPY . .
RUN dd if=/dev/zero of=/home/big bs=1000000 count=5
RUN rm /home/big
RUN chown -R 1:1 /srv
COPY dump /tmp/dump
RUN cp /tmp/dump /opt && rm /tmp/dump
# lamina ignore=JSONArgsRecommended
CMD sh
"""


def lint(lamina: Lamina, *arguments: str) -> dict[str, Any]:
    ran = lamina("lint", "--format", "json", *arguments, check=False)
    assert ran.returncode == 3, ran.stderr
    (file,) = json.loads(ran.stdout)["files"]
    return {f"{each['rule']}:{each['line']}": each for each in file["problems"]}


def test_bytes_of_a_real_image(busybox_store: Lamina, tmp_path: Path) -> None:
    context = tmp_path / "context"
    (context / ".git").mkdir(parents=True)
    (context / ".git/pack").write_bytes(b"g" * 2 * MB)
    (context / "dump").write_bytes(b"d" * 3 * MB)
    (context / "Dockerfile").write_text(BAD)
    busybox_store("build", "-q", "-t", "app", str(context))
    found = lint(busybox_store, "--image", "app", str(context))
    measured = {name: each["bytes"] for name, each in found.items() if each["bytes"]}
    assert measured["copies-unwanted:4"] == 2 * MB
    assert measured["shipped-twice:7"] >= 5 * MB
    assert measured["left-version-control:7"] == 2 * MB
    hidden = [each for each in found.values() if {"hidden-bytes"} & {each["rule"], *each["also"]}]
    assert {(each["line"], each["bytes"]) for each in hidden} == {(5, 5 * MB), (8, 3 * MB)}
    assert not any(name.startswith("JSONArgs") for name in found)


def test_a_better_file_has_less_to_say(busybox_store: Lamina, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "app").write_text("#!/bin/sh\n")
    (context / "Dockerfile").write_text(
        'FROM busybox:1\nCOPY --chown=1:1 app /srv/app\nUSER 1\nCMD ["/srv/app"]\n'
    )
    busybox_store("tag", "busybox:latest", "busybox:1")
    busybox_store("build", "-q", "-t", "app", str(context))
    ran = busybox_store("lint", "--image", "app", str(context), check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("Dockerfile: no problems\n")
