"""The checks: what each finds and where, what it lets pass, and which of them run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile.check_rules import RULES, BadCheckOption, Finding, Options
from lamina.dockerfile.check_walk import Surroundings
from lamina.dockerfile.checks import findings, options
from lamina.dockerfile.ignore import Ignore
from lamina.dockerfile.instruction import KEYWORDS
from lamina.dockerfile.parse import parse
from lamina.dockerfile.source import DockerfileError

BASES = {"debian": {"LANG": "C"}, "debian:12": {}}
IGNORE = Ignore.parse("secret.*\ndocs\n!docs/index.md\nnode_modules\n")


def check(text: str, **build_args: str) -> tuple[Finding, ...]:
    around = Surroundings(
        platform="linux/amd64",
        build_platform="linux/amd64",
        is_image_name=lambda name: bool(name) and not name.endswith((":", "/")),
        build_args=build_args,
        environment=BASES.get,
        image_platform={"foreign": "linux/arm64/v8", "debian": "linux/amd64"}.get,
        hidden=IGNORE.hides,
    )
    return findings(parse(text), around)


def names(text: str, **build_args: str) -> list[str]:
    return [each.rule.name for each in check(text, **build_args)]


def places(text: str, **build_args: str) -> list[tuple[str, int, int, int]]:
    """Rule, BuildKit's line, and the very place."""
    return [
        (each.rule.name, each.first_line, each.span.line, each.span.column)
        for each in check(text, **build_args)
    ]


def test_there_are_twenty_two() -> None:
    assert len(RULES) == 22
    assert [rule.name for rule in RULES.values() if rule.experimental] == [
        "InvalidDefinitionDescription"
    ]
    assert RULES["JSONArgsRecommended"].url.endswith("/rule/json-args-recommended/")
    assert RULES["FromAsCasing"].url.endswith("/rule/from-as-casing/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM scratch AS Bad", [("StageNameCasing", 1, 1, 17)]),
        ("FROM scratch as a", [("FromAsCasing", 1, 1, 14)]),
        ("from scratch AS a", [("FromAsCasing", 1, 1, 14)]),
        ("FROM scratch AS a\nFROM scratch AS a", [("DuplicateStageName", 2, 2, 17)]),
        ("FROM debian AS scratch", [("ReservedStageName", 1, 1, 16)]),
        ("FROM scratch\nRUN a \\\n\n\n b", [("NoEmptyContinuation", 5, 3, 1)]),
        ("From scratch as base\nFROM scratch", [("ConsistentInstructionCasing", 1, 1, 1)]),
        ("from a\nCOPY a /\ncopy b /", [("ConsistentInstructionCasing", 2, 2, 1)]),
        ("FROM scratch\nENTRYPOINT a b", [("JSONArgsRecommended", 2, 2, 12)]),
        ("FROM scratch\nMAINTAINER me", [("MaintainerDeprecated", 2, 2, 1)]),
        ("FROM --platform=$BULIDPLATFORM a", [("UndefinedArgInFrom", 1, 1, 17)]),
        ("ARG A=1\nFROM b:$A$C", [("UndefinedArgInFrom", 2, 2, 10)]),
        ("FROM scratch\nWORKDIR app/", [("WorkdirRelativePath", 2, 2, 9)]),
        ("FROM debian\nENV PATH=$PAHT:/x", [("UndefinedVar", 2, 2, 10)]),
        ("FROM debian\nLABEL a=b \\\n  c=$D", [("UndefinedVar", 2, 3, 5)]),
        ("FROM debian\nCOPY <<E /x\n$A ${A}\nE", [("UndefinedVar", 2, 3, 1)]),
        ("FROM debian\nRUN --mount=type=cache,target=$A b", [("UndefinedVar", 2, 2, 31)]),
        ("FROM debian\nARG B=${A:-c}", [("UndefinedVar", 2, 2, 7)]),
        ("FROM debian\nCOPY --chown=$A b /", [("UndefinedVar", 2, 2, 14)]),
        (
            "FROM debian\nUSER $A\nVOLUME /$B",
            [("UndefinedVar", 2, 2, 6), ("UndefinedVar", 3, 3, 9)],
        ),
        (
            "FROM scratch\nHEALTHCHECK CMD a\nRUN b\nHEALTHCHECK NONE",
            [("MultipleInstructionsDisallowed", 2, 2, 1)],
        ),
        ("FROM scratch\nLABEL a b c", [("LegacyKeyValueFormat", 2, 2, 7)]),
        ("FROM foreign", [("InvalidBaseImagePlatform", 1, 1, 6)]),
        ("FROM --platform=${TARGETPLATFORM} a", [("RedundantTargetPlatform", 1, 1, 6)]),
        (
            "FROM scratch\nENV a=1 \\\n  password=x Secret=y",
            [("SecretsUsedInArgOrEnv", 2, 3, 3), ("SecretsUsedInArgOrEnv", 2, 3, 14)],
        ),
        ("FROM scratch\nARG a=$TOKEN_FILE auth", [("SecretsUsedInArgOrEnv", 2, 2, 19)]),
        ("ARG SFX='box:'\nFROM busy${SFX}", [("InvalidDefaultArgInFrom", 2, 2, 6)]),
        ("FROM --platform=arm64 a AS x86", [("FromPlatformFlagConstDisallowed", 1, 1, 6)]),
        ("FROM scratch\nADD ./secret.key b /", [("CopyIgnoredFile", 2, 2, 5)]),
        ("FROM scratch\nCOPY a /node_modules/x /", [("CopyIgnoredFile", 2, 2, 8)]),
        ("FROM scratch\nEXPOSE 80/TcP", [("ExposeProtoCasing", 2, 2, 8)]),
        ("FROM scratch\nEXPOSE 80 [::1]:1:2", [("ExposeInvalidFormat", 2, 2, 11)]),
    ],
)
def test_what_is_found(text: str, expected: list[tuple[str, int, int, int]]) -> None:
    skip = {"SecretsUsedInArgOrEnv", "UndefinedVar"} - {row[0] for row in expected}
    assert [row for row in places(text) if row[0] not in skip] == expected


@pytest.mark.parametrize(
    "text",
    [
        "FROM scratch AS a\nFROM scratch AS b",
        "FROM scratch\nRUN a \\\n # c\n b",
        "FROM scratch\nRUN <<E\na\n\nb\nE",
        'FROM scratch AS a\nSHELL ["x"]\nFROM a\nCMD b',
        "FROM scratch\nHEALTHCHECK CMD a",
        "ARG base=scratch\nFROM $base",
        "FROM --platform=$BUILDPLATFORM scratch",
        "ARG DEBUG\nFROM scratch${DEBUG}",
        'ARG DEBUG=""\nFROM scratch${DEBUG-@bogus}',
        "FROM scratch AS a\nWORKDIR /app\nFROM a\nWORKDIR sub",
        "FROM debian\nARG D\nWORKDIR ${D:-/x}",
        "FROM scratch\nARG foo\nCOPY a${foo} /",
        "FROM debian AS base\nARG foo=b\nFROM base\nCOPY $foo /",
        "FROM debian\nENV A=$LANG:$PATH",
        "FROM unknown\nENV A=$ANYTHING",
        "FROM unknown AS a\nFROM a\nENV A=$ANYTHING",
        'FROM debian\nRUN echo $A\nCMD ["$A"]',
        "FROM debian\nRUN --mount=from=$A,target=/x b",
        "FROM debian\nCOPY <<'E' /x\n$A\nE",
        "FROM debian\nENV A='$B' C=\\$D",
        'FROM scratch AS a\nCMD ["x"]\nFROM a\nCMD ["y"]',
        "FROM scratch\nENV PUBLIC_KEY=a TOKEN_FILE=b KEY_VERSION=c monkey=d keys=e",
        "ARG TOKEN\nFROM scratch",
        "FROM --platform=linux/amd64 a AS my_amd64",
        "FROM --platform=linux/x86_64 a AS amd64",
        "FROM debian\nFROM debian AS foreign\nFROM foreign",
        "FROM scratch\nCOPY docs /",
        "FROM scratch\nCOPY --from=x secret.key /",
        "FROM scratch\nADD https://x/secret.key /",
        "FROM scratch\nCOPY . /",
        "FROM scratch\nCOPY <<secret.key /x\nsecret.key",
        "FROM scratch\nEXPOSE 80/tcp 90-91 $NO",
        "FROM scratch\nEXPOSE what",
        "FROM scratch\nENV a=${b",
    ],
)
def test_what_passes(text: str) -> None:
    assert names(text) == []


def test_messages_guess_the_name_that_was_meant() -> None:
    (found,) = check("FROM debian\nARG DIR_ASSETS=a\nCOPY $DIR_ASSET /")
    assert found.message == "COPY uses $DIR_ASSET, which is not set (did you mean DIR_ASSETS?)"
    (found,) = check("ARG MY_ARCH=amd64\nFROM a:${MYARCH:-x}")
    assert found.message.endswith("which no ARG above it declares (did you mean MY_ARCH?)")


def test_build_arguments_count() -> None:
    assert names("ARG TAG\nFROM debian:$TAG", TAG="12") == ["InvalidDefaultArgInFrom"]
    text = "FROM debian\nARG A=$B\n"
    assert names(text) == ["UndefinedVar"]
    assert names(text, A="1") == []


def test_descriptions_run_when_they_are_asked_for() -> None:
    text = "# the tag\nARG TAG=1\nFROM debian:$TAG\n"
    asked = "# check=experimental=all\n"
    assert names("# syntax=x\n" + text) == []
    assert places(asked + text) == [("InvalidDefinitionDescription", 3, 2, 1)]
    assert names(asked + "# the tag\n\nARG TAG=1\nFROM debian:$TAG") == []
    assert names(asked + "# the tag\n#\nARG TAG=1\nFROM debian:$TAG") == []
    assert names(asked + "# BasE image\nFROM debian AS base") == ["InvalidDefinitionDescription"]
    assert names(asked + "# b for all\nARG a=1 b=2\n# none\nFROM debian\n# c\nRUN d") == []


def test_the_directive_chooses() -> None:
    text = "FROM scratch as a\nCMD b\n"
    assert names(text) == ["FromAsCasing", "JSONArgsRecommended"]
    assert names("# check=skip=FromAsCasing\n" + text) == ["JSONArgsRecommended"]
    assert names("# check=skip=FromAsCasing,JSONArgsRecommended;error=true\n" + text) == []
    assert names("# check=skip=all\n" + text) == []
    assert names("# check=skip=all remarks\n" + text) == []


def test_the_build_argument_stands_in_place_of_the_directive() -> None:
    text = "# check=skip=all\nFROM scratch as a\nCMD b\n"
    chosen = {"BUILDKIT_DOCKERFILE_CHECK": "skip=FromAsCasing;error=true"}
    assert names(text, **chosen) == ["JSONArgsRecommended"]
    assert options(parse(text), chosen).error


def test_a_comment_above_an_instruction_silences_it_alone() -> None:
    quiet = "# check=skip=SecretsUsedInArgOrEnv // we know\n"
    assert places(f"FROM scratch\n{quiet}ENV token=a\nENV token=b") == [
        ("SecretsUsedInArgOrEnv", 4, 4, 5)
    ]
    assert names(f"FROM scratch\n{quiet}#\nENV token=a") == ["SecretsUsedInArgOrEnv"]
    assert names("FROM scratch\n# check=nonsense\nCMD a") == ["JSONArgsRecommended"]
    once = 'FROM scratch\nCMD ["a"]\n# check=skip=MultipleInstructionsDisallowed\nCMD ["b"]'
    assert names(once) == []


def test_options() -> None:
    assert Options.parse("") == Options()
    assert Options.parse(" skip = A , B ; error = 1 ") == Options(frozenset("AB"), error=True)
    assert Options.parse("experimental=all").experimental == {"all"}


@pytest.mark.parametrize("text", ["skip", "what=x", "error=maybe", "skip=a;", "skip=a;b=c", "=x"])
def test_bad_options(text: str) -> None:
    with pytest.raises(BadCheckOption):
        Options.parse(text)
    with pytest.raises(DockerfileError) as caught:
        check(f"# syntax=x\n#check={text}\nFROM scratch")
    assert (caught.value.span.line, caught.value.span.column) == (2, 1)
    with pytest.raises(BadCheckOption):
        check("FROM scratch", BUILDKIT_DOCKERFILE_CHECK=text)


# fmt: off
ODD = st.sampled_from([
    *KEYWORDS, "from", "As", "as", "a", "B", "a=b", "=", "$a", "${a", "${a:?}", "'", '"', "[",
    '["a"]', "--from=a", "--platform=$a", "--platform=", "--mount=a,$b", "80/TCP", "a:1:2", ":",
    "/", "<<E", "scratch", "debian", "token", "\\", "\n", "\nE\n", "\\\n\n", "# a\n",
    "# check=skip=all\n", "\x1b",
])
# fmt: on


@given(st.lists(ODD, max_size=20).map(" ".join))
def test_any_file_that_parses_can_be_checked(text: str) -> None:
    text = "# check=experimental=all\nFROM debian AS a\n" + text.replace("\n ", "\n")
    try:
        found = check(text)
    except DockerfileError:
        return
    lines = text.count("\n") + 1
    for each in found:
        assert 1 <= each.span.line <= lines
        assert 1 <= each.first_line <= each.last_line <= lines
        assert each.span.column >= 1
