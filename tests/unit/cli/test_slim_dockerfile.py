"""`lamina slim --dockerfile`, as far as nothing is built."""

from __future__ import annotations

import builtins
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lamina.shell import parse
from lamina.store.contract import Store
from tests.fakes.images import make_image
from tests.unit.cli.conftest import Lamina

TEXT = "FROM a\nMAINTAINER me\nRUN dd if=/dev/zero of=/b bs=1M count=50\n\nRUN rm /b\n"
NEW = (
    'FROM a\nLABEL org.opencontainers.image.authors="me"\n'
    "RUN dd if=/dev/zero of=/b bs=1M count=50 \\\n    && rm /b\n"
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "Dockerfile"
    path.write_text(TEXT)
    return path


def test_the_patch_is_on_standard_output_alone(lamina: Lamina, file: Path) -> None:
    status, out, err = lamina("slim", "--dockerfile", str(file))
    assert status == 0
    assert file.read_text() == TEXT
    subprocess.run(["git", "apply", "-p0"], input=out.encode(), check=True, cwd=file.parent)
    assert file.read_text() == NEW
    assert "2 edits: saves about 52.4 MB, estimated" in err
    assert "line 2: maintainer-label, edit; no bytes" in err
    assert "line 5 hides 52.4 MB of it" in err
    status, out, err = lamina("slim", "--dockerfile", "Dockerfile")
    assert (status, out, err) == (0, "", "Dockerfile: no rule finds anything\n")


def test_apply_writes_the_file_and_keeps_its_mode(lamina: Lamina, file: Path) -> None:
    file.chmod(0o640)
    link = file.with_name("link")
    link.symlink_to("Dockerfile")
    status, out, _ = lamina("slim", "--dockerfile", str(link), "--apply")
    assert status == 0
    assert f"{link} was written" in " ".join(out.split())
    assert "---" not in out
    assert file.read_text() == NEW
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert {"Dockerfile", "link"} == set(os.listdir(file.parent)) - {"root"}  # of the store


def test_as_json(lamina: Lamina, file: Path) -> None:
    status, out, err = lamina("slim", "--dockerfile", "Dockerfile", "--format", "json")
    told: dict[str, Any] = json.loads(out)
    assert (status, err) == (0, "")
    assert [(each["rule"], each["line"]) for each in told["edits"]] == [
        ("maintainer-label", 2),
        ("chain-hidden", 3),
    ]
    assert told["edits"][1]["bytes"] == 50 << 20
    assert told["patch"].startswith("--- Dockerfile\n+++ Dockerfile\n")


def test_a_file_that_does_not_parse_is_shown(lamina: Lamina, file: Path) -> None:
    file.write_text("FROM a\nRUNN b\n")
    status, out, err = lamina("slim", "--dockerfile", "Dockerfile")
    assert (status, out) == (1, "")
    assert "Dockerfile:2: " in err
    assert "    2 │ RUNN b\n" in err


def test_an_image_of_another_file_is_no_measure(lamina: Lamina, file: Path, store: Store) -> None:
    make_image(store, "other:1", {"a": b"a"})
    status, out, err = lamina("slim", "--dockerfile", "Dockerfile", "other:1")
    assert (status, out) == (3, "")
    assert "other:1 was not made by Dockerfile" in err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--dockerfile", "missing"], 1, "missing cannot be read: No such file"),
        (["--dockerfile", "."], 1, ". cannot be read: Is a directory"),
        (["--dockerfile", "Dockerfile", "nobody"], 1, "no image nobody"),
        (["--dockerfile", "Dockerfile", "--also", "chain-hiden"], 1, "did you mean chain-hidden"),
        (["--dockerfile", "Dockerfile", "--flatten"], 2, "--flatten belongs to"),
        (["x", "-t", "y", "--apply"], 2, "belongs to --dockerfile"),
    ],
)
def test_bad_input(
    lamina: Lamina, file: Path, arguments: list[str], status: int, said: str
) -> None:
    found, out, err = lamina("slim", *arguments)
    assert (found, out) == (status, "")
    assert said in err
    assert file.read_text() == TEXT


def test_without_the_parser_one_sentence_says_so(
    lamina: Lamina, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def lacking(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("tree_sitter"):
            raise ImportError(name)
        return real(name, *rest, **more)

    parse._parser.cache_clear()
    monkeypatch.setattr(builtins, "__import__", lacking)
    status, out, err = lamina("slim", "--dockerfile", "Dockerfile")
    parse._parser.cache_clear()
    assert (status, out) == (1, "")
    assert "tree-sitter-bash, which is not installed" in err
    assert "pip install 'lamina[slim]'" in err
