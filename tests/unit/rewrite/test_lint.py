"""One list out of three sources: what is told once, what is silenced, in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile.check_rules import RULES as CHECKS
from lamina.dockerfile.check_walk import Surroundings
from lamina.dockerfile.checks import findings
from lamina.dockerfile.parse import parse
from lamina.dockerfile.source import DockerfileError
from lamina.rewrite.document import Document
from lamina.rewrite.finding import Amount
from lamina.rewrite.hadolint import Answer, Said
from lamina.rewrite.lint import problems, silenced_by
from lamina.rewrite.lint_rule import View
from lamina.rewrite.lint_rules import LINT_RULES, own_problems
from lamina.rewrite.problem import SAME, WIDER, Problem, gravest, is_as_grave
from lamina.rewrite.rules import RULES

AROUND = Surroundings(
    platform="linux/amd64", build_platform="linux/amd64", is_image_name=lambda name: bool(name)
)


def linted(text: str, *said: Said, ignored: tuple[str, ...] = ()) -> tuple[Problem, ...]:
    document = Document.read(text)
    dockerfile = document.dockerfile
    own, _ = own_problems(View(document))
    checks = findings(dockerfile, AROUND)
    answer = Answer(said) if said else None
    return problems(dockerfile, own=own, checks=checks, hadolint=answer, ignored=ignored)


def names(found: tuple[Problem, ...]) -> list[tuple[str, ...]]:
    return [each.names for each in found]


def test_three_say_the_same_and_it_is_told_once() -> None:
    (problem,) = linted(
        "FROM scratch\nMAINTAINER me\n", Said("DL4000", "error", 2, "MAINTAINER is deprecated")
    )
    assert problem.names == ("maintainer-label", "MaintainerDeprecated", "DL4000")
    assert problem.severity == "error", "the gravest of the three"
    assert problem.origin == "lamina"


def test_of_two_sources_the_one_that_knows_bytes_gives_them() -> None:
    dockerfile = parse("FROM debian\n")
    said = Answer((Said("DL3006", "warning", 1, "Always tag"),))
    span = dockerfile.instructions[0].span
    amount = Amount(5, "measured")
    own = Problem("untagged-base", "lamina", "info", "no tag", span, 1, 1, amount=amount)
    (problem,) = problems(dockerfile, own=[own], checks=(), hadolint=said)
    assert (problem.amount, problem.also, problem.severity) == (amount, ("DL3006",), "warning")


def test_two_of_one_source_are_both_told() -> None:
    said = (
        Said("SC2086", "info", 2, "Double quote $A"),
        Said("SC2086", "info", 2, "Double quote $B"),
        Said("SC2086", "info", 2, "Double quote $B"),
    )
    found = linted("FROM scratch\nRUN rm $A $B\n", *said)
    assert [each.message for each in found] == ["Double quote $A", "Double quote $B"]


def test_the_same_of_another_instruction_is_another_problem() -> None:
    found = linted(
        "FROM scratch\nCMD a\nHEALTHCHECK CMD b\n", Said("DL3025", "warning", 3, "Use JSON")
    )
    assert names(found) == [("JSONArgsRecommended",), ("DL3025",)]


@pytest.mark.parametrize(
    ("keyword", "code"),
    [("CMD", "DL4003"), ("ENTRYPOINT", "DL4004"), ("HEALTHCHECK CMD", "DL3012")],
)
def test_of_two_commands_one_is_told_though_sources_point_at_different_ones(
    keyword: str, code: str
) -> None:
    line = f'{keyword} ["a"]'
    said = [Said(code, "warning", number, "Multiple") for number in (3, 5)]
    text = f"FROM scratch\n{line}\n{line}\nUSER a\n{line}\nFROM scratch\n{line}\n"
    found = linted(text, *said)
    assert [(each.names, each.first_line) for each in found] == [
        (("MultipleInstructionsDisallowed", code), 2),
        (("MultipleInstructionsDisallowed", code), 3),
    ]


def test_order_is_that_of_the_file_and_then_of_gravity() -> None:
    found = linted(
        "FROM debian\nRUN a\nRUN b\n",
        Said("DL3059", "info", 3, "Multiple RUN"),
        Said("DL3001", "style", 2, "style"),
        Said("SC1000", "error", 2, "error"),
        Said("DL3006", "warning", 1, "tag"),
    )
    assert [each.rule for each in found] == ["untagged-base", "SC1000", "DL3001", "DL3059"]


def test_what_hadolint_cannot_read_is_no_error_of_the_file() -> None:
    found = linted("FROM debian:12\nRUN <<A\nx\nA\n", Said("DL1000", "error", 3, "unexpected\nx"))
    assert [(each.rule, each.severity, each.span.line) for each in found] == [
        ("DL1000", "warning", 3)
    ]
    assert found[0].message.endswith("so its rules were not asked: unexpected x")


@pytest.mark.parametrize(
    "comment",
    [
        "# lamina ignore=untagged-base",
        "# lamina ignore=DL3006",
        "# lamina ignore = DL9999 , DL3006 because it is a test",
        "# hadolint ignore=DL3006",
        "#hadolint ignore=DL3006,SC2046",
    ],
)
def test_a_comment_silences_a_rule_and_what_says_the_same(comment: str) -> None:
    text = f"FROM debian\nFROM debian\n{comment}\nFROM debian\n"
    found = linted(text, *(Said("DL3006", "warning", number, "Always tag") for number in (1, 2)))
    assert [each.first_line for each in found] == [1, 2]


def test_a_comment_silences_checks_by_either_name() -> None:
    for comment in ("check=skip=JSONArgsRecommended", "lamina ignore=JSONArgsRecommended"):
        text = f"FROM scratch\n# {comment}\nCMD a\n"
        assert linted(text, Said("DL3025", "warning", 3, "Use JSON")) == ()


@pytest.mark.parametrize(
    "head",
    [
        "# lamina global ignore=untagged-base\n",
        "# hadolint global ignore=DL3006\n",
        "# check=skip=MaintainerDeprecated\n# lamina global ignore=DL3006\n",
        "# syntax=docker/dockerfile:1\n# lamina global ignore=a,untagged-base\n\n",
    ],
)
def test_a_comment_silences_a_rule_in_all_of_the_file(head: str) -> None:
    assert linted(f"{head}FROM debian\nFROM debian\n") == ()


def test_options_silence_a_rule_and_what_says_the_same() -> None:
    text = "FROM debian\nMAINTAINER me\n"
    assert names(linted(text, ignored=("DL3006",))) == [
        ("maintainer-label", "MaintainerDeprecated")
    ]
    assert names(linted(text, ignored=("maintainer-label",))) == [("untagged-base",)]


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("lamina ignore=a", ["a"]),
        ("lamina ignore=a,b-c, DL1", ["a", "b-c", "DL1"]),
        ("lamina ignore a", []),
        ("we lamina ignore=a", []),
        ("check=skip=A,B;error=true", ["A", "B"]),
        ("check=error=true", []),
        ("a remark", []),
    ],
)
def test_what_comments_silence(comment: str, expected: list[str]) -> None:
    assert list(silenced_by(comment)) == expected


def test_the_table_names_rules_that_there_are() -> None:
    ours = {rule.name for rule in LINT_RULES} | {rule.name for rule in RULES}
    for name in {name for group in (*SAME.values(), *WIDER.values()) for name in group}:
        assert name in ours or name in CHECKS or name.startswith("DL"), name


def test_gravity() -> None:
    assert gravest("info", "error", "style") == "error"
    assert is_as_grave("warning", "info")
    assert is_as_grave("info", "info")
    assert not is_as_grave("style", "info")
    assert not is_as_grave("error", "none")


LINES = st.sampled_from(
    [
        *("FROM debian", "FROM scratch AS a", "from a AS B", "ARG A=1", "ENV A=$A PASSWORD=x"),
        *("RUN apt-get install -y gcc make", "RUN rm -rf /tmp/* $A", "RUN [\"a\", \"b\"]", "RUN"),
        *("RUN <<EOF\na\nEOF", "COPY a b /tmp/", "COPY . .", "ADD https://x/y.tar /tmp", "CMD a"),
        *("COPY --from=a /x /y", "COPY ../*.[ /z", "COPY [ /z", "ONBUILD RUN rm a", "WORKDIR a"),
        *("# lamina ignore=hidden-bytes", "# check=skip=all", "MAINTAINER \x1b", "", "USER $(id)"),
        *("RUN a \\", "SHELL [\"pwsh\"]", "RUN if true; then rm /tmp/a; fi", "HEALTHCHECK NONE"),
    ]
)  # fmt: skip


@given(st.lists(LINES, max_size=12), st.lists(st.integers(-2, 40), max_size=4))
def test_whatever_parses_can_be_linted(lines: list[str], numbers: list[int]) -> None:
    text = "\n".join(lines)
    try:
        Document.read(text)
    except DockerfileError:
        return
    said = [Said("DL9999", "odd", number, f"said {number}") for number in dict.fromkeys(numbers)]
    found = linted(text, *said)
    assert [each.first_line for each in found] == sorted(each.first_line for each in found)
    assert sum(each.rule == "DL9999" for each in found) == len(said)
