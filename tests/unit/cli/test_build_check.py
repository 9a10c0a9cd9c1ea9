"""What `build --check` prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.cli.app import App
from lamina.cli.build_check import is_image_name, run_checks
from lamina.dockerfile.ignore import Ignore
from lamina.dockerfile.parse import parse
from lamina.oci.platform import Platform
from tests.golden.golden import check

Checks = Callable[..., tuple[int, str]]

MIXED = """\
ARG TAG
FROM debian:$TAG as build
ENV API_TOKEN="hush hush" \\
    DEBUG=1
ARG SOURCE=a
COPY secret.key \\

    $SUORCE /

FROM build
ENV password=hush SOURCE=a
EXPOSE 80/TCP
CMD serve --port 80
"""


@pytest.fixture
def checks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Checks:
    monkeypatch.delenv("NO_COLOR", raising=False)

    def run(
        text: str, *, color: str = "never", as_json: bool = False, **given: Any
    ) -> tuple[int, str]:
        status = run_checks(
            App(Path("/nowhere"), color),
            parse(text),
            build_args={"TAG": "12"},
            platform=Platform("amd64"),
            hidden=Ignore.parse("secret.*").hides,
            environment=lambda name: {},
            as_json=as_json,
            **given,
        )
        return status, capsys.readouterr().out

    return run


def test_findings_are_told_with_their_places(checks: Checks) -> None:
    status, out = checks(MIXED)
    assert status == 3
    check("cli/build-check.txt", out)


def test_the_documentation_shows_what_is_printed(checks: Checks) -> None:
    text = (Path(__file__).parents[3] / "docs/checks.md").read_text()
    shown = text.split("```\n")[1]
    assert checks("FROM debian\nCOPY a /\nCMD serve --port 80")[1].startswith(shown)


def test_a_secret_s_value_is_not_shown(checks: Checks) -> None:
    assert "hush" not in checks("FROM scratch\nENV API_TOKEN=hush password=hush")[1]
    assert "hush" not in checks("FROM scratch\nENV A='x \\\n hush' token=hush")[1]


def test_json_is_what_buildx_prints_and_the_places(checks: Checks) -> None:
    status, out = checks(MIXED, as_json=True)
    assert status == 3
    check("cli/build-check.json", out)
    document = json.loads(out)
    assert set(document) == {"warnings", "sources"}
    assert all(row["location"]["ranges"][0]["start"]["line"] for row in document["warnings"])


def test_a_clean_file(checks: Checks) -> None:
    assert checks("FROM scratch\nCOPY a /") == (0, "Dockerfile: all checks hold\n")
    assert json.loads(checks("FROM scratch", as_json=True)[1])["warnings"] == []


def test_one_finding_is_told_in_the_singular(checks: Checks) -> None:
    assert checks("FROM scratch\nCMD a")[1].endswith("Dockerfile: 1 check does not hold\n")


def test_colour_marks_the_rule(checks: Checks) -> None:
    assert (
        "\x1b[31mMaintainerDeprecated\x1b[0m"
        in checks("FROM scratch\nMAINTAINER a", color="always")[1]
    )


def test_what_a_file_wrote_is_escaped(checks: Checks) -> None:
    out = checks("FROM scratch\nCOPY $A\x1b[31m b /\nWORKDIR \x1b[31mx")[1]
    assert "\x1b" not in out


def test_the_platform_of_a_base_image(checks: Checks) -> None:
    status, out = checks("FROM debian", image_platform=lambda name: "linux/arm64")
    assert status == 3
    assert "InvalidBaseImagePlatform: debian is for linux/arm64" in out


@pytest.mark.parametrize(
    ("text", "valid"), [("debian:12", True), ("", False), ("debian:", False), ("A b", False)]
)
def test_image_names(text: str, valid: bool) -> None:
    assert is_image_name(text) == valid
