"""`--explain-cache`: for each step why the cache had it or not, as lines for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from lamina.text import clip, escape, width

if TYPE_CHECKING:
    from lamina.build.reason import Cause, Reason
    from lamina.cli.build_view import View

_DIM, _OFF = "\x1b[2m", "\x1b[0m"
_VERDICTS = {"hit": "cached", "miss": "carried out", "unneeded": "not needed", "unreached": "–"}
_NARROWEST, _WIDEST = 40, 100
_IN_A_LOG = 100
"""Columns where there is no terminal."""


def explaining(view: View, *, colored: bool) -> Callable[[Sequence[Reason]], None]:
    """What shows reasons in a view."""

    def explain(reasons: Sequence[Reason]) -> None:
        with view.lock:
            for line in lines(reasons, _columns(), colored=colored):
                view.say(line)

    return explain


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _IN_A_LOG
    except OSError:
        return _IN_A_LOG


def lines(reasons: Sequence[Reason], columns: int, *, colored: bool) -> Iterator[str]:
    """A heading for each step with what came of it, and below it why."""
    total = len(reasons)
    for reason in reasons:
        verdict = _VERDICTS[reason.outcome]
        stage = reason.place.rpartition(" ")[0]
        head = f" {reason.number}/{total} {f'[{stage}] ' if stage else ''}{escape(reason.title)}"
        room = max(_NARROWEST, min(columns - 1, _WIDEST)) - width(verdict) - 2
        head = clip(head, room)
        shown = [head + " " * (room - width(head)) + "  " + verdict]
        wide = max(_NARROWEST, columns - 1)
        shown += [clip(f"     {line}", wide) for each in reason.causes for line in _told(each)]
        if colored and reason.outcome != "miss":
            shown = [f"{_DIM}{line}{_OFF}" for line in shown]
        yield from shown


def _told(cause: Cause) -> Iterator[str]:
    """One cause; what an image or a Dockerfile wrote is escaped."""
    subject, was, now = (escape(each) for each in (cause.subject, cause.was, cause.now))
    match cause.kind:
        case "instruction":
            yield from ("the instruction changed", f"  was  {was}", f"  now  {now}")
        case "option":
            yield from _pair(subject, was, now)
        case "variable":
            yield from _pair(f"{subject} (ARG or ENV)", was, now)
        case "epoch":
            yield from _pair("SOURCE_DATE_EPOCH", was, now)
        case "base":
            yield from _pair(f"the base {subject}", was, now)
        case "below":
            yield f"{subject or 'a step'} below it made another layer: {was} → {now}"
        case "origin":
            yield f"{subject} comes from {now} now, not from {was}"
        case "source":
            yield f"what it reads from {subject} changed: {was} → {now}"
        case "files":
            yield from _files(subject, cause)
        case "same":
            yield _same(subject, cause.total)
        case _:
            yield _SENTENCES[cause.kind].format(subject=subject, was=was)


_SENTENCES = {
    "never": "never built here",
    "version": "this version of Lamina knows steps by other keys",
    "anew": "asked for anew: {subject}",
    "pruned": "built here before, but its layer {was} is gone: pruned",
    "elsewhere": "from {subject}",
}


def _pair(what: str, was: str, now: str) -> Iterator[str]:
    """On one line when it is short."""
    if width(was) + width(now) <= 40:
        yield f"{what}: {was} → {now}"
    else:
        yield from (f"{what} changed", f"  was  {was}", f"  now  {now}")


def _files(where: str, cause: Cause) -> Iterator[str]:
    if not cause.total:
        yield f"what it reads from {where} is another selection of the same files"
        return
    count = "1 file" if cause.total == 1 else f"{cause.total} files"
    yield f"{count} of {where} {'is' if cause.total == 1 else 'are'} not as before"
    names = [clip(escape(each.path), 48) for each in cause.changes]
    wide = max(map(width, names))
    for name, each in zip(names, cause.changes, strict=True):
        change = f"{each.what} {each.was} → {each.now}" if each.was else each.what
        yield f"  {name}{' ' * (wide - width(name))}   {change}"
    if cause.total > len(cause.changes):
        yield f"  and {cause.total - len(cause.changes)} more"


def _same(how: str, files: int) -> str:
    parts = ["same instruction", "same layers below"]
    if how == "content":
        return "what it reads was made anew or lies elsewhere, with the same content"
    if how == "linked":
        parts.pop()
    if files:
        parts.append("same file" if files == 1 else f"same {files} files")
    return ", ".join(parts)
