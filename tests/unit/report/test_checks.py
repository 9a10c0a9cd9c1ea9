"""How an image does by its rules: text, JSON, JUnit, SARIF."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import pytest

from lamina.explain.advice import advise
from lamina.explain.check import Verdict, check
from lamina.explain.policy import Policy, Rule
from lamina.explain.stack import Stack
from lamina.layer.entry import os_path
from lamina.report import checks
from lamina.report.junit import as_junit
from lamina.report.paper import Paper
from lamina.report.sarif import as_sarif
from tests.fakes.stacks import Files, numbered, stack_of, stack_of_files
from tests.golden.golden import check as golden
from tests.unit.layer.stacks import listing

MEGA = 1_000_000
NAMES = [
    "home/50M.file",
    "a:b c/%41#?",
    "esc\x1b[2J\u202e\x00x",
    "bytes\udce9",
    "日本",
    "nul\ufffe",
]
POLICY = Policy(
    ".lamina.toml",
    (
        Rule("max-hidden-percent", 5, "percent"),
        Rule("max-size", 1000 * MEGA, "bytes"),
        Rule("max-layers", 1, "layers"),
        Rule("lowestEfficiency", 0.9, "share"),
    ),
)


def seed() -> Stack:
    layers = [
        listing(f"f bin/sh {90 * MEGA}", "f usr/share/doc/a 30000"),
        listing(f"f home/50M.file {50 * MEGA}"),
        listing("w home/50M.file"),
    ]
    said = ["ADD rootfs /", "RUN dd if=/dev/zero of=50M.file && echo x > y", "RUN rm 50M.file"]
    return stack_of(layers, numbered(said), name="seed:latest")


def hostile() -> Stack:
    """Every text that an image may write, in paths, instructions and its name."""
    lower: Files = dict.fromkeys(NAMES, b"x" * 10)
    upper: Files = {
        f"{parent}{slash}.wh.{name}": b""
        for parent, slash, name in (each.rpartition("/") for each in NAMES)
    }
    return stack_of_files([lower, upper], [f"RUN {NAMES[2]} <&\"'>", "RUN rm \udce9\ufffe"])


def judged(stack: Stack, policy: Policy = POLICY) -> Verdict:
    return check(stack, policy)


def test_the_text_has_value_limit_and_causes() -> None:
    text = checks.as_text(seed(), judged(seed()), Paper(100), limit=1)
    golden("cli/checks.txt", text)


@pytest.mark.parametrize("limit", [300 * MEGA, 50 * MEGA - 1])
def test_one_rule_holds_or_does_not(limit: int) -> None:
    policy = Policy("", (Rule("max-hidden-bytes", limit, "bytes"),))
    first, *_ = checks.as_text(seed(), judged(seed(), policy), Paper(), limit=3).splitlines()
    outcome = "it holds" if limit > 50 * MEGA else "it does not hold"
    assert first == f"seed:latest   the default rule: {outcome}"


def test_values_that_look_alike_are_told_apart() -> None:
    policy = Policy("", (Rule("max-hidden-bytes", 50 * MEGA - 1, "bytes"),))
    assert checks.sentence(judged(seed(), policy).outcomes[0]) == (
        "max-hidden-bytes is 50000000, the limit is 49999999"
    )


def test_a_file_without_rules_says_so() -> None:
    text = checks.as_text(seed(), judged(seed(), Policy("x", ())), Paper(), limit=3)
    assert text == "seed:latest   the rules of x: there are none\n"


def test_a_value_that_is_no_number() -> None:
    policy = Policy("x", (Rule("highestUserWastedPercent", 0.1, "share"),))
    verdict = judged(stack_of([listing("f a 1")]), policy)
    assert "undefined, the limit is 0.1" in checks.as_text(seed(), verdict, Paper(), limit=3)
    document = checks.as_json(seed(), verdict)
    assert document["rules"][0]["value"] is None and document["dive"]["wastedUserPercent"] is None


def test_the_json_has_values_in_full() -> None:
    document = checks.as_json(seed(), judged(seed()))
    assert json.loads(json.dumps(document)) == document
    assert (document["holds"], document["rules_of"]) == (False, ".lamina.toml")
    assert [(each["rule"], each["holds"]) for each in document["rules"]] == [
        ("max-hidden-percent", False),
        ("max-size", True),
        ("max-layers", False),
        ("lowestEfficiency", False),
    ]
    [cause] = document["rules"][0]["causes"]
    assert cause["instruction"].startswith("RUN dd") and cause["hidden_by"] == "3"
    assert cause["hiding_instruction"] == "RUN rm 50M.file"
    assert document["dive"]["wastedBytes"] == 50 * MEGA


def junit(stack: Stack, *, limit: int = 10) -> ElementTree.Element:
    text = as_junit(stack, judged(stack), limit=limit)
    text.encode()  # a file of it can be written
    return ElementTree.fromstring(text)


def test_junit_has_a_case_for_each_rule() -> None:
    root = junit(seed())
    [suite] = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "3", "0")
    cases = suite.findall("testcase")
    assert [(case.get("name"), len(case.findall("failure"))) for case in cases] == [
        ("max-hidden-percent", 1),
        ("max-size", 0),
        ("max-layers", 1),
        ("lowestEfficiency", 1),
    ]
    failure = cases[0].find("failure")
    assert failure is not None and failure.text is not None
    assert failure.get("message") == "max-hidden-percent is 35.71 %, the limit is 5 %"
    assert "/home/50M.file, shipped by layer 2 (RUN dd if=/dev/zero of=50M.file" in failure.text
    assert failure.text.endswith("deleted by layer 3 (RUN rm 50M.file)")


def test_junit_holds_whatever_an_image_writes() -> None:
    suite = junit(hostile(), limit=100).find("testsuite")
    assert suite is not None
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.text is not None
    assert "/esc\\e[2J\\u202e\\x00x" in failure.text and "/bytes\\xe9" in failure.text
    assert "RUN esc\\e[2J\\u202e\\x00x <&\"'>" in failure.text


def test_junit_counts_what_it_leaves_out() -> None:
    failure = junit(hostile(), limit=2).find("testsuite/testcase/failure")
    assert failure is not None and failure.text is not None
    assert failure.text.endswith("and 4 more") and len(failure.text.splitlines()) == 4


def sarif(stack: Stack, verdict: Verdict | None = None) -> dict[str, Any]:
    document = as_sarif(stack, advise(stack), verdict, version="1.2.3")
    loaded: dict[str, Any] = json.loads(json.dumps(document))
    return loaded


LEVELS = {"none", "note", "warning", "error"}


def assert_is_sarif(document: dict[str, Any]) -> None:
    """What the schema of SARIF 2.1.0 asks of the objects that are used."""
    assert set(document) == {"$schema", "version", "runs"} and document["version"] == "2.1.0"
    [run] = document["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] and set(driver) <= {"name", "version", "rules"}
    rules = [rule["id"] for rule in driver["rules"]]
    assert len(set(rules)) == len(rules)
    for rule in driver["rules"]:
        assert set(rule) == {"id", "shortDescription", "defaultConfiguration"}
        assert rule["shortDescription"]["text"].endswith(".")
        assert rule["defaultConfiguration"]["level"] in LEVELS
    bases = run["originalUriBaseIds"]
    for result in run["results"]:
        assert set(result) <= {"ruleId", "level", "kind", "message", "locations", "properties"}
        assert result["ruleId"] in rules and result["level"] in LEVELS and result["message"]["text"]
        # "If kind has any value other than fail, level shall be none" (3.27.10).
        assert (result.get("kind", "fail") == "fail") == (result["level"] != "none")
        for location in result["locations"]:
            assert set(location) == {"physicalLocation", "logicalLocations"}
            artifact = location["physicalLocation"]["artifactLocation"]
            assert artifact["uriBaseId"] in bases and artifact["uri"].isascii()
            assert not artifact["uri"].startswith("/") and ":" not in artifact["uri"]
            assert all(each["name"] for each in location["logicalLocations"])


def test_sarif_without_rules_has_findings_and_advice() -> None:
    document = sarif(seed())
    assert_is_sarif(document)
    results = document["runs"][0]["results"]
    assert [(each["ruleId"], each["level"]) for each in results] == [
        ("hidden/deleted", "warning"),
        ("advice/docs", "note"),
    ]
    assert results[0]["message"]["text"].startswith("50.0 MB: /home/50M.file, shipped by layer 2")
    assert results[0]["properties"]["instruction"].startswith("RUN dd")
    [location] = results[0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "home/50M.file"
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "layers/2"


def test_sarif_with_rules_has_an_error_for_each_that_does_not_hold() -> None:
    document = sarif(seed(), judged(seed()))
    assert_is_sarif(document)
    told = {each["ruleId"]: each["level"] for each in document["runs"][0]["results"]}
    assert told["rule/max-hidden-percent"] == told["rule/lowestEfficiency"] == "error"
    assert told["rule/max-size"] == "none"


def test_sarif_paths_are_uris_that_lead_back_to_the_bytes() -> None:
    stack = hostile()
    document = sarif(stack, judged(stack))
    assert_is_sarif(document)
    json.dumps(document, ensure_ascii=False).encode()  # no half of a surrogate pair in it
    uris = {
        location["physicalLocation"]["artifactLocation"]["uri"]
        for each in document["runs"][0]["results"]
        for location in each["locations"]
    }
    assert {unquote_to_bytes(each) for each in uris} >= {os_path(name) for name in NAMES}


def test_sarif_of_an_empty_image() -> None:
    stack = stack_of([], name="s:1")
    document = sarif(stack, judged(stack, Policy("", (Rule("max-size", 1, "bytes"),))))
    assert_is_sarif(document)
