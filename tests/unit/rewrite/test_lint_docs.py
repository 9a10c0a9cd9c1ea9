"""docs/lint.md has every rule; of its two examples the first is found, the second not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from lamina.explain.unwanted import KINDS
from lamina.rewrite.lint_rules import LINT_RULES, own_problems
from lamina.rewrite.problem import SAME, WIDER
from tests.fakes.stacks import Files
from tests.unit.rewrite.dockerfiles import found, lay, view

TEXT = (Path(__file__).parents[3] / "docs/lint.md").read_text()
SECTIONS = dict(re.findall(r"^## ([\w…-]+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
RULES = {rule.name: rule for rule in LINT_RULES if not rule.name.startswith("left-")}
MB = 1_000_000
BLOB = b"x" * MB
BASE: Files = {"usr": None, "usr/share": None, "usr/share/doc": None, "usr/share/doc/a": BLOB}
LAYERS: dict[str, tuple[Sequence[Files], Sequence[Files]]] = {
    # what the steps of the bad example leave, and those of the good one
    "hidden-bytes": (({"50M.file": BLOB}, {".wh.50M.file": b""}), ({"tmp": None},)),
    "hidden-base-bytes": (
        ({"usr": None, "usr/share": None, "usr/share/.wh.doc": b""},),
        ({"tmp": None},),
    ),
    "shipped-twice": (({"app": BLOB}, {"app": BLOB}), ({"app": BLOB},)),
    "left-…": (({"var/lib/apt/lists/a": BLOB},), ({"etc/nginx": BLOB},)),
}
CONTEXTS: dict[str, dict[str, object]] = {
    "copies-unwanted": {"src/main.py": "print()", ".git/objects/a": MB},
    "copies-large-files": {"data/dump.sql": 30 * MB},
    "copied-then-deleted": {"wheels.tar": 5 * MB},
}


def examples(name: str) -> list[str]:
    return re.findall(r"^```dockerfile\n(.*?)```", SECTIONS[name], re.MULTILINE | re.DOTALL)


def test_every_rule_has_a_section() -> None:
    assert [name for name in SECTIONS if name in RULES] == list(RULES)


@pytest.mark.parametrize("name", RULES)
def test_examples(name: str, tmp_path: Path) -> None:
    rule = RULES[name]
    sentence = f"{rule.description[0].upper()}{rule.description[1:]}. If not: {rule.advice}."
    assert sentence in SECTIONS[name]
    assert f"Severity: {rule.severity}." in SECTIONS[name]
    context = lay(tmp_path, CONTEXTS[name]) if name in CONTEXTS else None
    bad, good = examples(name)
    for text, layers, expected in zip(
        (bad, good), LAYERS.get(name, ((), ())), ({name}, set()), strict=True
    ):
        seen = view(text, layers=layers, base=BASE if layers else None, context=context)
        assert {each for each, _, _ in found(seen, *RULES)} == expected
        for problem in own_problems(seen)[0]:
            assert problem.rule not in RULES or problem.severity == RULES[problem.rule].severity


def test_what_is_left_behind() -> None:
    bad, good = examples("left-…")
    for text, layers, expected in zip(
        (bad, good), LAYERS["left-…"], ({"left-apt-lists"}, set()), strict=True
    ):
        seen = view(text, layers=layers, base=BASE)
        assert {name for name, _, _ in found(seen) if name.startswith("left-")} == expected
    for kind in KINDS:
        assert f"| `left-{kind.kind}` | {kind.what} | {kind.instead} |" in SECTIONS["left-…"]


def test_what_is_told_once_is_in_the_table() -> None:
    rows = [set(re.findall(r"`([\w-]+)`", line)) for line in TEXT.splitlines() if line[:1] == "|"]
    for group in (*SAME.values(), *WIDER.values()):
        assert group in rows
