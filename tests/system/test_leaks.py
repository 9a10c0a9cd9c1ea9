"""Secrets that a real build leaves behind, found in the layers and brought back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import secrets
from tests.system.conftest import Lamina

pytestmark = pytest.mark.system

KEY, OTHER_KEY = secrets.openssh(), secrets.pem("RSA ")
TOKEN, NPM, ARGUMENT = secrets.github_token(), secrets.npm_token(), "zq81-kd02-mm77"
DOCKERFILE = f"""\
FROM busybox:latest
ENV GITHUB_TOKEN={TOKEN}
COPY id_ed25519 /root/.ssh/id_ed25519
COPY npmrc /srv/.npmrc
COPY --chmod=600 server.key /etc/server.key
ARG API_TOKEN
RUN echo built with $API_TOKEN > /dev/null
RUN rm -r /root/.ssh
RUN echo 'registry=https://registry/' > /srv/.npmrc
"""


@pytest.fixture
def built(busybox_store: Lamina, tmp_path: Path) -> Lamina:
    """A store with an image `app` that tried to clean up after itself."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "id_ed25519").write_text(KEY)
    (context / "server.key").write_text(OTHER_KEY)
    (context / "npmrc").write_text(f"//registry/:_authToken={NPM}\n")
    argument = f"API_TOKEN={ARGUMENT}"
    busybox_store("build", "-q", "-t", "app", "--build-arg", argument, str(context))
    return busybox_store


def found(lamina: Lamina, name: str) -> list[dict[str, Any]]:
    done = lamina("leaks", name, "--show", "--format", "json", check=False)
    assert done.returncode == 3
    leaks: list[dict[str, Any]] = json.loads(done.stdout)["leaks"]
    return leaks


def test_every_secret_is_found_with_its_layer_and_state(built: Lamina) -> None:
    told = {
        leak["secret"]: (
            leak["kind"],
            leak["state"],
            [
                (each["in"], each["path"], each["layer"], each["hidden_by"])
                for each in leak["places"]
            ],
        )
        for leak in found(built, "app")
    }
    key, other = ("".join(each.splitlines()[1:-1]) for each in (KEY, OTHER_KEY))
    assert told == {
        TOKEN: ("github-token", "visible", [("env", None, None, None), ("history",) + (None,) * 3]),
        key: ("private-key", "hidden", [("file", "/root/.ssh/id_ed25519", "2", "6")]),
        NPM: ("npm-credentials", "hidden", [("file", "/srv/.npmrc", "3", "7")]),
        other: ("private-key", "root-only", [("file", "/etc/server.key", "4", None)]),
        ARGUMENT: ("named-secret", "visible", told[ARGUMENT][2]),
    }
    assert ("build-argument", None, "5", None) in told[ARGUMENT][2]


def test_no_secret_is_printed_unless_asked_for(built: Lamina) -> None:
    done = built("leaks", "app", check=False)
    printed = done.stdout + done.stderr
    assert not [each for each in (TOKEN, NPM, ARGUMENT, KEY[100:140]) if each in printed]


def test_what_was_deleted_and_overwritten_comes_back(built: Lamina, tmp_path: Path) -> None:
    back = tmp_path / "back"
    built("recover", "app", "/root/.ssh/id_ed25519", "-o", str(back))
    assert back.read_text() == KEY
    assert built("recover", "app", "/srv/.npmrc", "-o", "-").stdout.endswith(f"{NPM}\n")
    built("recover", "app", "/root", "-o", str(tmp_path / "root"))
    assert (tmp_path / "root/.ssh/id_ed25519").read_text() == KEY


def test_a_container_s_own_files_are_searched(built: Lamina) -> None:
    script = f"echo API_KEY={ARGUMENT}9 > /srv/.env; rm /etc/server.key"
    built("run", "--name", "web", "app", "sh", "-c", script)
    leaks = {leak["secret"]: leak["places"][0] for leak in found(built, "web")}
    assert leaks[f"{ARGUMENT}9"]["layer"] == "rw"
    other = leaks["".join(OTHER_KEY.splitlines()[1:-1])]
    assert (other["state"], other["hidden_by"]) == ("hidden", "rw")


def test_debian_has_none(debian_store: Lamina) -> None:
    done = debian_store("leaks", "debian:bookworm", check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "no secrets found" in done.stdout
