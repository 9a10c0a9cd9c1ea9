"""Problems of Dockerfiles as SARIF 2.1.0 (OASIS), with what GitHub's code scanning wants.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from lamina.report.lint import Linted, sentence
from lamina.report.sarif import SCHEMA
from lamina.rewrite.problem import Problem
from lamina.sha256 import sha256
from lamina.text import escape

_LEVELS = {"error": "error", "warning": "warning", "info": "note", "style": "note"}
_GUIDE = "https://docs.docker.com/build/building/best-practices/"


def as_sarif(files: Sequence[Linted], *, version: str) -> dict[str, Any]:
    """One run with every file's problems; URIs are relative to where it ran, but for absolute
    names.  A file that could not be read is a notification of a run that did not succeed."""
    found = [(linted, each) for linted in files for each in linted.problems]
    rules: dict[str, Problem] = {}
    for _, problem in found:
        rules.setdefault(problem.rule, problem)
    places = {rule: place for place, rule in enumerate(rules)}
    errors = [each for each in files if each.error]
    run = {
        "tool": {
            "driver": {
                "name": "Lamina",
                "version": version,
                "rules": [_rule(each) for each in rules.values()],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not errors,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": escape(each.error)}} for each in errors
                ],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": _results(found, places),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(problem: Problem) -> dict[str, Any]:
    """A rule as its first problem tells it."""
    text = problem.advice or problem.message
    told = {"text": escape(f"{text[:1].upper()}{text[1:]}.")}
    return {
        "id": problem.rule,
        "name": problem.rule,
        "shortDescription": {"text": f"{problem.rule} ({problem.origin})"},
        "fullDescription": told,
        "help": told,
        "helpUri": problem.url or _GUIDE,
        "defaultConfiguration": {"level": _LEVELS[problem.severity]},
        "properties": {"tags": [problem.origin]},
    }


def _results(
    found: Sequence[tuple[Linted, Problem]], places: dict[str, int]
) -> list[dict[str, Any]]:
    seen: dict[str, int] = {}
    results = []
    for linted, problem in found:
        key = _fingerprint(linted, problem)
        seen[key] = seen.get(key, 0) + 1
        result = _result(linted, problem, places[problem.rule])
        result["partialFingerprints"] = {"primaryLocationLineHash": f"{key}:{seen[key]}"}
        results.append(result)
    return results


def _fingerprint(linted: Linted, problem: Problem) -> str:
    """What stays the same when lines above it come and go."""
    number = problem.span.line
    lines = linted.source.lines
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    text = f"{problem.rule}\n{line}".encode("utf-8", "surrogatepass")
    return sha256(text).hex()[:16]


def _result(linted: Linted, problem: Problem, place: int) -> dict[str, Any]:
    span = problem.span
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.line,
        "endColumn": span.column + span.width,
    }
    uri = quote(linted.source.name.removeprefix("./"), safe="/") or "-"
    properties: dict[str, Any] = {"severity": problem.severity}
    if problem.also:
        properties["also"] = list(problem.also)
    if problem.amount.bytes:
        properties |= {"bytes": problem.amount.bytes, "basis": problem.amount.basis}
    return {
        "ruleId": problem.rule,
        "ruleIndex": place,
        "level": _LEVELS[problem.severity],
        "message": {"text": escape(sentence(problem))},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}],
        "properties": properties,
    }
