"""What COPY and ADD take along of the context that an image seldom wants.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lamina.layer.entry import Kind
from lamina.rewrite.finding import Finding
from lamina.rewrite.lint_rule import LintRule, View, measured
from lamina.text import prose_size

LARGE = 20_000_000
"""Bytes of a file that somebody should have meant to copy."""
_DIRECTORIES = {
    *(".git", ".hg", ".svn"),
    *("node_modules", ".pnpm-store", ".npm"),
    *("__pycache__", ".venv", "venv", ".tox", ".nox", ".eggs"),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints"),
    *(".idea", ".vscode", ".terraform", ".gradle"),
}
_FILES = {".DS_Store", "Thumbs.db", ".coverage"}
_SUFFIXES = (".pyc", ".pyo", ".swp", ".hprof")
_TOLD = 3


def _unwanted(view: View, rule: LintRule) -> Iterator[Finding]:
    for step, copied, taken in view.copied:
        if copied.entry.kind is not Kind.DIRECTORY:
            continue
        found: dict[str, int] = {}
        root = len(copied.entry.path) + 1 if copied.entry.path else 0
        for entry in taken:
            if name := unwanted_name(entry.path[root:]):
                found[name] = found.get(name, 0) + entry.size
        if not found:
            continue
        ordered = sorted(found, key=lambda name: -found[name])
        told = _listed([(name, found[name]) for name in ordered])
        place = step.line.place(copied.source)
        advice = f"write {', '.join(map(_pattern, ordered))} into .dockerignore, a line each"
        message = f"{step.keyword} {copied.source} takes {told} along"
        amount = measured(sum(found.values()))
        yield rule.found(step.line, message, amount=amount, span=place, advice=advice)


def unwanted_name(path: str) -> str:
    """The part of a path for which an image seldom wants it; empty when there is none."""
    *above, name = path.split("/")
    for part in above:
        if part in _DIRECTORIES:
            return part
    if name in _FILES:
        return name
    if name.endswith(_SUFFIXES):
        return f"*{name[name.rindex('.') :]}"
    return ""


def _pattern(name: str) -> str:
    """How an ignore file says it, wherever it lies."""
    return f"**/{name}"


def _large(view: View, rule: LintRule) -> Iterator[Finding]:
    for step, copied, taken in view.copied:
        if copied.entry.kind is not Kind.DIRECTORY:
            continue  # its name stands in the file: somebody wants it
        root = len(copied.entry.path) + 1 if copied.entry.path else 0
        large = [
            entry for entry in taken if entry.size >= LARGE and not unwanted_name(entry.path[root:])
        ]
        if not large:
            continue
        large.sort(key=lambda entry: -entry.size)
        told = _listed([(entry.path, entry.size) for entry in large])
        what = "a large file" if len(large) == 1 else "large files"
        message = f"{step.keyword} {copied.source} takes {what} along: {told}"
        amount = measured(sum(entry.size for entry in large))
        yield rule.found(step.line, message, amount=amount, span=step.line.place(copied.source))


def _listed(sizes: Sequence[tuple[str, int]]) -> str:
    """Names with their bytes; of one name the finding has them."""
    if len(sizes) == 1:
        return sizes[0][0]
    told = ", ".join(f"{name} ({prose_size(size)})" for name, size in sizes[:_TOLD])
    return told if len(sizes) <= _TOLD else f"{told} and {len(sizes) - _TOLD} more"


COPIES_UNWANTED = LintRule(
    "copies-unwanted",
    "COPY and ADD take no histories, caches and environments of the developer along",
    "name them in .dockerignore",
    "warning",
    _unwanted,
)
COPIES_LARGE = LintRule(
    "copies-large-files",
    "a file of 20 MB and more is copied by its name, not with the directory it lies in",
    "name it in .dockerignore, or in a COPY of its own if the image needs it",
    "info",
    _large,
)
