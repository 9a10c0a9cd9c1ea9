"""How advice is told."""

from __future__ import annotations

import json

from lamina.explain.advice import advise
from lamina.explain.stack import Stack
from lamina.report import account
from lamina.report import advice as reports
from lamina.report.paper import Paper
from tests.fakes.stacks import stack_of
from tests.golden.golden import check
from tests.unit.layer.stacks import listing

LAYERS = [
    listing("f usr/share/doc/a 900000", "f usr/share/doc/b\x1b[2J 80000", "f bin/x 700000 same"),
    listing("f var/log/dpkg.log 3000", "f srv/.git/pack 4000000", "f srv/y 700000 same"),
    listing("f usr/share/doc/c 10", "f tmp/z 20"),
]


def stack() -> Stack:
    return stack_of(LAYERS)


def test_the_largest_kinds_and_the_rest() -> None:
    check("cli/advice.txt", reports.as_text(stack(), advise(stack()), Paper(100), limit=3))


def test_no_advice_no_block() -> None:
    assert reports.as_text(stack(), [], Paper(), limit=3) == ""
    assert reports.as_text(stack(), advise(stack()), Paper(), limit=0) == ""


def test_the_report_of_an_image_ends_with_it() -> None:
    text = account.as_text(stack(), Paper(100), limit=5)
    assert text.endswith(reports.as_text(stack(), advise(stack()), Paper(100), limit=3))


def test_the_json_says_all_that_is_known() -> None:
    document = reports.as_json(stack(), advise(stack()))
    assert json.loads(json.dumps(document)) == document
    assert account.as_json(stack())["advice"] == document
    told = {each["kind"]: each for each in document}
    assert told["docs"]["layers"] == {"1": 980000, "3": 10}
    assert told["docs"]["files"] == 3 and told["docs"]["instead"]
    assert told["duplicates"]["examples"] == [
        {"path": "/srv/y", "bytes": 700000, "layer": "2", "same_as": "/bin/x"}
    ]


def test_it_is_no_part_of_the_waste() -> None:
    document = account.as_json(stack())
    assert document["hidden_bytes"] == 0 and document["findings"] == []
