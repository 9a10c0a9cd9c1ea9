"""What a rule says of a Dockerfile, with its evidence in bytes and its edits.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from lamina.dockerfile.source import Span

Severity = Literal["edit", "suggestion"]
"""An edit is proved to be safe and is made; a suggestion is for its reader to judge."""
Basis = Literal["measured", "estimated", "unknown"]


class Amount(msgspec.Struct, frozen=True):
    """How many bytes of the image a finding is about."""

    bytes: int
    """0 when the basis is `unknown`."""
    basis: Basis
    """Measured in a built image; estimated from the text, or from a table of usual sizes."""


UNKNOWN = Amount(0, "unknown")


class Edit(msgspec.Struct, frozen=True, order=True):
    """`text` in place of what stands from `start` to `end` in a Dockerfile's text."""

    start: int
    end: int
    text: str


class Finding(msgspec.Struct, frozen=True):
    """A rule that does not hold at a place."""

    rule: str
    severity: Severity
    span: Span
    """Where it is; `line` and `last_line` are those of the instruction."""
    message: str
    """What is the matter."""
    amount: Amount = UNKNOWN
    edits: tuple[Edit, ...] = ()
    """The remedy.  A suggestion has edits too where the remedy can be written down, and needs
    only somebody's word that it is wanted."""
    reason: str = ""
    """Why a suggestion is no edit, as half a sentence."""
    advice: str = ""
    """What to do, when there are no edits."""


def apply(text: str, edits: Sequence[Edit]) -> str:
    """`text` with edits that do not overlap."""
    parts, place = [], 0
    for edit in sorted(edits):
        parts += [text[place : edit.start], edit.text]
        place = edit.end
    return "".join([*parts, text[place:]])


def clash(edits: Sequence[Edit], others: Sequence[Edit]) -> bool:
    """Whether some two of them touch: at one place the order of two insertions is open."""
    return any(
        one.start <= other.end and other.start <= one.end for one in edits for other in others
    )


def before(place: int, edits: Sequence[Edit]) -> int:
    """Where in the old text something stands that is at `place` in the new one."""
    shift = 0
    for edit in sorted(edits):
        start = edit.start + shift
        if place < start:
            break
        if place < start + len(edit.text):
            return edit.start
        shift += len(edit.text) - (edit.end - edit.start)
    return place - shift


def behind(place: int, edits: Sequence[Edit]) -> int:
    """Where in the new text something stands that was at `place` in the old one."""
    shift = 0
    for edit in sorted(edits):
        if place < edit.start:
            break
        if place < edit.end:
            return edit.start + shift
        shift += len(edit.text) - (edit.end - edit.start)
    return place + shift
