"""The linter's own rules, with those of the rewriting, and what they say of a Dockerfile.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from lamina.context.errors import ContextChanged, Unreadable
from lamina.errors import Unsupported
from lamina.rewrite.finding import Finding
from lamina.rewrite.lint_rule import LintRule, View
from lamina.rewrite.problem import Problem, Severity
from lamina.rewrite.rule import Rule
from lamina.rewrite.rule_base_tag import LATEST, UNTAGGED
from lamina.rewrite.rule_build_tools import BUILD_TOOLS
from lamina.rewrite.rule_context import COPIES_LARGE, COPIES_UNWANTED
from lamina.rewrite.rule_copied_then_deleted import COPIED_THEN_DELETED
from lamina.rewrite.rule_hidden import HIDDEN, HIDDEN_BASE, SHIPPED_TWICE
from lamina.rewrite.rule_layers import MANY_LAYERS
from lamina.rewrite.rule_left import LEFT
from lamina.rewrite.rules import RULES

LINT_RULES: tuple[LintRule, ...] = (
    *(UNTAGGED, LATEST, HIDDEN, HIDDEN_BASE, SHIPPED_TWICE, COPIED_THEN_DELETED),
    *(COPIES_UNWANTED, COPIES_LARGE, MANY_LAYERS, BUILD_TOOLS, *LEFT),
)
"""Those that the linter has beside the rules of `lamina slim --dockerfile`."""

_MEASURED_BETTER = "chain-hidden"
"""What `hidden-bytes` and `shipped-twice` tell of an image with every step and path."""


def own_problems(view: View) -> tuple[tuple[Problem, ...], tuple[str, ...]]:
    """What our rules find, and why some could not look."""
    found: list[Problem] = []
    unasked: list[str] = []
    for problems in _judged(view):
        try:
            found += problems
        except (Unsupported, Unreadable, ContextChanged) as error:
            unasked.append(f"some rules were not asked: {error}; {error.hint}")
    return tuple(found), tuple(dict.fromkeys(unasked))


def _judged(view: View) -> Iterator[Iterator[Problem]]:
    for rule in RULES:
        if view.evidence.stack is None or rule.name != _MEASURED_BETTER:
            yield _of_rewriting(view, rule)
    for lint_rule in LINT_RULES:
        yield _of_lint(view, lint_rule)


def _of_lint(view: View, rule: LintRule) -> Iterator[Problem]:
    for finding in rule.judge(view, rule):
        yield _problem(view, finding, rule.severity)


def _of_rewriting(view: View, rule: Rule) -> Iterator[Problem]:
    name = view.document.dockerfile.source.name
    for finding in rule.judge(view.document, view.evidence):
        problem = _problem(view, finding, "warning" if finding.severity == "edit" else "info")
        if finding.edits and not finding.advice:
            problem = replace(problem, advice=f"lamina slim --dockerfile {name} writes it")
        yield problem


def _problem(view: View, finding: Finding, severity: Severity) -> Problem:
    span = finding.span
    line = next(
        (
            each
            for each in view.document.dockerfile.instructions
            if each.span.line <= span.line <= max(each.span.last_line, each.span.line)
        ),
        None,
    )
    first = line.span.line if line is not None else span.line
    last = line.span.last_line if line is not None else span.line
    return Problem(
        finding.rule,
        "lamina",
        severity,
        finding.message,
        span,
        first,
        max(last, first),
        advice=finding.advice,
        amount=finding.amount,
    )
