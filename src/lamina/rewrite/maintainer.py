"""MAINTAINER, which every builder calls deprecated, as the label that took its place.  Pure.

Safe: no step can read either of them.  The image's `author` field goes, and the label comes;
that is what the rule is for.
"""

from __future__ import annotations

from collections.abc import Iterator

from lamina.rewrite.document import Document
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.finding import Amount, Edit, Finding
from lamina.rewrite.rule import Rule

_LABEL = "org.opencontainers.image.authors"


def _judge(document: Document, evidence: Evidence) -> Iterator[Finding]:
    for step in document.steps:
        if step.keyword != "MAINTAINER":
            continue
        text = _quoted(step.line.text, document.escape)
        yield Finding(
            MAINTAINER_LABEL.name,
            "edit",
            step.line.span,
            f"MAINTAINER is deprecated: the label {_LABEL} says who made an image",
            Amount(0, "measured"),
            (Edit(step.start, step.end, f"LABEL {_LABEL}={text}"),),
        )


def _quoted(text: str, escape: str) -> str:
    """A name as a label's value.  MAINTAINER replaces no variables, so none may be here."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return '"' + "".join(escape * (each in {'"', "$", escape}) + each for each in text) + '"'


MAINTAINER_LABEL = Rule(
    "maintainer-label",
    "writes MAINTAINER as the label that took its place",
    _judge,
    settings=(f"label {_LABEL}",),
)
