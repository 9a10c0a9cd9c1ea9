"""Numbers and names of a build's views, in words.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.text import clip, escape, prose_size, width

if TYPE_CHECKING:
    from lamina.cli.build_view import Ending, Moved, Task


def clock(seconds: float) -> str:
    """A length of time: `3.2 s`, `1 min 05 s`, `2 h 10 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def hidden(ending: Ending) -> str:
    """What a step hides: `hides 52.4 MB of step 2`."""
    return ", ".join(f"hides {prose_size(size)} of {what}" for what, size in ending.hides)


def added(ending: Ending) -> str:
    """What a step added: `+52.4 MB`."""
    return "" if ending.size is None else f"+{prose_size(ending.size)}"


def heading(task: Task) -> str:
    """A task on one line: `2/4 RUN make`, with its stage when there are several."""
    stage = task.place.rpartition(" ")[0] if task.number else task.place
    parts = (
        f"{task.number}/{task.total}" if task.number else "",
        f"[{stage}]" if stage else "",
        escape(task.title),
    )
    return " ".join(filter(None, parts))


def transfer(moved: Moved) -> str:
    """How far an item is: `Pulling 12.3 MB of 29.1 MB`."""
    if moved.ended or not (moved.done or moved.total):
        return moved.what
    far = prose_size(moved.done)
    return (
        f"{moved.what} {far} of {prose_size(moved.total)}" if moved.total else f"{moved.what} {far}"
    )


def fitted(text: str, columns: int) -> str:
    """`text` in exactly so many columns."""
    text = clip(text, columns)
    return text + " " * (columns - width(text))
