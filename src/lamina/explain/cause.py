"""What made a layer: the instruction, as its author wrote it, and the image it came with.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from lamina.oci.config import History, ImageConfig
from lamina.oci.digest import Digest

_SHELL = re.compile(r"(?:RUN )?(?:\|\d+ .*?)?/bin/sh -c (.*)")
"""How Docker's two builders write a command down: `|2 A=1 B=2` are its build arguments."""
_NOP = "#(nop)"
_BUILDKIT = " # buildkit"


class Origin(msgspec.Struct, frozen=True):
    """Where a layer comes from."""

    label: str
    """What the layer is called: its number, 1 is the lowest; `rw` for a container's own."""
    instruction: str
    """For people: `RUN apt-get update`."""
    created_by: str = ""
    """As the image's history has it."""
    created: str = ""


class Base(msgspec.Struct, frozen=True):
    """The image that another one starts from."""

    name: str
    layers: int
    """How many of the lowest layers are its own."""


def instruction(line: History) -> str:
    """A history line as one line of a Dockerfile; its comment when nothing else is known."""
    text = " ".join(line.created_by.split()).removesuffix(_BUILDKIT)
    if not text:
        return " ".join(line.comment.split())
    if match := _SHELL.fullmatch(text):
        command = match[1]
        if command.startswith(_NOP):
            return command.removeprefix(_NOP).strip()
        return f"RUN {command}"
    # Another SHELL than /bin/sh: the classic builder wrote its path first.
    return f"RUN {text}" if text.startswith(("/", "|")) else text


def origins(config: ImageConfig) -> list[Origin]:
    """The origin of each layer of an image, the lowest first."""
    return [
        Origin(str(number), instruction(line), line.created_by, line.created or "")
        for number, line in enumerate(config.causes, 1)
    ]


def base_of(
    layers: Sequence[Digest], others: Iterable[tuple[str, Sequence[Digest]]]
) -> Base | None:
    """The largest of `others` that an image with these layers starts from, by its layers.

    Equal images are no base of each other.  Among several names of one the first counts.
    """
    best: Base | None = None
    for name, theirs in others:
        count = len(theirs)
        if best is not None and count <= best.layers:
            continue
        if 0 < count < len(layers) and list(layers[:count]) == list(theirs):
            best = Base(name, count)
    return best
