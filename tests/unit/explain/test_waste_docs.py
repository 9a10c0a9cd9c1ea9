"""docs/waste.md says what is so: its examples are run, its files of rules are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamina.explain.advice import advise
from lamina.explain.findings import findings
from lamina.explain.policy import DEFAULT, DIVE, OWN, dive_policy, lamina_policy
from lamina.explain.unwanted import DUPLICATES, KINDS
from lamina.layer.union import Cause
from tests.fakes.stacks import stack_of
from tests.unit.layer.stacks import listing

TEXT = (Path(__file__).parents[3] / "docs" / "waste.md").read_text()
LETTERS = {
    "file": "f",
    "directory": "d",
    "hardlink": "h",
    "whiteout": "w",
    "opaque": "o",
}


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def account_of(example: str) -> list[str]:
    """What an example should say, one line each."""
    layers: dict[int, list[str]] = {}
    for line in example.splitlines():
        _, number, kind, *rest = line.split()
        layers.setdefault(int(number), []).append(" ".join([LETTERS[kind], *rest]))
    stack = stack_of([listing(*layers[number]) for number in sorted(layers)])
    account = stack.account
    sums = f"visible {account.visible_bytes} + hidden {account.hidden_bytes}"
    return [
        f"shipped {account.bytes} = {sums}",
        *(
            f"{each.cause.value} {each.bytes} at /{each.at}: "
            f"shipped by {each.layer + 1}, hidden by {each.hidden_by + 1}"
            for each in findings(account.hidden)
        ),
        *(f"advice {each.kind} {each.bytes}" for each in advise(stack)),
    ]


@pytest.mark.parametrize("example", fenced("example"))
def test_an_example_is_so(example: str) -> None:
    layers, told = example.split("--\n")
    assert account_of(layers) == told.splitlines()


def test_every_kind_has_an_example_and_a_line_in_its_table() -> None:
    kinds = {cause.value for cause in Cause} - {"merged"}
    assert set(re.findall(r"^(\w+) \d+ at ", TEXT, re.MULTILINE)) == kinds
    assert kinds <= set(re.findall(r"^\| (\w+) \|", TEXT, re.MULTILINE))


def test_every_advice_is_in_its_table() -> None:
    section = TEXT.partition("## Advice")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `([a-z-]+)` \|(.*)\|", section, re.MULTILINE)
    assert [kind for kind, _ in told] == [each.kind for each in (*KINDS, DUPLICATES)]
    for (kind, where), unwanted in zip(told, KINDS, strict=False):
        suffixes = [each for each in unwanted.suffixes if f"*.{each}" not in where]
        assert not suffixes, kind


def test_the_files_of_rules_are_read() -> None:
    [ours] = fenced("toml")
    policy = lamina_policy(ours, "x")
    assert policy is not None
    named = {rule.name for rule in policy.rules} | {"max-superseded"}
    assert named == {*OWN, *DIVE}, "every rule is shown"
    [theirs] = fenced("yaml")
    assert [rule.name for rule in dive_policy(theirs, "x").rules] == [
        "lowestEfficiency",
        "highestWastedBytes",
    ]


def test_the_default_is_told() -> None:
    [rule] = DEFAULT.rules
    assert f"`{rule.name} = {rule.limit}`" in TEXT
