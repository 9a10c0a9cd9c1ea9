"""Base images by a name that stands for another image tomorrow.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.dockerfile.instruction import Instruction
from lamina.rewrite.finding import Finding
from lamina.rewrite.lint_rule import LintRule, View


def _images(view: View) -> Iterator[tuple[Instruction, str]]:
    """The FROM of each stage that starts from an image that is written out, and the image."""
    for stage in view.document.stages:
        image = stage.head.words()[0]
        if stage.base is None and image != "scratch" and "$" not in image:
            yield stage.head, image


def _tag(image: str) -> str | None:
    """The tag of an image's name; empty without one, None when a digest pins it."""
    if "@" in image:
        return None
    return image.rpartition("/")[2].partition(":")[2]


def _untagged(view: View, rule: LintRule) -> Iterator[Finding]:
    for line, image in _images(view):
        if _tag(image) == "":
            message = f"{image} has no tag, so it is what its maintainers call latest"
            yield rule.found(line, message, span=line.place(image))


def _latest(view: View, rule: LintRule) -> Iterator[Finding]:
    for line, image in _images(view):
        if _tag(image) == "latest":
            message = f"{image} is another image when its maintainers publish one"
            yield rule.found(line, message, span=line.place(image))


UNTAGGED = LintRule(
    "untagged-base",
    "a base image is named with its version",
    "name the version, as in debian:12-slim, or the digest",
    "warning",
    _untagged,
)
LATEST = LintRule(
    "latest-tag",
    "no base image is called latest",
    "name the version, as in debian:12-slim, or the digest",
    "warning",
    _latest,
)
