"""How a minified image is told."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from lamina.report import minify as report
from lamina.report.minify import Group, LaterTold, ProbeTold, Telling
from lamina.report.paper import Paper
from tests.golden.golden import check

DONE = Telling(
    image="app:1",
    new="app:min",
    image_id="sha256:" + "ab" * 32,
    before=234_500_000,
    after=74_700_000,
    way="fanotify",
    used=76,
    probes=[
        ProbeTold("--cmd python3 -m app --version", "exit status 0", 0.08, "same"),
        ProbeTold("--http GET:8080/", "HTTP status 200", 0.31, "same"),
        ProbeTold("--test ./smoke.sh", "exit status 0", 1.2, "varies"),
    ],
    kept=[
        Group("used by a probe", 76, 17_400_000),
        Group("libraries of a language in use", 1269, 24_800_000),
        Group("links, devices and empty files", 1, 0),
    ],
    removed=[Group(f"package-{n}", n + 1, (20 - n) * 1_000_000) for n in range(15)],
    removed_paths=["usr/bin/perl", "usr/share/\x1bhostile"],
    later=[
        LaterTold("app/main.py", "loads modules by names made at run time (line 3); gone: pip", ""),
        LaterTold("app/run.sh", "names the program /usr/bin/curl, which goes", "/usr/bin/curl"),
    ],
    missing=(),
)
FAILED = replace(
    DONE,
    new="",
    image_id="",
    probes=[
        DONE.probes[0],
        ProbeTold(
            "--http GET:8080/",
            "HTTP status 200",
            0.31,
            "differs",
            ["status 500, was 200", "body:", "  -hello", "  +\x1b[31merror"],
        ),
    ],
    missing=["usr/share/app/template", "usr/share/app/théme"],
)


@pytest.mark.parametrize("width", [80, 120])
def test_what_was_made_is_told(width: int) -> None:
    check(f"cli/slim/minify-{width}.txt", report.as_text(DONE, Paper(width)))


def test_what_would_be_made_is_told() -> None:
    probes = [replace(each, verdict="") for each in DONE.probes]
    dry = replace(DONE, new="", image_id="", probes=probes, later=())
    check("cli/slim/minify-dry.txt", report.as_text(dry, Paper(100, unicode=False)))


def test_a_difference_is_told_with_what_to_keep() -> None:
    check("cli/slim/minify-differs.txt", report.as_text(FAILED, Paper(100)))
    check("cli/slim/minify-differs-colour.txt", report.as_text(FAILED, Paper(100, colored=True)))


def test_a_difference_without_a_cause_is_told() -> None:
    check("cli/slim/minify-unexplained.txt", report.as_text(replace(FAILED, missing=()), Paper(80)))


def test_what_was_removed_can_be_had_back() -> None:
    told = report.as_text(replace(DONE, removed_kept=True), Paper(100))
    assert "lamina run --with-removed app:min" in told


def test_nothing_hostile_reaches_a_terminal() -> None:
    assert "\x1b" not in report.as_text(FAILED, Paper(100))


def test_json_has_everything() -> None:
    document = json.loads(json.dumps(report.as_json(FAILED)))
    assert document["removed_paths"][0] == "/usr/bin/perl"
    assert document["missing"] == ["/usr/share/app/template", "/usr/share/app/théme"]
    assert document["probes"][1]["verdict"] == "differs"
    assert len(document["removed"]) == 15
    assert document["new"] is None
    assert document["later"][0] == {
        "path": "/app/main.py",
        "wants": "loads modules by names made at run time (line 3); gone: pip",
        "keep": None,
    }
