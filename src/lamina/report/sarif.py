"""Findings as SARIF 2.1.0 (OASIS), for code scanning of GitHub, GitLab and editors.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from lamina.explain.advice import Advice
from lamina.explain.check import Evidence, Verdict
from lamina.explain.findings import Finding
from lamina.explain.stack import Stack
from lamina.layer.entry import os_path
from lamina.layer.union import Cause
from lamina.report.checks import described, evidence_json, sentence
from lamina.text import escape, prose_size

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MOST_RESULTS = 5000
"""Of findings, the largest: GitHub shows no more of one run."""
_ROOT = "ROOTFS"
_WASTE = {
    Cause.OVERWRITTEN: "A file is shipped, and shipped again with other content.",
    Cause.DUPLICATED: "A file is shipped twice: only its metadata changed.",
    Cause.DELETED: "A file is shipped, and deleted by a later layer.",
    Cause.OPAQUE: "A file is shipped, and its directory made anew by a later layer.",
    Cause.REPLACED: "A file is shipped, and something of another type put in its place.",
    Cause.SUPERSEDED: "A file is named twice in one layer: the first content is never seen.",
}


def as_sarif(
    stack: Stack, advice: Sequence[Advice], verdict: Verdict | None, *, version: str
) -> dict[str, Any]:
    """What is hidden as warnings, advice as notes, and each rule of `verdict`: an error, or
    passed.  Paths are URIs below the image's root; text of the image is escaped."""
    results = [_hidden(stack, each) for each in stack.findings[:MOST_RESULTS]]
    results += [_advice(stack, each) for each in advice]
    results += _outcomes(stack, verdict) if verdict else []
    rules = [_rule(f"hidden/{cause.value}", text, "warning") for cause, text in _WASTE.items()]
    rules += [_rule(f"advice/{each.kind}", _subject(each), "note") for each in advice]
    if verdict:
        rules += [
            _rule(f"rule/{each.rule.name}", f"The rule {each.rule.name}.", "error")
            for each in verdict.outcomes
        ]
    driver = {
        "name": "Lamina",
        "version": version,
        "rules": rules,
    }
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {
            _ROOT: {"description": {"text": escape(f"the root directory of {stack.name}")}}
        },
        "properties": {"image": escape(stack.name), "id": stack.identity},
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str, text: str, level: str) -> dict[str, Any]:
    return {
        "id": name,
        "shortDescription": {"text": text},
        "defaultConfiguration": {"level": level},
    }


def _subject(advice: Advice) -> str:
    return f"{advice.what[0].upper()}{advice.what[1:]} can be seen, and are probably not wanted."


def _hidden(stack: Stack, found: Finding) -> dict[str, Any]:
    evidence = Evidence(
        found.bytes, found.layer, found.path[1:], found.hidden_by, found.cause.value
    )
    return _result(stack, f"hidden/{found.cause.value}", "warning", [evidence])


def _advice(stack: Stack, advice: Advice) -> dict[str, Any]:
    text = f"{prose_size(advice.bytes)} in {advice.files} files: {advice.what}. "
    text += f"Instead: {advice.instead}."
    evidence = [Evidence(each.bytes, each.layer, each.path) for each in advice.examples]
    return _result(stack, f"advice/{advice.kind}", "note", evidence, text)


def _outcomes(stack: Stack, verdict: Verdict) -> list[dict[str, Any]]:
    results = []
    for outcome in verdict.outcomes:
        text = sentence(outcome) + "."
        name = f"rule/{outcome.rule.name}"
        level = "none" if outcome.holds else "error"
        result = _result(stack, name, level, outcome.evidence[:10], text)
        if outcome.holds:
            result["kind"] = "pass"
        results.append(result)
    return results


def _result(
    stack: Stack, rule: str, level: str, evidence: Sequence[Evidence], text: str = ""
) -> dict[str, Any]:
    """One result; without a text of its own it says what its first evidence is."""
    result: dict[str, Any] = {
        "ruleId": rule,
        "level": level,
        "message": {"text": escape(text or described(stack, evidence[0]) + ".")},
        "locations": [_location(stack, each) for each in evidence] or [_whole(stack)],
    }
    if evidence:
        told = evidence_json(stack, evidence[0])
        result["properties"] = {
            key: escape(value) if isinstance(value, str) else value
            for key, value in told.items()
            if value is not None
        }
    return result


def _location(stack: Stack, evidence: Evidence) -> dict[str, Any]:
    label = stack.label(evidence.layer)
    layer = {"name": f"layer {label}", "kind": "module", "fullyQualifiedName": f"layers/{label}"}
    # A whole layer has no path: the root directory stands for it.
    path = evidence.path or ""
    artifact = {"uri": quote(os_path(path), safe="/") or ".", "uriBaseId": _ROOT}
    return {"physicalLocation": {"artifactLocation": artifact}, "logicalLocations": [layer]}


def _whole(stack: Stack) -> dict[str, Any]:
    artifact = {"uri": ".", "uriBaseId": _ROOT}
    image = {"name": escape(stack.name), "kind": "module"}
    return {"physicalLocation": {"artifactLocation": artifact}, "logicalLocations": [image]}
