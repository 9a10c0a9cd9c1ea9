"""One list of problems from three sources: our rules, the build's checks, hadolint.  Pure.

What two of them say of one instruction is told once, under the first one's name.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from lamina.dockerfile.check_rules import Finding as CheckFinding
from lamina.dockerfile.directives import directive
from lamina.dockerfile.instruction import Dockerfile
from lamina.dockerfile.source import Span
from lamina.rewrite.hadolint import UNREAD, Answer, Said
from lamina.rewrite.problem import SEVERITIES, Problem, Severity, gravest, names_of, subject_of

_STYLE = {
    *("StageNameCasing", "FromAsCasing", "ConsistentInstructionCasing", "ExposeProtoCasing"),
    "InvalidDefinitionDescription",
}
"""Checks that find what works, and reads badly."""
_ERRORS = {"DuplicateStageName", "ReservedStageName"}
_MANY = {"DL4003": "CMD", "DL4004": "ENTRYPOINT", "DL3012": "HEALTHCHECK"}
"""Of two instructions hadolint reports the later one, the build's checks the one that does not
count: the earlier."""
_NAMES = r"ignore\s*=\s*(?P<names>[\w-]+(\s*,\s*[\w-]+)*)"
_PRAGMA = re.compile(rf"(hadolint|lamina)\s+{_NAMES}")
_GLOBAL = re.compile(rf"\s*#\s*(hadolint|lamina)\s+global\s+{_NAMES}")
_NAME = re.compile(r"[\w-]+")


def problems(
    dockerfile: Dockerfile,
    *,
    own: Iterable[Problem],
    checks: Iterable[CheckFinding],
    hadolint: Answer | None,
    ignored: Iterable[str] = (),
) -> tuple[Problem, ...]:
    """All that is found, in the order of the file; at one place the gravest first.

    `ignored` are names of rules that nobody wants to hear of, and with them what says the
    same; a comment above an instruction silences rules for it in the same way.
    """
    silenced = {name for each in (*ignored, *_everywhere(dockerfile)) for name in names_of(each)}
    places = _Places(dockerfile)
    said = hadolint.said if hadolint else ()
    found = [*own, *map(_of_check, checks), *(_of_hadolint(places, each) for each in said)]
    heeded = _heeded(dockerfile)
    kept = [
        each
        for each in found
        if each.rule not in silenced
        and each.rule not in heeded.get(places.instruction(each.first_line), ())
    ]
    told = list(_once(places, kept))
    told.sort(key=lambda each: (each.first_line, SEVERITIES.index(each.severity), each.span.line))
    return tuple(told)


class _Places:
    """Which instruction a line belongs to."""

    def __init__(self, dockerfile: Dockerfile) -> None:
        self.instructions = dockerfile.instructions
        self._ends = [max(each.span.line, each.span.last_line) for each in self.instructions]

    def instruction(self, line: int) -> int:
        """The place of the instruction that has a line, or is the next one below it."""
        return min(bisect_left(self._ends, line), len(self._ends) - 1)

    def subject(self, problem: Problem) -> int:
        """The place of the instruction that a problem is about."""
        at = self.instruction(problem.first_line)
        keyword = _MANY.get(problem.rule)
        if keyword is None:
            return at
        for earlier in range(at - 1, -1, -1):
            line = self.instructions[earlier]
            if line.keyword == "FROM":
                break
            if line.keyword == keyword:
                return earlier
        return at


def _once(places: _Places, found: Sequence[Problem]) -> Iterator[Problem]:
    """Each problem, without those that an earlier source's says as well."""
    groups: dict[tuple[int, str], list[Problem]] = {}
    for each in found:
        group = groups.setdefault((places.subject(each), subject_of(each.rule)), [])
        if group and group[0].rule != each.rule:
            group[0] = _joined(group[0], each)
        elif each not in group:
            group.append(each)
    for group in groups.values():
        yield from group


def _joined(told: Problem, same: Problem) -> Problem:
    also = told.also if same.rule in told.also else (*told.also, same.rule)
    return replace(
        told,
        also=also,
        severity=gravest(told.severity, same.severity),
        amount=told.amount if told.amount.bytes else same.amount,
    )


def _of_check(finding: CheckFinding) -> Problem:
    name = finding.rule.name
    severity: Severity = "style" if name in _STYLE else "error" if name in _ERRORS else "warning"
    return Problem(
        name,
        "build checks",
        severity,
        finding.message,
        finding.span,
        finding.first_line,
        finding.last_line,
        advice=finding.rule.advice,
        url=finding.rule.url,
    )


def _of_hadolint(places: _Places, said: Said) -> Problem:
    line = places.instructions[places.instruction(said.line)]
    inside = line.span.line <= said.line <= line.span.last_line
    message, severity = said.message.rstrip("."), _severity(said.level)
    if said.code == UNREAD:
        # We have read it: whether the builder takes what this line says is another question.
        reason = " ".join(said.message.split())
        message = f"hadolint cannot read this line, so its rules were not asked: {reason}"
        severity = "warning"
    return Problem(
        said.code,
        "hadolint",
        severity,
        message,
        line.span if inside and said.code != UNREAD else Span(said.line, 1),
        line.span.line if inside else said.line,
        line.span.last_line if inside else said.line,
        url=_page(said.code),
    )


def _severity(level: str) -> Severity:
    return next((each for each in SEVERITIES if each == level), "info")


def _page(code: str) -> str:
    place = "koalaman/shellcheck" if code.startswith("SC") else "hadolint/hadolint"
    return f"https://github.com/{place}/wiki/{code}"


def _everywhere(dockerfile: Dockerfile) -> Iterator[str]:
    """The rules that the file silences for all of it."""
    yield from _skipped(dockerfile.directives.get("check", ""))
    for line in dockerfile.source.lines:
        if "ignore" in line and (match := _GLOBAL.match(line)):
            yield from _NAME.findall(match["names"])


def _heeded(dockerfile: Dockerfile) -> dict[int, set[str]]:
    """By the place of an instruction: the rules that comments above it silence, and with them
    what says the same."""
    found: dict[int, set[str]] = {}
    for place, line in enumerate(dockerfile.instructions):
        names = {name for comment in line.comments for name in silenced_by(comment.text)}
        if names:
            found[place] = {same for name in names for same in names_of(name)}
    return found


def silenced_by(comment: str) -> Sequence[str]:
    """The rules that a comment silences for the instruction below it: `lamina ignore=a,b`,
    `hadolint ignore=DL3009`, `check=skip=UndefinedVar`."""
    if match := _PRAGMA.match(comment):
        return _NAME.findall(match["names"])
    name, value = directive(comment) or ("", "")
    return _skipped(value) if name == "check" else ()


def _skipped(value: str) -> Sequence[str]:
    """The rules that what follows `check=` leaves out."""
    parts = value.split(" ")[0].split(";")
    skipped = [part.partition("=")[2] for part in parts if part.startswith("skip=")]
    return _NAME.findall(skipped[0]) if skipped else ()
