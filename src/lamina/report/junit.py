"""The rules of an image as JUnit's XML, which every CI server shows.  Pure."""

from __future__ import annotations

from lamina.explain.check import Outcome, Verdict
from lamina.explain.stack import Stack
from lamina.report.checks import described, sentence
from lamina.text import escape


def as_junit(stack: Stack, verdict: Verdict, *, limit: int) -> str:
    """A test suite with a test case for each rule; a failure has its `limit` largest causes.

    What XML cannot hold, control characters and undecodable bytes, is written out.
    """
    from xml.etree.ElementTree import Element, SubElement, indent, tostring

    failed = len(verdict.failed)
    counts = {"tests": str(len(verdict.outcomes)), "failures": str(failed), "errors": "0"}
    root = Element("testsuites", counts)
    name = escape(f"lamina explain {stack.name}")
    suite = SubElement(root, "testsuite", {"name": name, **counts, "skipped": "0"})
    properties = SubElement(suite, "properties")
    for key, value in (
        ("image", stack.name),
        ("id", stack.identity),
        ("rules", verdict.source or "default"),
    ):
        SubElement(properties, "property", {"name": key, "value": escape(value)})
    for outcome in verdict.outcomes:
        case = SubElement(
            suite, "testcase", {"classname": name, "name": outcome.rule.name, "time": "0"}
        )
        if not outcome.holds:
            message = sentence(outcome)
            failure = SubElement(case, "failure", {"message": message, "type": outcome.rule.name})
            failure.text = _causes(stack, outcome, limit)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode")


def _causes(stack: Stack, outcome: Outcome, limit: int) -> str:
    lines = [escape(described(stack, each)) for each in outcome.evidence[:limit]]
    if rest := len(outcome.evidence) - limit:
        lines += [f"and {rest} more"] if rest > 0 else []
    return "\n".join([sentence(outcome), *lines])
