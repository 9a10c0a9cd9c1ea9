"""`leaks` and `recover` on a store."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lamina.cli.main import run
from lamina.leaks import tokens
from lamina.store.contract import Store
from tests.fakes import secrets
from tests.unit.cli import sample
from tests.unit.cli.conftest import Lamina

KEY = secrets.pem().encode()
TOKEN = secrets.github_token()


def leaky(store: Store) -> None:
    sample.make(
        store,
        "app",
        [
            ("COPY key /root/", {"root": None, "root/key": KEY, "root/token": TOKEN.encode()}),
            ("RUN rm /root/key", {"root": None, "root/.wh.key": b"", "root/token": b"none"}),
        ],
    )


def test_secrets_are_found_and_the_exit_status_says_so(store: Store, lamina: Lamina) -> None:
    leaky(store)
    status, out, err = lamina("leaks", "app")
    assert (status, err.splitlines()[0]) == (3, "lamina: 2 secrets in app:latest")
    assert "/root/key:1   layer 1   COPY key /root/   deleted by layer 2" in out
    assert "see one: lamina recover app:latest /root/key -o ./key" in out
    assert TOKEN not in out and TOKEN in lamina("leaks", "app", "--show")[1]


def test_what_is_none_can_be_left_out(store: Store, lamina: Lamina) -> None:
    leaky(store)
    document = json.loads(lamina("leaks", "app", "--format", "json")[1])
    ignored = [f"--ignore={leak['fingerprint']}" for leak in document["leaks"]]
    assert lamina("leaks", "app", ignored[0])[0] == 3
    status, out, err = lamina("leaks", "app", *ignored)
    assert (status, err) == (0, "") and "no secrets found" in out


def test_a_clean_image(store: Store, lamina: Lamina) -> None:
    sample.debian(store)
    assert lamina("leaks", "debian:bookworm")[0] == 0


def test_a_missing_library_is_one_sentence(
    store: Store, lamina: Lamina, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.debian(store)
    monkeypatch.setattr(tokens, "find_spec", lambda name: None)
    assert lamina("leaks", "debian:bookworm") == (
        1,
        "",
        "lamina: looking for secrets needs detect-secrets\n  pip install 'lamina[leaks]'\n",
    )


def test_a_file_comes_back(store: Store, lamina: Lamina, tmp_path: Path) -> None:
    leaky(store)
    target = tmp_path / "back"
    status, out, err = lamina("recover", "app", "/root/key", "-o", str(target))
    assert (status, err) == (0, "")
    assert out == f"/root/key   {len(KEY)} B from layer 1 (COPY key /root/)   deleted by layer 2\n"
    assert target.read_bytes() == KEY
    lamina("recover", "app", "root/token", "-o", str(tmp_path / "old"))
    assert (tmp_path / "old").read_text() == TOKEN
    lamina("recover", "app", "root/token", "--layer", "2", "-o", str(tmp_path / "new"))
    assert (tmp_path / "new").read_text() == "none"


def test_a_directory_comes_back(store: Store, lamina: Lamina, tmp_path: Path) -> None:
    leaky(store)
    status, out, _ = lamina("recover", "app", "root", "-o", str(tmp_path / "all"))
    assert (status, sorted(os.listdir(tmp_path / "all"))) == (0, ["key", "token"])
    assert out == f"/root   2 hidden files, {len(KEY) + len(TOKEN)} B, from layer 1\n"


def test_to_standard_output(store: Store, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    leaky(store)
    assert run(["--root", str(store.root), "recover", "app", "root/key", "-o", "-"]) == 0
    out, err = capfdbinary.readouterr()
    assert out == KEY and err.startswith(b"/root/key   ")


def test_copies_are_listed(store: Store, lamina: Lamina) -> None:
    leaky(store)
    out = lamina("recover", "app", "root/token", "--list")[1]
    assert out.splitlines()[3].split()[:2] == ["2", "4"]
    document = json.loads(lamina("recover", "app", "root/token", "--list", "--format", "json")[1])
    assert [copy["layer"] for copy in document["copies"]] == ["2", "1"]


def test_a_container_s_own_deletion(store: Store, lamina: Lamina, tmp_path: Path) -> None:
    record = sample.container(store, sample.seed(store))
    upper = store.containers.directory(record.id) / "upper"
    (upper / "etc").mkdir()
    (upper / "etc/passwd").write_bytes(b"app::1\n")
    status, out, _ = lamina("recover", "web", "etc/passwd", "-o", str(tmp_path / "back"))
    assert (status, out.strip().endswith("overwritten by layer rw")) == (0, True)
    assert (tmp_path / "back").read_bytes() == b"root:x:0:0::/root:/bin/sh\n"
    lamina("recover", "web", "etc/passwd", "--layer", "rw", "-o", str(tmp_path / "own"))
    assert (tmp_path / "own").read_bytes() == b"app::1\n"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["recover", "app", "root/key"], 2, "lamina: say where to write it with -o FILE"),
        (["recover", "nope", "f", "--list"], 1, "lamina: no image nope in the store"),
        (["recover", "app", "root/kez", "--list"], 1, "lamina: no layer of app:latest has a file"),
        (["recover", "app", "root/key", "--layer", "2", "--list"], 1, "lamina: layer 2 of app"),
        (["recover", "app", "root/key", "--layer", "9", "--list"], 1, "lamina: no layer 9 in app"),
        (["recover", "app", "root", "-o", "-"], 1, "lamina: /root is a directory"),
        (
            ["recover", "app", "root/key", "-o", "/no/such/place"],
            1,
            "lamina: there is no directory",
        ),
        (["recover", "app", "root/key", "-o", "{there}"], 1, "lamina: {there} exists\n  --force"),
        (["leaks", "app", "--format", "xml"], 2, "lamina: invalid value for '--format'"),
    ],
)
def test_mistakes_are_told(
    store: Store, lamina: Lamina, tmp_path: Path, arguments: list[str], status: int, message: str
) -> None:
    leaky(store)
    there = tmp_path / "there"
    there.write_bytes(b"mine")
    found, out, err = lamina(*[each.format(there=there) for each in arguments])
    assert (found, out) == (status, "")
    assert err.startswith(message.format(there=there))
    assert there.read_bytes() == b"mine"
