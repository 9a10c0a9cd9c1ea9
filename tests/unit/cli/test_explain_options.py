"""The options of `explain`: rules, instructions, directories, and what goes with what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lamina.cli.main import run
from lamina.cli.policy import NoPolicyFile, find_policy
from lamina.errors import Invalid
from lamina.store.contract import Store
from tests.golden.golden import check
from tests.unit.cli import sample

Lamina = Callable[..., tuple[int, str, str]]
LENIENT = "[explain]\nmax-hidden-percent = 50\n"
STRICT = "[explain]\nmax-hidden-bytes = 0\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def lamina(store: Store, here: Path, capsys: pytest.CaptureFixture[str]) -> Lamina:
    """Run the command line on `store`: (exit status, standard output, standard error)."""
    sample.seed(store)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["--root", str(store.root), *arguments])
        return status, *capsys.readouterr()

    return call


def test_without_a_file_the_default_rule_applies(lamina: Lamina) -> None:
    status, out, err = lamina("explain", "seed", "--ci")
    assert (status, err) == (3, "")
    check("cli/explain-ci.txt", out)


def test_our_file_of_the_current_directory_counts(lamina: Lamina, here: Path) -> None:
    (here / ".lamina.toml").write_text(LENIENT)
    (here / ".dive-ci").write_text("rules: {lowestEfficiency: 0.99}")
    status, out, _ = lamina("explain", "seed", "--ci")
    assert status == 0 and out.startswith("seed:latest   the rule of .lamina.toml: it holds\n")


def test_dives_file_counts_where_ours_has_no_rules(lamina: Lamina, here: Path) -> None:
    (here / ".lamina.toml").write_text("[build]\n")
    (here / ".dive-ci").write_text("rules: {lowestEfficiency: 0.1, highestUserWastedPercent: off}")
    status, out, _ = lamina("explain", "seed", "--ci")
    assert status == 0 and "the rule of .dive-ci: it holds" in out


def test_a_named_file_is_of_the_kind_that_its_name_says(lamina: Lamina, here: Path) -> None:
    (here / "strict.toml").write_text(STRICT)
    (here / "dive.yml").write_text("rules: {highestWastedBytes: 1 kB}")
    status, out, _ = lamina("explain", "seed", "--ci-config", "strict.toml")
    assert status == 3 and "the rule of strict.toml: it does not hold" in out
    status, out, _ = lamina("explain", "seed", "--ci-config", "dive.yml")
    assert status == 3 and "FAIL   highestWastedBytes" in out


def test_the_formats_of_rules(lamina: Lamina) -> None:
    status, out, _ = lamina("explain", "seed", "--ci", "--format", "json")
    document = json.loads(out)
    assert (status, document["holds"], document["rules_of"]) == (3, False, None)
    status, out, _ = lamina("explain", "seed", "--ci", "--format", "junit")
    assert (
        status == 3 and ElementTree.fromstring(out).find("testsuite/testcase/failure") is not None
    )
    status, out, _ = lamina("explain", "seed", "--ci", "--format", "sarif")
    results = json.loads(out)["runs"][0]["results"]
    assert status == 3
    assert [each["ruleId"] for each in results if each["level"] == "error"] == [
        "rule/max-hidden-percent"
    ]


def test_sarif_needs_no_rules(lamina: Lamina) -> None:
    status, out, _ = lamina("explain", "seed", "--format", "sarif")
    [run_] = json.loads(out)["runs"]
    assert status == 0
    assert [each["ruleId"] for each in run_["results"]] == ["hidden/deleted", "advice/docs"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--format", "junit"], 2, "--format junit is for rules: give --ci as well"),
        (["etc", "--format", "sarif"], 2, "--format sarif is of a whole image: leave PATH out"),
        (["etc", "--ci"], 2, "give either PATH or --ci"),
        (["--layer", "1", "--instruction", "x"], 2, "give either --layer or --instruction"),
        (["--instruction", "nope"], 1, "no instruction of seed:latest contains 'nope'"),
        (["--instruction", "cmd"], 1, "no layer of seed:latest is by 'cmd'"),
        (["--ci-config", "none.toml"], 1, "no file none.toml"),
        (["--ci-config", "bad.toml"], 1, "bad.toml: unknown key nope"),
        (["--ci-config", "other.toml"], 1, "other.toml has no table [explain]"),
        (["--ci-config", "latin.toml"], 1, "latin.toml is no UTF-8 text: byte 1 is wrong"),
    ],
)
def test_mistakes_are_told(
    lamina: Lamina, here: Path, arguments: list[str], status: int, message: str
) -> None:
    (here / "bad.toml").write_text("[explain]\nnope = 1\n")
    (here / "other.toml").write_text("")
    (here / "latin.toml").write_bytes(b"#\xe9")
    found, out, err = lamina("explain", "seed", *arguments)
    assert (found, out) == (status, "")
    assert err.startswith(f"lamina: {message}")


def test_an_instruction_finds_its_layers(lamina: Lamina) -> None:
    _, out, _ = lamina("explain", "seed", "--instruction", "50m.FILE")
    check("cli/explain-instruction.txt", out)
    _, out, _ = lamina("explain", "seed", "--instruction", "50m.FILE", "--format", "json")
    document = json.loads(out)
    assert [each["layer"] for each in document] == ["3", "4"]
    assert [each["path"] for each in document[1]["findings"]] == ["/home/50M.file"]


def test_a_directory_tells_who_gave_what(lamina: Lamina) -> None:
    _, out, _ = lamina("explain", "seed", "/home")
    check("cli/explain-directory.txt", out)
    document = json.loads(lamina("explain", "seed", "/", "--format", "json")[1])
    told = {each["name"]: (each["bytes"], each["layer"]) for each in document["entries"]}
    assert told == {
        "bin": (120_000, "1"),
        "etc": (26, "1"),
        "home": (0, "4"),
        "usr": (35_000, "1"),
    }
    document = json.loads(lamina("explain", "seed", "bin/sh", "--format", "json")[1])
    assert "entries" not in document


def test_a_directory_is_told_in_full_unless_a_limit_is_given(store: Store, lamina: Lamina) -> None:
    sample.make(store, "many", [("COPY", {f"d/{n}": b"x" for n in range(30)})])
    assert len(lamina("explain", "many", "d")[1].splitlines()) == 35
    _, out, _ = lamina("explain", "many", "d", "--limit", "3")
    assert out.splitlines()[-1] == "   and 27 more   (--limit 30 shows all)"


def test_an_image_that_writes_on_the_terminal_is_escaped(store: Store, lamina: Lamina) -> None:
    sample.hostile(store)
    for arguments in (
        [],
        ["--ci"],
        ["--layer", "1"],
        ["--instruction", "evil"],
        ["/etc"],
        ["--ci", "--format", "junit"],
        ["--format", "sarif"],
        ["--format", "json"],
    ):
        _, out, _ = lamina("explain", "hostile", *arguments)
        assert out and not {"\x1b", "\u202e", "\x9b"} & set(out), arguments


def test_a_container_is_held_to_rules_as_well(store: Store, lamina: Lamina) -> None:
    sample.container(store, sample.seed(store))
    assert lamina("explain", "web", "--ci")[0] == 3


def test_a_file_that_is_too_large(here: Path) -> None:
    (here / "large.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(Invalid, match="too large"):
        find_policy(here / "large.toml", here)
    with pytest.raises(NoPolicyFile):
        find_policy(here / "none", here)
