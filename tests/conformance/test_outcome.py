"""The comparison itself: every way to differ is seen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.case import Case, Node, case, file, folder
from tests.conformance.outcome import Made, Outcome, differences
from tests.conformance.table import Results, table, unexplained

BASE = Made(
    {"etc": folder("etc"), "etc/old": file("etc/old", "o")},
    {"Cmd": ["sh"], "Labels": {"base": "1"}},
    ("base",),
)
CASE = case(
    "a file",
    "FROM busybox\n",
    tree=(file("f", "text"),),
    gone=("etc/old",),
    config={"Labels": {"a": "b"}},
    history=("COPY",),
)


def made(*nodes: Node, history: tuple[str, ...] = ("base", "COPY"), **config: Any) -> Outcome:
    """A build that made this tree."""
    fields = {"Cmd": ["sh"], "Labels": {"base": "1", "a": "b"}, **config}
    return Outcome(0, "", Made({node.path: node for node in nodes}, fields, history))


def test_what_must_come_out_has_no_differences() -> None:
    assert differences(CASE, made(folder("etc"), file("f", "text")), BASE) == []


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (made(folder("etc")), "/f is missing"),
        (
            made(folder("etc"), file("f", "text"), folder("g")),
            "/g is there: folder 0755 0:0",
        ),
        (
            made(folder("etc"), file("f", "text"), file("etc/old", "o")),
            "/etc/old is there: file 0644 0:0 'o'",
        ),
        (
            made(folder("etc", 0o700), file("f", "text")),
            "/etc is folder 0700 0:0, not folder 0755 0:0",
        ),
        (
            made(folder("etc"), file("f", "texts", owner=(1, 2))),
            "/f is file 0644 1:2 'texts', not file 0644 0:0 'text'",
        ),
        (
            made(folder("etc"), file("f", "text"), Cmd=["bash"]),
            "Cmd is ['bash'], not ['sh']",
        ),
        (
            made(folder("etc"), file("f", "text"), Labels={"a": "b"}),
            "Labels is {'a': 'b'}, not {'base': '1', 'a': 'b'}",
        ),
        (
            made(folder("etc"), file("f", "text"), history=("base", "ADD")),
            "history is ['ADD'], not ['COPY']",
        ),
        (Outcome(1, "so\nwhy not\n\n", None), "the build failed: why not"),
    ],
)
def test_each_difference_is_told(outcome: Outcome, told: str) -> None:
    assert differences(CASE, outcome, BASE) == [told]


def test_a_history_of_another_form_is_not_looked_at() -> None:
    outcome = made(folder("etc"), file("f", "text"), history=("base", "ADD"))
    assert differences(CASE, outcome, BASE, history=False) == []


def test_a_build_that_must_fail_and_does_not() -> None:
    failing: Case = case("fails", "FROM busybox\n", error=(1, "words"))
    assert differences(failing, made(), BASE) == ["the build should fail, and did not"]
    assert differences(failing, Outcome(1, "", None), BASE) == []


def test_the_table_counts_and_asks_for_reasons() -> None:
    results: Results = {"g:a": {"lamina": [], "docker": ["/f is missing"]}, "g:b": {"lamina": []}}
    groups = {"g": ("g:a", "g:b")}
    page = table(results, groups, "this and that")
    assert "| g | 2 | 2 | 0 | 0 | 0 |" in page
    assert "| **all** | **2** | **2** | **0** | **0** | **0** |" in page
    assert "| not explained | `g:a` |" in page
    assert unexplained(results, groups) == ["docker g:a: /f is missing"]
