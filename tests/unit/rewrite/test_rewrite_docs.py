"""docs/rewrite.md has every rule; its first example becomes the second, to the byte."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamina.rewrite.evidence import Evidence
from lamina.rewrite.rewrite import rewrite
from lamina.rewrite.rule import Rule
from lamina.rewrite.rules import RULES
from tests.unit.rewrite.contexts import Context

TEXT = (Path(__file__).parents[3] / "docs/rewrite.md").read_text()
NAMES = [rule.name for rule in RULES]
SECTIONS = dict(re.findall(r"^## ([\w-]+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
ASKED = {"cache-mount", "apt-recommends", "copy-chown", "copy-chmod"}
"""Suggestions, as long as no image is known."""
HELLO = "int main(void) { return 0; }\n"
FILES = Context({"requirements.txt": "six==1.17.0\n", "hello.c": HELLO})


def examples(name: str) -> list[str]:
    return re.findall(r"^```dockerfile\n(.*?)```", SECTIONS[name], re.MULTILINE | re.DOTALL)


def test_every_rule_has_a_section() -> None:
    assert list(SECTIONS) == NAMES


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_the_bad_example_becomes_the_good_one(rule: Rule) -> None:
    name = rule.name
    bad, good = examples(name)
    also = [name] if name in ASKED else []
    done = rewrite(bad, Evidence(context=FILES), also=also)
    assert name in done.rules
    assert done.new == good
    again = rewrite(good, Evidence(context=FILES))
    assert again.new == good
    assert name not in {each.rule for each in again.suggested}


@pytest.mark.parametrize("name", sorted(ASKED))
def test_what_is_not_asked_for_is_only_suggested(name: str) -> None:
    bad, _ = examples(name)
    done = rewrite(bad, Evidence(context=FILES))
    assert name not in done.rules
    if name == "cache-mount":
        assert "--no-cache-dir" in done.new, "where nothing is kept, there is nothing to mount"
        return
    (suggested,) = [each for each in done.suggested if each.rule == name]
    assert suggested.edits and suggested.reason


def test_each_section_says_what_its_rule_does() -> None:
    for rule in RULES:
        assert f"It {rule.what}." in SECTIONS[rule.name]
