"""What the checks of a Dockerfile found: for people, and as JSON.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lamina.dockerfile.check_rules import Finding
from lamina.dockerfile.source import Source, Span
from lamina.report.paper import Cell, Paper
from lamina.text import escape_lines

SECRETS = "SecretsUsedInArgOrEnv"
"""The check that points at a secret."""


def as_text(source: Source, findings: Sequence[Finding], paper: Paper) -> str:
    """Each finding with its place, an excerpt and what to do; how many there are at the end.

    The line is that by which BuildKit reports it, the excerpt shows the place itself.
    """
    parts = [_finding(source, each, paper) for each in findings]
    if not findings:
        return paper.write(Cell(f"{source.name}: "), Cell("all checks hold", "visible")) + "\n"
    rules = len({each.rule.name for each in findings})
    told = "1 check does not hold" if rules == 1 else f"{rules} checks do not hold"
    if len(findings) > rules:
        told += f", in {len(findings)} places"
    return "\n".join([*parts, paper.write(Cell(f"{source.name}: "), Cell(told, "hidden")) + "\n"])


def _finding(source: Source, finding: Finding, paper: Paper) -> str:
    head = paper.write(
        Cell(f"{source.name}:{finding.first_line}: "),
        Cell(finding.rule.name, "hidden"),
        Cell(f": {finding.message}"),
    )
    if finding.rule.name == SECRETS:
        source = without_secret(source, finding.span, finding.first_line)
    excerpt = escape_lines(source.excerpt(finding.span))
    excerpt = "\n".join(line.rstrip() for line in excerpt.split("\n"))
    if not paper.unicode:
        excerpt = excerpt.replace("│", "|").replace("…", "~")
    return f"{head}\n{excerpt}\n{paper.write(Cell(f'  try: {finding.rule.advice}'))}\n"


def without_secret(source: Source, place: Span, first_line: int) -> Source:
    """The source as it may be shown: of the secret at `place`, in the instruction that begins
    in `first_line`, its name, and no value beside it."""
    line = source.lines[place.line - 1]
    before, behind = line[: place.column - 1], line[place.column - 1 + place.width :]
    named = len(before.partition("=")[0]) if place.line == first_line else 0
    before = before[:named] + re.sub(r"\S", "*", before[named:])
    shown = before + line[len(before) : len(line) - len(behind)] + ("…" if behind else "")
    lines = (*source.lines[: place.line - 1], shown, *source.lines[place.line :])
    return Source(source.name, lines)


def as_json(source: Source, findings: Sequence[Finding]) -> dict[str, Any]:
    """The document of `docker build --call=check,format=json`, with the exact `place` and an
    `advice` for each finding.  Lines and columns count from 1."""
    return {
        "warnings": [_finding_json(each) for each in findings],
        "sources": [{"filename": source.name}],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    lines = {"start": {"line": finding.first_line}, "end": {"line": finding.last_line}}
    return {
        "ruleName": rule.name,
        "description": rule.description,
        "url": rule.url,
        "detail": finding.message,
        "location": {"ranges": [lines]},
        "place": _place(finding.span),
        "advice": rule.advice,
    }


def _place(span: Span) -> dict[str, int]:
    return {"line": span.line, "column": span.column, "width": span.width}
