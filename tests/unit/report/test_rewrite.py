"""How a rewritten Dockerfile is told."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lamina.explain.settings import SettingChange
from lamina.report import rewrite as report
from lamina.report.paper import Paper
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.explained import SEEN, Outcome, outcome
from lamina.rewrite.rewrite import patch, rewrite
from lamina.text import to_json
from tests.fakes.stacks import stack_of_files
from tests.golden.golden import check

TEXT = """\
FROM debian:bookworm
MAINTAINER me \x1b[31m
RUN dd if=/dev/zero of=/a bs=1M count=50
RUN rm /a
RUN dd if=/dev/zero of=/b bs=1M count=5 # why
RUN rm /b
"""


def telling() -> report.Telling:
    done = rewrite(TEXT, Evidence())
    return report.Telling("Dockerfile", done, patch(done, "Dockerfile"))


def built(*, explained: bool = True) -> report.Telling:
    old = stack_of_files([{"var": None, "var/log": None, "var/log/x.log": b"old", "opt/r": b"one"}])
    new = stack_of_files(
        [{"var": None, "var/log": None, "var/log/x.log": b"new", "opt/r": b"two", "srv/a": b"new"}]
    )
    found = outcome(old, new, [], lambda: old)
    if explained:
        paths = [each if each.is_explained else replace(each, cause=SEEN) for each in found.paths]
        found = Outcome(paths, [])
    else:
        found = replace(found, settings=[(SettingChange("env", "A", "b", None), "")])
    return replace(
        telling(),
        written=explained,
        old=report.Built("sha256:a", 215_900_000, 52_428_800, 4, 12.34),
        new=report.Built("sha256:b", 163_500_000, 0, 3, 8.0),
        outcome=found,
    )


@pytest.mark.parametrize(
    ("name", "told", "paper"),
    [
        ("edits", telling(), Paper(120)),
        ("narrow", telling(), Paper(80, unicode=False)),
        ("built", built(), Paper(120)),
        ("unexplained", built(explained=False), Paper(80)),
        ("colour", built(explained=False), Paper(120, colored=True)),
    ],
)
def test_as_text(name: str, told: report.Telling, paper: Paper) -> None:
    check(f"cli/rewrite-{name}.txt", report.as_text(told, paper))


def test_nothing_to_say() -> None:
    done = rewrite("FROM a\n", Evidence())
    told = report.Telling("Dockerfile", done, "")
    assert report.as_text(told, Paper()) == "Dockerfile: no rule finds anything\n"


def test_no_line_is_wider_than_the_paper() -> None:
    for width in (80, 120):
        rows = report.as_text(built(explained=False), Paper(width)).split("\n")
        assert max(map(len, rows)) <= width


def test_a_patch_on_a_terminal_is_safe_to_look_at() -> None:
    shown = report.patch_as_text(telling(), Paper(colored=True))
    assert "\x1b[31m-MAINTAINER me \\e[31m\x1b[0m\n" in shown
    assert "\x1b[1m--- Dockerfile\x1b[0m\n" in shown
    plain = report.patch_as_text(telling(), Paper())
    assert plain == telling().patch.replace("\x1b", "\\e")


def test_as_json() -> None:
    check("cli/rewrite.json", to_json(report.as_json(built(explained=False)), indent=2) + "\n")


def test_unexplained_comes_first() -> None:
    told = report.as_text(built(explained=False), Paper())
    assert told.index("unexplained") < told.index("differs from build to build")
