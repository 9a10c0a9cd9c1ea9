"""What a rule of the linter is, and what it looks at.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from lamina.dockerfile.instruction import Instruction
from lamina.dockerfile.source import Span
from lamina.rewrite.document import Document
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.finding import UNKNOWN, Amount, Finding
from lamina.rewrite.problem import Severity

if TYPE_CHECKING:
    from lamina.context.tree import Tree
    from lamina.explain.advice import Advice
    from lamina.layer.entry import Entry
    from lamina.rewrite.document import Step
    from lamina.rewrite.sources import Copied

LEAST = 100_000
"""Bytes: fewer of them, where they are measured, are not worth a person's time."""


class View:
    """A Dockerfile, and what is known beside it."""

    def __init__(
        self, document: Document, evidence: Evidence | None = None, context: Tree | None = None
    ) -> None:
        self.document = document
        self.evidence = evidence or Evidence()
        self.context = context
        """The files that COPY and ADD find, as far as no ignore file hides them; None when they
        are not known."""

    @cached_property
    def advice(self) -> Sequence[Advice]:
        """What `explain` advises of the image; nothing when there is none."""
        stack = self.evidence.stack
        if stack is None:
            return ()
        from lamina.explain.advice import advise

        return advise(stack)

    @cached_property
    def copied(self) -> Sequence[tuple[Step, Copied, Sequence[Entry]]]:
        """What COPY and ADD name in the context, and the files that they take: looked for once,
        for there may be many."""
        if self.context is None:
            return ()
        from lamina.rewrite.sources import copied_sources, files

        tree = self.context
        return [
            (step, copied, files(tree, copied))
            for step in self.document.steps
            for copied in copied_sources(tree, step)
        ]


class LintRule(msgspec.Struct, frozen=True):
    """A way to make an image larger than it need be; docs/lint.md has an example of each."""

    name: str
    description: str
    """What holds where it finds nothing."""
    advice: str
    """What to do where it finds something, unless the finding knows better."""
    severity: Severity
    judge: Callable[[View, LintRule], Iterator[Finding]]

    def found(
        self,
        line: Instruction,
        message: str,
        *,
        amount: Amount = UNKNOWN,
        span: Span | None = None,
        advice: str = "",
    ) -> Finding:
        """A finding at `span` of an instruction, at its keyword without one."""
        place = span or line.span
        advice = advice or self.advice
        return Finding(self.name, "suggestion", place, message, amount, advice=advice)


def measured(bytes: int) -> Amount:  # noqa: A002 - it is what the number is of
    """An amount that was counted, in an image or a context."""
    return Amount(bytes, "measured")
