"""Files of rules."""

from __future__ import annotations

import pytest

from lamina.explain.policy import (
    DEFAULT,
    BadPolicy,
    Policy,
    Rule,
    dive_policy,
    lamina_policy,
    parse_size,
)


def limits(policy: Policy | None) -> dict[str, float]:
    assert policy is not None
    return {rule.name: rule.limit for rule in policy.rules}


def test_our_own_file() -> None:
    text = """
        [tool]
        anything = 1
        [explain]
        max-hidden-bytes = "10 MB"
        max-hidden-percent = 2.5
        max-size = 1_000_000_000
        max-layers = 12
        max-deleted = 0
        max-opaque = "off"
        [explain.dive]
        lowestEfficiency = 0.95
        highestWastedBytes = "20MB"
    """
    policy = lamina_policy(text, ".lamina.toml")
    assert limits(policy) == {
        "max-hidden-bytes": 10_000_000,
        "max-hidden-percent": 2.5,
        "max-size": 1_000_000_000,
        "max-layers": 12,
        "max-deleted": 0,
        "lowestEfficiency": 0.95,
        "highestWastedBytes": 20_000_000,
    }
    assert policy is not None and policy.source == ".lamina.toml" and policy.asks_dive


def test_a_file_without_our_table_has_no_rules() -> None:
    assert lamina_policy("[build]\nx = 1\n", "x") is None
    assert limits(lamina_policy("[explain]\n", "x")) == {}


def test_the_default_is_a_share_of_what_is_hidden() -> None:
    assert DEFAULT.rules == (Rule("max-hidden-percent", 5, "percent"),)
    assert not DEFAULT.asks_dive


def test_dives_file_with_dives_defaults() -> None:
    assert limits(dive_policy("rules:\n  highestWastedBytes: 20MB\n", "x")) == {
        "lowestEfficiency": 0.9,
        "highestWastedBytes": 20_000_000,
        "highestUserWastedPercent": 0.1,
    }
    assert limits(dive_policy("", "x")) == limits(dive_policy("rules:\n", "x"))
    assert limits(dive_policy("", "x")) == {
        "lowestEfficiency": 0.9,
        "highestUserWastedPercent": 0.1,
    }


@pytest.mark.parametrize("value", ["disabled", "off", "false", "'false'", "''", "Disabled"])
def test_dives_words_for_no_rule(value: str) -> None:
    policy = dive_policy(f"rules: {{lowestEfficiency: {value}}}", "x")
    assert limits(policy) == {"highestUserWastedPercent": 0.1}


def test_a_rule_without_a_value_is_dives_default() -> None:
    assert limits(dive_policy("rules:\n  lowestEfficiency:\n", "x"))["lowestEfficiency"] == 0.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("explain = 3", "r.toml: `explain` must be a table of rules"),
        ("[explain]\nmax-hiden-bytes = 1", "r.toml: unknown key max-hiden-bytes"),
        ("[explain]\nmax-size = 'huge'", "r.toml: max-size is 'huge', which is no size"),
        ("[explain]\nmax-size = -1", "r.toml: max-size is -1, which is no size"),
        ("[explain]\nmax-size = nan", "r.toml: max-size is nan, which is no size"),
        ("[explain]\nmax-size = true", "r.toml: max-size is True, which is no size"),
        ("[explain]\nmax-size = [1]", "r.toml: max-size is [1], which is no size"),
        ("[explain]\nmax-layers = 2.5", "r.toml: max-layers is 2.5, which is no number of layers"),
        ("[explain]\nmax-hidden-percent = 'x'", "max-hidden-percent is 'x', which is no percent"),
        ("[explain.dive]\nlowestEfficiency = 90", "dive.lowestEfficiency is 90, and a share is"),
        ("[explain.dive]\nnope = 1", "r.toml: unknown key dive.nope"),
        ("[explain]\ndive = 3", "r.toml: `dive` must be a table of rules"),
        ("[explain", "r.toml is no TOML: "),
        ("a=" + "[" * 5000, "r.toml is no TOML: "),
    ],
)
def test_mistakes_in_our_file_are_one_sentence(text: str, message: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        lamina_policy(text, "r.toml")
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: [1", "r is no YAML in line 1: expected ',' or ']'"),
        ("rules:\n  - a\n", "r: `rules` must be a map of rules"),
        ("- a\n", "r must be a map with the key `rules`"),
        ("lowestEfficiency: 0.9\n", "r: unknown key lowestEfficiency"),
        ("rules: {lowestEficiency: 0.9}", "r: unknown key lowestEficiency"),
        ("rules: {lowestEfficiency: abc}", "r: lowestEfficiency is 'abc', which is no number"),
        ("rules: {lowestEfficiency: 1.5}", "r: lowestEfficiency is 1.5, and a share is between"),
        (
            "rules: {highestWastedBytes: 1e3kb}",
            "r: highestWastedBytes is '1e3kb', which is no size",
        ),
        ("a: 2001-99-99", "r is no YAML"),
        ("[" * 5000, "r is no YAML"),
        ("!!python/object:os.system {}", "r is no YAML in line 1: could not determine"),
    ],
)
def test_mistakes_in_dives_file_are_one_sentence(text: str, message: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        dive_policy(text, "r")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_key_that_is_nearly_one_is_guessed() -> None:
    with pytest.raises(BadPolicy) as caught:
        lamina_policy("[explain]\nmax-layer = 1", "x")
    assert caught.value.hint == "did you mean max-layers?"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("10", 10),
        ("10 MB", 10_000_000),
        ("10mb", 10_000_000),
        ("1.5 GiB", 1_610_612_736),
        ("1k", 1000),
        ("1Ki", 1024),
        (" .5 kB ", 500),
        ("7B", 7),
        ("1iB", None),
        ("", None),
        ("MB", None),
        ("-1", None),
        ("1 XB", None),
        ("1e3", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size
