"""Which layer gave which entry: told."""

from __future__ import annotations

import json

from lamina.explain.ownership import members
from lamina.layer.union import Union
from lamina.report import members as reports
from lamina.report.paper import Paper
from tests.fakes.stacks import numbered
from tests.golden.golden import check
from tests.unit.layer.stacks import listing

LAYERS = [
    listing("d d", "f d/a 1000", "f d/b 2000 x", "l d/l -> a\x1b[2J", "d d/s", "f d/s/x 70000"),
    listing("f d/b 2000 x", "w d/a", "f d/s/y 5", "w d/s/x"),
    listing("f d/日本 3"),
    listing("f d/s/z 1"),
    listing("f d/s/q 1"),
]
ORIGINS = numbered(["ADD rootfs /", "RUN rm a && chmod +x b", "COPY 日本 d", "COPY z", "COPY q"])


def test_a_directory_for_people() -> None:
    inside = members(Union.of(LAYERS), "d")
    check("cli/members.txt", reports.as_text(inside, ORIGINS, Paper(100), limit=None))
    text = reports.as_text(inside, ORIGINS, Paper(100), limit=2)
    assert text.splitlines()[-1] == "   and 4 more   (--limit 6 shows all)"
    assert reports.as_text([], ORIGINS, Paper(), limit=None) == ""


def test_a_directory_for_programs() -> None:
    document = reports.as_json(members(Union.of(LAYERS), "d"), ORIGINS)
    assert json.loads(json.dumps(document)) == document
    told = [(each["name"], each["layer"], each["cause"], each["hidden_by"]) for each in document]
    assert told == [
        ("a", "1", "deleted", "2"),
        ("b", "2", None, None),
        ("b", "1", "duplicated", "2"),
        ("l", "1", None, None),
        ("s", "1", None, None),
        ("日本", "3", None, None),
    ]
    assert document[4]["layers"] == ["1", "2", "4", "5"]
    assert (document[4]["bytes"], document[4]["hidden_bytes"]) == (7, 70000)
