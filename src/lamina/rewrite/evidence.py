"""What is known of an image that a Dockerfile made: which layer each step left.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from lamina.errors import CheckFailed
from lamina.explain.cause import instruction
from lamina.explain.stack import Stack
from lamina.layer.entry import Entry
from lamina.layer.union import Hidden
from lamina.oci.config import ImageConfig
from lamina.rewrite.document import Document, Step
from lamina.rewrite.finding import UNKNOWN, Amount
from lamina.rewrite.paths import covers, removed


class Files(Protocol):
    """The files that COPY copies from."""

    def read(self, path: str) -> bytes | None:
        """The content of a file, None when there is no such file; `path` is relative."""
        ...

    def has(self, path: str) -> bool:
        """Whether there is anything at a path."""
        ...


class AnotherImage(CheckFailed):
    """An image was not made by this Dockerfile, as far as its history tells."""

    def __init__(self, image: str, document: Document, step: Step | None, says: str) -> None:
        name = document.dockerfile.source.name
        place = f"{name}:{step.line.span.line}" if step is not None else name
        has = f"its history has {says!r} there" if says else "its history is shorter"
        super().__init__(
            f"{image} was not made by {place}: {has}",
            hint="build it again, or leave the image out: then bytes are estimated",
        )


class Evidence:
    """Bytes by step; nothing is known when there is no image."""

    def __init__(
        self,
        stack: Stack | None = None,
        layers: Sequence[frozenset[int]] = (),
        context: Files | None = None,
    ) -> None:
        self.stack = stack
        self.context = context
        """What COPY copies from; None when nobody looked."""
        self.layers = layers
        """For each instruction of the file, the layers that it left."""

    def hidden(self, lower: Step, upper: Step) -> int | None:
        """Bytes that one step shipped and another hides; None when that is not known.

        What the lower step removes at its end it does not ship: it was edited, and the image
        is older than that.
        """
        if self.stack is None:
            return None
        below, above = self._own(lower), self._own(upper)
        accounts = self.stack.account.layers
        total = sum(accounts[layer].hidden_by.get(by, 0) for layer in below for by in above)
        gone = _removed_last(lower) if total else []
        if not gone:
            return total
        return total - sum(
            each.entry.size
            for each in self.stack.account.hidden
            if each.layer in below
            and each.hidden_by in above
            and any(covers(path, f"/{each.entry.path}") for path in gone)
        )

    def shipped(self, step: Step, is_meant: Callable[[str], bool]) -> Amount:
        """Bytes at paths that are meant which a step left, whether a later one hides them or
        not; what it hid itself it did not leave."""
        own = self._own(step)
        return self._left(step, is_meant, lambda hidden: hidden.hidden_by in own)

    def visible(self, step: Step, is_meant: Callable[[str], bool]) -> Amount:
        """Of those the bytes that can be seen in the image."""
        return self._left(step, is_meant, lambda hidden: True)

    def _left(
        self, step: Step, is_meant: Callable[[str], bool], is_gone: Callable[[Hidden], bool]
    ) -> Amount:
        own = self._own(step)
        if self.stack is None or not own:
            return UNKNOWN
        gone = {
            id(each.entry)
            for each in self.stack.account.hidden
            if each.layer in own and is_gone(each)
        }
        total = sum(
            entry.size
            for layer in own
            for entry in self.stack.listings[layer].entries
            if entry.size and id(entry) not in gone and is_meant(entry.path)
        )
        return Amount(total, "measured")

    def _own(self, step: Step) -> frozenset[int]:
        return self.layers[step.index] if self.stack is not None else frozenset()

    def moved(self, layers: Sequence[frozenset[int]]) -> Evidence:
        """The same for a file that was edited."""
        return Evidence(self.stack, layers, self.context)

    def found_below(self, step: Step, path: str) -> bool | None:
        """Whether the image has something at a path before a step; None when that is not known."""
        below = self._below(step)
        return None if below is None else below.union.get(path.strip("/")) is not None

    def found_inside(self, step: Step, path: str) -> bool | None:
        """Whether anything is in a directory before a step; None when that is not known."""
        below = self._below(step)
        return None if below is None else bool(below.union.children(path.strip("/")))

    def text_below(self, step: Step, path: str) -> str | None:
        """A text file as a step finds it; None when it is not there or not known."""
        below = self._below(step)
        data = below.read(path.strip("/")) if below is not None else None
        return None if data is None else data.decode("utf-8", "replace")

    def left(self, step: Step, path: str) -> Entry | None:
        """What a step left at a path; None when that is nothing, or not known."""
        if self.stack is None:
            return None
        for layer in sorted(self.layers[step.index], reverse=True):
            for entry in self.stack.listings[layer].entries:
                if entry.path == path.strip("/"):
                    return entry
        return None

    def _below(self, step: Step) -> Stack | None:
        own = self._own(step)
        return self.stack.lowest(min(own)) if self.stack is not None and own else None


def evidence_of(document: Document, stack: Stack) -> Evidence:
    """The layers of an image by the instruction that left them.

    Raises AnotherImage when its history is not that of the file's last stage.
    """
    config = stack.config
    # BuildKit writes no line for ONBUILD, docker's classic builder does.
    steps = [each for each in document.shipped_steps if each.keyword != "ONBUILD"]
    lines = _lines(config) if config is not None else []
    if len(lines) < len(steps):
        raise AnotherImage(stack.name, document, None, "")
    layers = [frozenset[int]() for _ in document.dockerfile.instructions]
    for step, (told, number) in zip(steps, lines[len(lines) - len(steps) :], strict=True):
        if not _is_same(step, told):
            raise AnotherImage(stack.name, document, step, told)
        if number is not None:
            layers[step.index] = frozenset({number})
    return Evidence(stack, layers)


def _removed_last(step: Step) -> list[str]:
    """The paths that the last command of a step removes."""
    if step.script is None:
        return []
    last = msgspec.structs.replace(step.script, commands=step.script.commands[-1:])
    return removed(last, step.state.cwd)


def _lines(config: ImageConfig) -> list[tuple[str, int | None]]:
    """The instructions of the history but for ONBUILD, each with the place of its layer, counted
    from 0."""
    found: list[tuple[str, int | None]] = []
    count = 0
    for line in config.history:
        told = instruction(line)
        if not told.startswith("ONBUILD "):
            found.append((told, None if line.empty_layer else count))
        count += not line.empty_layer
    return found


def _is_same(step: Step, told: str) -> bool:
    keyword, _, rest = told.partition(" ")
    if keyword != step.keyword:
        return False
    if keyword != "RUN" or step.line.heredocs or step.line.json is not None:
        return True
    return " ".join(rest.split()).endswith(" ".join(step.line.text.split()))


def estimated(bytes: int) -> Amount:  # noqa: A002 - it is what the number is of
    """An amount that nobody measured in this image."""
    return Amount(bytes, "estimated")


class Total(msgspec.Struct, frozen=True):
    """Amounts added up."""

    measured: int
    estimated: int
    unknown: int
    """How many are not known."""


def total(amounts: Sequence[Amount]) -> Total:
    """The sum of amounts, by what they are based on."""
    sums = {basis: [e for e in amounts if e.basis == basis] for basis in ("measured", "estimated")}
    return Total(
        sum(each.bytes for each in sums["measured"]),
        sum(each.bytes for each in sums["estimated"]),
        sum(each.basis == "unknown" for each in amounts),
    )
