"""Problems of Dockerfiles, told: text, JSON, SARIF, annotations of a workflow."""

from __future__ import annotations

import json
from typing import Any

from lamina.dockerfile.check_walk import Surroundings
from lamina.dockerfile.checks import findings
from lamina.dockerfile.source import Source
from lamina.report.lint import Linted, as_annotations, as_json, as_text, counted
from lamina.report.lint_sarif import as_sarif
from lamina.report.paper import Paper
from lamina.rewrite.document import Document
from lamina.rewrite.finding import Amount
from lamina.rewrite.hadolint import Answer, Said
from lamina.rewrite.lint import problems
from lamina.rewrite.problem import Problem
from tests.golden.golden import check as golden

TEXT = """\
FROM debian
ENV PASSWORD=hunter2
RUN apt-get update && \\
    apt-get install curl
CMD serve
"""
AROUND = Surroundings(
    platform="linux/amd64", build_platform="linux/amd64", is_image_name=lambda name: bool(name)
)


def linted(text: str = TEXT, *said: Said, name: str = "Dockerfile") -> Linted:
    dockerfile = Document.read(text, name=name).dockerfile
    said = said or (
        Said("DL3006", "warning", 1, "Always tag the version of an image explicitly"),
        Said("DL3044", "error", 2, "Do not refer to an environment variable"),
        Said("DL3014", "warning", 3, "Use the `-y` switch"),
        Said("DL3015", "info", 3, "Avoid additional packages"),
        Said("DL3025", "warning", 5, "Use JSON"),
    )
    line = dockerfile.instructions[2] if len(dockerfile.instructions) > 2 else None
    own = []
    if line is not None:
        for rule, amount in (("left-logs", Amount(1_500_000, "measured")),
                             ("guessed", Amount(18_000_000, "estimated"))):  # fmt: skip
            own.append(
                Problem(rule, "lamina", "info", "it leaves logs", line.span, 3, 4, "drop them",
                        amount=amount)
            )  # fmt: skip
    checks = findings(dockerfile, AROUND)
    return Linted(
        dockerfile.source, problems(dockerfile, own=own, checks=checks, hadolint=Answer(said))
    )


def test_text() -> None:
    golden("cli/lint.txt", as_text(linted(), Paper(width=80)))


def test_a_place_is_shown_once_and_every_problem_has_its_line() -> None:
    told = as_text(linted(), Paper())
    assert told.count("    3 │ RUN apt-get update") == 1
    assert told.count("\nDockerfile:3: ") == 4
    assert "left-logs: it leaves logs, 1.5 MB\n" in told
    assert "guessed: it leaves logs, about 18.0 MB\n" in told


def test_a_secret_is_not_shown_whoever_points_at_its_line() -> None:
    file = linted()
    assert {each.rule for each in file.problems if each.first_line == 2} == {
        "DL3044",
        "SecretsUsedInArgOrEnv",
    }
    for told in (
        as_text(file, Paper()),
        json.dumps(as_json([file], hadolint=True)),
        json.dumps(as_sarif([file], version="1")),
        as_annotations([file]),
    ):
        assert "hunter2" not in told and "DL3044" in told


def test_without_problems() -> None:
    file = Linted(Source("a/Dockerfile", ("FROM scratch",)), ())
    assert as_text(file, Paper()) == "a/Dockerfile: no problems\n"


def test_ascii_and_colour() -> None:
    plain = as_text(linted(), Paper(unicode=False))
    assert plain.isascii() and "    3 | RUN" in plain
    told = as_text(linted(), Paper(colored=True))
    assert "\x1b[31merror\x1b[0m" in told and "\x1b[33mwarning\x1b[0m" in told


def test_what_a_file_holds_moves_no_cursor() -> None:
    text = "FROM debian\x1b[2J\nRUN \x1b[31mx\n"
    file = linted(text, Said("SC1", "info", 2, "odd \x1b[31m"), name="a\x1b[2J")
    for told in (as_text(file, Paper()), as_annotations([file])):
        assert "\x1b" not in told


def test_counts() -> None:
    assert counted(linted().problems) == "8 problems: 1 error, 4 warnings, 3 info"
    assert counted(linted().problems[:1]) == "1 problem: 1 warning"


def test_json() -> None:
    document = as_json([linted(), Linted(Source("b", ()), (), error="b: gone")], hadolint=True)
    assert document["hadolint"] is True
    first, second = document["files"]
    assert second == {"file": "b", "problems": [], "error": "b: gone"}
    row = next(each for each in first["problems"] if each["rule"] == "JSONArgsRecommended")
    assert row == {
        "rule": "JSONArgsRecommended",
        "also": ["DL3025"],
        "origin": "build checks",
        "severity": "warning",
        "line": 5,
        "endLine": 5,
        "place": {"line": 5, "column": 5, "width": 5},
        "message": "CMD runs through a shell",
        "advice": 'write ["program", "argument"]: signals then reach the program, not a shell',
        "url": "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/",
        "bytes": 0,
        "basis": "unknown",
    }


def sarif(*files: Linted) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(as_sarif(files, version="1.2.3")))
    return loaded


def assert_is_sarif(document: dict[str, Any]) -> None:
    """What the schema of SARIF 2.1.0 and GitHub's code scanning ask of the objects used."""
    assert set(document) == {"$schema", "version", "runs"} and document["version"] == "2.1.0"
    [run] = document["runs"]
    assert set(run) == {"tool", "invocations", "columnKind", "results"}
    rules = run["tool"]["driver"]["rules"]
    ids = [rule["id"] for rule in rules]
    assert len(set(ids)) == len(ids)
    for rule in rules:
        for key in ("shortDescription", "fullDescription", "help"):
            assert rule[key]["text"]
        assert rule["helpUri"].startswith("https://")
        assert rule["defaultConfiguration"]["level"] in {"note", "warning", "error"}
        assert all(isinstance(tag, str) for tag in rule["properties"]["tags"])
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in {"note", "warning", "error"}
        assert result["message"]["text"]
        assert set(result["partialFingerprints"]) == {"primaryLocationLineHash"}
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"].isascii()
        region = place["region"]
        assert all(isinstance(value, int) and value > 0 for value in region.values())
        assert region["endLine"] >= region["startLine"]
        assert region["endColumn"] > region["startColumn"]
    prints = [each["partialFingerprints"]["primaryLocationLineHash"] for each in run["results"]]
    assert len(set(prints)) == len(prints)


def test_sarif() -> None:
    document = sarif(linted(name="./a b/Dockerfile"), linted("FROM scratch\nMAINTAINER me\n"))
    assert_is_sarif(document)
    results = document["runs"][0]["results"]
    artifact = results[0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": "a%20b/Dockerfile"}
    left = next(each for each in results if each["ruleId"] == "left-logs")
    assert left["properties"]["bytes"] == 1_500_000
    assert left["message"]["text"] == "it leaves logs, 1.5 MB. Drop them."


def test_sarif_of_a_file_that_cannot_be_read() -> None:
    document = sarif(Linted(Source("b", ()), (), error="b: gone"))
    assert_is_sarif(document)
    (invocation,) = document["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "b: gone"


def test_a_fingerprint_stays_when_lines_come_above_it() -> None:
    def prints(text: str) -> set[str]:
        results = sarif(linted(text, Said("DL9", "info", 99, "x")))["runs"][0]["results"]
        return {
            each["partialFingerprints"]["primaryLocationLineHash"]
            for each in results
            if each["ruleId"] == "JSONArgsRecommended"
        }

    assert prints(TEXT) == prints(TEXT.replace("ENV", "LABEL a=b\nENV"))
    assert prints(TEXT) != prints(TEXT.replace("CMD serve", "CMD other"))


def test_annotations() -> None:
    file = linted(TEXT, Said("SC2", "style", 3, "50% of\nthis"), name="a,b:c")
    told = as_annotations([file]).splitlines()
    assert "::notice file=a%2Cb%3Ac,line=3,endLine=4,title=SC2::50%25 of\\nthis." in told
    assert any(line.startswith("::warning file=a%2Cb%3Ac,line=5,endLine=5,") for line in told)
