"""What a linter found in Dockerfiles: for people, as JSON, and as GitHub's annotations.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from lamina.dockerfile.source import Source
from lamina.report.build_checks import SECRETS, without_secret
from lamina.report.paper import Cell, Meaning, Paper
from lamina.rewrite.problem import SEVERITIES, Problem
from lamina.text import escape, escape_lines, prose_size

_INK: dict[str, Meaning] = {"error": "hidden", "warning": "deleted", "info": "head", "style": ""}
_ANNOTATIONS = {"error": "error", "warning": "warning", "info": "notice", "style": "notice"}
_ESCAPES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_MORE_ESCAPES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


class Linted(msgspec.Struct, frozen=True):
    """One Dockerfile and what was found in it."""

    source: Source
    problems: tuple[Problem, ...]
    error: str = ""
    """Why it could not be read, and then there are no problems; or why hadolint failed."""
    remarks: tuple[str, ...] = ()
    """What hadolint said beside its report."""


def as_text(linted: Linted, paper: Paper) -> str:
    """Each problem with its place and what to do, the place shown once; then how many."""
    source = linted.source
    parts = []
    above = None
    for each in linted.problems:
        begin = "" if each.span == above or above is None else "\n"
        parts.append(begin + _problem(linted, each, paper, shown=each.span != above))
        above = each.span
    if not linted.problems:
        return paper.write(Cell(f"{source.name}: "), Cell("no problems", "visible")) + "\n"
    gravest = linted.problems[0].severity
    for each in linted.problems:
        gravest = min(gravest, each.severity, key=SEVERITIES.index)
    told = paper.write(Cell(f"{source.name}: "), Cell(counted(linted.problems), _INK[gravest]))
    return "".join([*parts, f"\n{told}\n"])


def counted(problems: Sequence[Problem]) -> str:
    """`3 problems: 1 error, 2 warnings`."""
    counts = Counter(each.severity for each in problems)
    kinds = [_many(counts[each], each) for each in SEVERITIES if counts[each]]
    return f"{_many(len(problems), 'problem')}: {', '.join(kinds)}"


def _many(number: int, word: str) -> str:
    plural = "s" if number > 1 and word not in ("info", "style") else ""
    return f"{number} {word}{plural}"


def _problem(linted: Linted, problem: Problem, paper: Paper, *, shown: bool) -> str:
    also = f" ({', '.join(problem.also)})" if problem.also else ""
    about, size = _cost(problem)
    head = paper.write(
        Cell(f"{linted.source.name}:{problem.first_line}: "),
        Cell(problem.severity, _INK[problem.severity]),
        Cell(f": {problem.rule}{also}: {problem.message}"),
        Cell(f", {about}" if size else ""),
        Cell(size, "hidden"),
    )
    lines = [head]
    if shown:
        lines.append(_excerpt(linted, problem, paper))
    if problem.advice:
        lines.append(paper.write(Cell(f"  try: {problem.advice}")))
    return "\n".join([*lines, ""])


def _cost(problem: Problem) -> tuple[str, str]:
    """`about `, if so, and the bytes in words; where the message has them already, whether
    they are an estimate."""
    size = prose_size(problem.amount.bytes)
    is_estimate = problem.amount.basis == "estimated"
    if not problem.amount.bytes:
        return "", ""
    if size in problem.message:
        return "", "an estimate" if is_estimate else ""
    return "about " if is_estimate else "", size


def _excerpt(linted: Linted, problem: Problem, paper: Paper) -> str:
    source = _without_secrets(linted, problem)
    excerpt = escape_lines(source.excerpt(problem.span))
    excerpt = "\n".join(line.rstrip() for line in excerpt.split("\n"))
    return excerpt if paper.unicode else excerpt.replace("│", "|").replace("…", "~")


def _without_secrets(linted: Linted, problem: Problem) -> Source:
    """The source as it may be shown for a problem: without a secret on its line, whoever
    found that."""
    for each in (problem, *linted.problems):
        if each.rule == SECRETS and each.span.line == problem.span.line:
            return without_secret(linted.source, each.span, each.first_line)
    return linted.source


def as_json(files: Sequence[Linted], *, hadolint: bool) -> dict[str, Any]:
    """Every file with its problems.  Lines and columns count from 1; `hadolint` says whether
    its rules were asked."""
    return {"files": [_file(each) for each in files], "hadolint": hadolint}


def _file(linted: Linted) -> dict[str, Any]:
    document: dict[str, Any] = {
        "file": linted.source.name,
        "problems": [_row(each) for each in linted.problems],
    }
    if linted.error:
        document["error"] = linted.error
    if linted.remarks:
        document["remarks"] = list(linted.remarks)
    return document


def _row(problem: Problem) -> dict[str, Any]:
    span = problem.span
    return {
        "rule": problem.rule,
        "also": list(problem.also),
        "origin": problem.origin,
        "severity": problem.severity,
        "line": problem.first_line,
        "endLine": problem.last_line,
        "place": {"line": span.line, "column": span.column, "width": span.width},
        "message": problem.message,
        "advice": problem.advice,
        "url": problem.url,
        "bytes": problem.amount.bytes,
        "basis": problem.amount.basis,
    }


def as_annotations(files: Sequence[Linted]) -> str:
    """Workflow commands of GitHub Actions: each problem stands beside its line in a pull
    request."""
    lines = [_annotation(linted.source.name, each) for linted in files for each in linted.problems]
    return "".join(f"{line}\n" for line in lines)


def _annotation(name: str, problem: Problem) -> str:
    place = {
        "file": name,
        "line": str(problem.first_line),
        "endLine": str(problem.last_line),
        "title": ", ".join(problem.names),
    }
    fields = ",".join(
        f"{key}={escape(text).translate(_MORE_ESCAPES)}" for key, text in place.items()
    )
    told = escape(sentence(problem)).translate(_ESCAPES)
    return f"::{_ANNOTATIONS[problem.severity]} {fields}::{told}"


def sentence(problem: Problem) -> str:
    """What is so, what it costs and what to do, for a report that has no columns."""
    about, size = _cost(problem)
    cost = f", {about}{size}" if size else ""
    advice = f" {problem.advice[0].upper()}{problem.advice[1:]}." if problem.advice else ""
    return f"{problem.message}{cost}.{advice}"
