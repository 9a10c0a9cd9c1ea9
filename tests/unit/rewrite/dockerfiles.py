"""Dockerfiles as the linter sees them: with the image that they made, or the files they copy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent

from lamina.context.directory import Context
from lamina.context.ignoring import ignore_file
from lamina.rewrite.document import Document
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.lint_rule import View
from lamina.rewrite.lint_rules import own_problems
from tests.fakes.stacks import Files, stack_of_files


def view(
    text: str,
    *,
    layers: Sequence[Files] = (),
    base: Files | None = None,
    context: Path | None = None,
) -> View:
    """A Dockerfile; `layers` are those that its steps left, in order, on `base`."""
    document = Document.read(dedent(text))
    evidence = Evidence()
    if layers:
        below = [base] if base is not None else []
        stack = stack_of_files([*below, *layers])
        of_step = [frozenset[int]() for _ in document.dockerfile.instructions]
        makers = [each for each in document.shipped_steps if each.keyword in ("RUN", "COPY", "ADD")]
        assert len(makers) == len(layers), "a layer for each step that makes one"
        for number, step in enumerate(makers, len(below)):
            of_step[step.index] = frozenset({number})
        evidence = Evidence(stack, of_step)
    tree = Context(context, ignore_file(context, None)) if context is not None else None
    return View(document, evidence, tree)


def found(seen: View, *rules: str) -> list[tuple[str, int, int]]:
    """Rule, line and bytes of what our rules find; of some rules, or of all."""
    problems, unasked = own_problems(seen)
    assert not unasked
    return [
        (each.rule, each.first_line, each.amount.bytes)
        for each in problems
        if not rules or each.rule in rules
    ]


def lay(directory: Path, files: Mapping[str, object]) -> Path:
    """Files of a context: so many bytes (none of them on disk), or a text."""
    for path, content in files.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            place.touch()
            os.truncate(place, content)
        else:
            place.write_text(str(content))
    return directory
