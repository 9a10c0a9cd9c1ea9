"""COPY or ADD of what a later RUN deletes: seen in the text, without an image.  Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase

from lamina.rewrite.document import Step
from lamina.rewrite.finding import UNKNOWN, Amount, Finding
from lamina.rewrite.lint_rule import LEAST, LintRule, View, measured
from lamina.shell.script import Word

_ARCHIVES = (".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip")
_CONDITIONS = {"if", "case", "function", "substitution"}
_UNKNOWN_MARKS = set("$`~{[\\'\"")


def _judge(view: View, rule: LintRule) -> Iterator[Finding]:
    if view.evidence.stack is not None:
        return  # what is measured tells better: that is the rule hidden-bytes
    # Shipped stages stand on each other, so what is later in the file stands above.
    copies = [each for each in view.document.shipped_steps if each.keyword in ("COPY", "ADD")]
    removed = list(_removed(view.document.shipped_steps)) if copies else []
    for step in copies:
        for path, source in targets(step):
            later = (by for by, pattern in removed if by.index > step.index and pattern(path))
            remover = next(later, None)
            if remover is None:
                continue
            amount = _amount(view, step, source)
            if amount.basis == "measured" and amount.bytes < LEAST:
                continue
            message = f"line {remover.line.span.line} deletes {path}, which this layer ships"
            place = step.line.place(source)
            advice = _advice(step, source)
            yield rule.found(step.line, message, amount=amount, span=place, advice=advice)


def targets(step: Step) -> Iterator[tuple[str, str]]:
    """The files and directories that a COPY or ADD makes, as far as the text says: path in the
    image, and the source."""
    words = step.line.words()
    if len(words) < 2 or step.line.heredocs or set("".join(words)) & set("$"):
        return
    *sources, target = words
    if not target.startswith("/"):
        if not step.state.cwd:
            return
        target = posixpath.join(step.state.cwd, target)
    into = len(sources) > 1 or posixpath.basename(target) in ("", ".", "..")
    for source in sources:
        name = posixpath.basename(source.rstrip("/"))
        if into and name not in ("", ".", "..") and not set(name) & set("*?["):
            yield posixpath.normpath(posixpath.join(target, name)), source
        elif not into and name not in ("", "."):
            yield posixpath.normpath(target), source


def _removed(steps: Sequence[Step]) -> Iterator[tuple[Step, Callable[[str], bool]]]:
    """What RUNs surely delete of earlier layers: the step, and whether a path is meant."""
    for step in steps:
        text = step.line.text
        # A mount may lie over what is deleted; and not every script is worth reading.
        if step.keyword != "RUN" or step.has_mounts or not ("rm" in text or "unlink" in text):
            continue
        for command in step.commands("rm", "unlink"):
            if set(command.around) & _CONDITIONS:
                continue
            for word in command.arguments:
                if (meant := _meant(word, step.state.cwd)) is not None:
                    yield step, meant


def _meant(word: Word, cwd: str) -> Callable[[str], bool] | None:
    """Whether a path is what an argument of `rm` means, or is in it; None when it is not known
    what the argument means."""
    text = word.value if word.value is not None else word.text
    if text.startswith("-") or (word.value is None and set(text) & _UNKNOWN_MARKS):
        return None
    if not text.startswith("/"):
        if not cwd:
            return None
        text = posixpath.join(cwd, text)
    text = posixpath.normpath(text)
    if word.value is not None:
        return lambda path: path == text or path.startswith(f"{text}/")
    # A pattern matches within a directory: as many components, each by itself.
    parts = text.split("/")
    return lambda path: (
        path.count("/") + 1 >= len(parts) and all(map(fnmatchcase, path.split("/"), parts))
    )


def _amount(view: View, step: Step, source: str) -> Amount:
    """The bytes of a source in the context."""
    size = sum(
        entry.size
        for by, copied, taken in view.copied
        if by is step and copied.source == source
        for entry in taken
    )
    return measured(size) if size else UNKNOWN


def _advice(step: Step, source: str) -> str:
    if step.keyword == "ADD" and "://" in source:
        return "fetch it in the RUN that uses it, and delete it there"
    if source.endswith(_ARCHIVES) and not source.endswith(".zip") and step.keyword == "COPY":
        return "ADD unpacks archives and does not keep them; RUN --mount=type=bind shows one"
    return ""


COPIED_THEN_DELETED = LintRule(
    "copied-then-deleted",
    "what COPY and ADD bring is not deleted by a later step",
    "RUN --mount=type=bind shows files to a step and ships none of them",
    "warning",
    _judge,
)
