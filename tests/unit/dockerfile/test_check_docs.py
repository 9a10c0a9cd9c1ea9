"""docs/checks.md has every rule; of its two examples the first is found, the second not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamina.dockerfile.check_rules import RULES
from tests.unit.dockerfile.test_checks import names

TEXT = (Path(__file__).parents[3] / "docs/checks.md").read_text()
SECTIONS = {
    name: body
    for name, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    if name in RULES
}


def examples(name: str) -> list[str]:
    return re.findall(r"^```dockerfile\n(.*?)```", SECTIONS[name], re.MULTILINE | re.DOTALL)


def test_every_rule_has_a_section() -> None:
    assert list(SECTIONS) == list(RULES)


@pytest.mark.parametrize("name", RULES)
def test_examples(name: str) -> None:
    rule = RULES[name]
    bad, good = examples(name)
    assert names(bad) == [name]
    assert names(good) == []
    sentence = f"{rule.description[0].upper()}{rule.description[1:]}. If not: {rule.advice}."
    assert sentence in SECTIONS[name]
