"""`lamina lint`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lamina.store.contract import Store
from tests.unit.cli import sample
from tests.unit.cli.conftest import Lamina
from tests.unit.rewrite.dockerfiles import lay

MB = 1_000_000
PYTHON = sys.executable
CLEAN = 'FROM debian:12\nCMD ["sh"]\n'
HADOLINT = """#!/bin/sh
echo '[{"code":"DL3025","column":1,"file":"-","level":"warning","line":2,"message":"Use JSON."}]'
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and no hadolint."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "bin"))
    monkeypatch.setenv("HOME", "/nowhere")
    return place


@pytest.fixture
def hadolint(here: Path) -> Path:
    """A program of that name on PATH, which says one thing of whatever it is given."""
    program = here.parent / "bin/hadolint"
    program.parent.mkdir()
    program.write_text(HADOLINT)
    program.chmod(0o755)
    return program


def rules(out: str) -> list[list[str]]:
    (file,) = json.loads(out)["files"]
    return [[each["rule"], *each["also"]] for each in file["problems"]]


def test_the_file_here_is_linted_without_a_name(here: Path, lamina: Lamina) -> None:
    (here / "Dockerfile").write_text("FROM debian\nCMD sh\n")
    status, out, err = lamina("lint")
    assert status == 3
    assert out.startswith("Dockerfile:1: warning: untagged-base: debian has no tag")
    assert "\n    1 │ FROM debian\n      │      ^^^^^^\n  try: name the version" in out
    assert out.endswith("\nDockerfile: 2 problems: 2 warnings\n")
    assert "hadolint is not installed" in err and "pip install 'lamina[lint]'" in err
    assert len(err.splitlines()) == 1


def test_a_file_without_problems(here: Path, lamina: Lamina) -> None:
    (here / "Dockerfile").write_text(CLEAN)
    assert lamina("lint", "--no-hadolint") == (0, "Dockerfile: no problems\n", "")


def test_what_hadolint_says_is_in_the_report(here: Path, hadolint: Path, lamina: Lamina) -> None:
    (here / "Dockerfile").write_text("FROM debian:12\nCMD sh\n")
    status, out, err = lamina("lint", "--format", "json")
    assert (status, err) == (3, "")
    assert rules(out) == [["JSONArgsRecommended", "DL3025"]]
    assert json.loads(out)["hadolint"] is True
    assert rules(lamina("lint", "--no-hadolint", "--format=json")[1]) == [["JSONArgsRecommended"]]


def test_hadolint_s_failure_is_told_and_the_rest_is_shown(
    here: Path, hadolint: Path, lamina: Lamina
) -> None:
    hadolint.write_text("#!/bin/sh\necho boom >&2\nexit 1\n")
    (here / "Dockerfile").write_text("FROM debian\n")
    status, out, err = lamina("lint")
    assert status == 1
    assert "untagged-base" in out
    assert err.splitlines() == [
        "lamina: hadolint failed on Dockerfile: boom (exit status 1)",
        "  --no-hadolint leaves its rules out",
    ]


def test_what_hadolint_s_configuration_ignores_is_not_said_by_us(
    here: Path, hadolint: Path, lamina: Lamina, monkeypatch: pytest.MonkeyPatch
) -> None:
    hadolint.write_text("#!/bin/sh\necho '[]'\n")
    (here / "Dockerfile").write_text("FROM debian\n")
    assert lamina("lint")[0] == 3
    (here / ".hadolint.yaml").write_text("ignored:\n  - DL3006\n")
    assert lamina("lint")[0] == 0
    (here / ".hadolint.yaml").write_text("ignored: [\n")
    assert lamina("lint")[0] == 3
    monkeypatch.setenv("HADOLINT_IGNORE", "DL3001,DL3006")
    assert lamina("lint")[0] == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), 3),
        (("--fail-on", "error"), 0),
        (("--fail-on", "none"), 0),
        (("--fail-on", "warning"), 3),
        (("--ignore", "untagged-base"), 0),
        (("--ignore", "DL3006"), 0),
        (("--severity", "error"), 0),
    ],
)
def test_the_exit_status_is_by_the_threshold(
    options: tuple[str, ...], expected: int, here: Path, lamina: Lamina
) -> None:
    (here / "Dockerfile").write_text("FROM debian\n")
    assert lamina("lint", *options)[0] == expected


def test_severity_leaves_out_what_is_less_grave(here: Path, lamina: Lamina) -> None:
    (here / "Dockerfile").write_text("FROM debian:12 AS A\nFROM debian\n")
    names = rules(lamina("lint", "--format=json")[1])
    assert names == [["StageNameCasing"], ["untagged-base"]]
    names = rules(lamina("lint", "--format=json", "--severity=warning")[1])
    assert names == [["untagged-base"]]


def test_several_files_a_directory_and_one_that_is_not_there(here: Path, lamina: Lamina) -> None:
    lay(here, {"a/Dockerfile": "FROM debian\n", "b.Dockerfile": CLEAN})
    status, out, err = lamina("lint", "a", "b.Dockerfile", "b.Dockerfile", "--no-hadolint")
    assert (status, err) == (3, "")
    assert "a/Dockerfile:1: warning" in out and out.count("b.Dockerfile: no problems") == 1
    status, out, err = lamina("lint", "a", "c", "b.Dockerfile", "--no-hadolint")
    assert status == 1
    assert err.splitlines()[0] == "lamina: c: No such file or directory"
    assert "a/Dockerfile:1" in out and "b.Dockerfile: no problems" in out


def test_what_does_not_parse_is_told_as_the_build_tells_it(here: Path, lamina: Lamina) -> None:
    (here / "Dockerfile").write_text("FROM debian:12\nRUNN a\n")
    status, out, err = lamina("lint", "--no-hadolint")
    assert (status, out) == (1, "")
    assert err == (
        "Dockerfile:2: unknown instruction RUNN\n    2 │ RUNN a\n      │ ^^^^ did you mean RUN?\n"
    )
    assert lamina("build", "-q", ".")[2].endswith(err)
    document = json.loads(lamina("lint", "--no-hadolint", "--format=json")[1])
    assert document["files"][0]["error"] == "Dockerfile:2: unknown instruction RUNN"


def test_standard_input(here: Path, lamina: Lamina, monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(b"FROM debian\nCOPY . /\n")

    lay(here, {".git/a": MB})
    monkeypatch.setattr(sys, "stdin", Input)
    status, out, _ = lamina("lint", "-", "--no-hadolint", "--format=json")
    assert (status, rules(out)) == (3, [["untagged-base"]])
    Input.buffer = io.BytesIO(b"FROM debian:12\nCOPY . /\n")
    status, out, _ = lamina("lint", "-", "--no-hadolint", "--format=json", "--context", ".")
    assert (status, rules(out)) == (3, [["copies-unwanted"]])


def test_the_context_is_where_the_file_is_unless_said(here: Path, lamina: Lamina) -> None:
    lay(here, {"docker/Dockerfile": "FROM debian:12\nCOPY . /\n", "node_modules/a": MB})
    assert lamina("lint", "docker", "--no-hadolint")[0] == 0
    status, out, _ = lamina("lint", "docker", "--context=.", "--no-hadolint")
    assert status == 3 and "COPY . takes node_modules along, 1.0 MB" in out
    lay(here, {"docker/Dockerfile.dockerignore": "node_modules\n"})
    assert lamina("lint", "docker", "--context=.", "--no-hadolint")[0] == 0


def test_bytes_are_those_of_the_image(here: Path, store: Store, lamina: Lamina) -> None:
    text = "FROM debian:12\nRUN dd of=/a\nRUN rm /a\n"
    (here / "Dockerfile").write_text(text)
    steps: list[tuple[str, Any]] = [
        ("ADD rootfs /", {"etc": None}),
        ("RUN /bin/sh -c dd of=/a # buildkit", {"a": b"x" * MB}),
        ("RUN /bin/sh -c rm /a # buildkit", {".wh.a": b""}),
    ]
    sample.make(store, "app", steps)
    status, out, _ = lamina("lint", "--image", "app", "--no-hadolint")
    assert status == 3
    assert "hidden-bytes: line 3 deletes what this step ships: /a, 1.0 MB" in out
    (here / "Dockerfile").write_text(text.replace("dd of=/a", "something else"))
    status, _, err = lamina("lint", "--image", "app", "--no-hadolint")
    assert status == 1 and err.startswith("lamina: app:latest was not made by Dockerfile:2: ")
    assert lamina("lint", "--image", "app", "a", "b")[0] == 2


def test_no_store_is_made_for_a_file(here: Path, tmp_path: Path) -> None:
    from lamina.cli.main import run

    (here / "Dockerfile").write_text("FROM debian\nENV A=$B\n")
    assert run(["--root", f"{tmp_path}/none", "lint", "--no-hadolint"]) == 3
    assert not (tmp_path / "none").exists()


def test_the_other_formats(here: Path, lamina: Lamina) -> None:
    (here / "Dockerfile").write_text("FROM debian\n")
    document = json.loads(lamina("lint", "--no-hadolint", "--format", "sarif")[1])
    assert document["runs"][0]["results"][0]["ruleId"] == "untagged-base"
    out = lamina("lint", "--no-hadolint", "--format", "github")[1]
    assert out.startswith("::warning file=Dockerfile,line=1,endLine=1,title=untagged-base::debian")
    (here / "Dockerfile").write_text(CLEAN)
    assert lamina("lint", "--no-hadolint", "--format", "github") == (0, "", "")


@pytest.mark.parametrize(
    ("text", "unneeded"),
    [
        ("FROM debian:12\n", {"tree_sitter", "lamina.context.directory"}),
        ("FROM debian:12\nRUN apt-get install -y a\n", {"lamina.context.directory"}),
        ("FROM debian:12\nCOPY a /\n", {"tree_sitter"}),
    ],
)
def test_what_a_file_does_not_need_is_not_imported(
    text: str, unneeded: set[str], here: Path, tmp_path: Path
) -> None:
    (here / "Dockerfile").write_text(text)
    code = (
        "import sys; from lamina.cli.main import run;"
        " status = run(sys.argv[1:]); print(*sys.modules); sys.exit(status)"
    )
    command = ["lint", "--no-hadolint", "--fail-on", "none"]
    ran = subprocess.run(
        [PYTHON, "-P", "-c", code, "--root", f"{tmp_path}/none", *command],
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(ran.stdout.splitlines()[-1].split())
    unwanted = {"subprocess", "yaml", "json", "rich", "urllib3", "hashlib", "lamina.engine"}
    unwanted |= {"lamina.registry", "lamina.explain.advice", "lamina.report.lint_sarif"}
    assert not modules & (unwanted | unneeded)
