"""The layers that an instruction made, found by a part of its text.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from lamina.errors import NotFound
from lamina.explain.cause import instruction
from lamina.explain.stack import Stack
from lamina.text import clip, escape

_NEAR = 3
_CLIPPED = 60


class NoSuchInstruction(NotFound):
    """No layer was made by an instruction with that text."""

    def __init__(self, text: str, name: str, near: Sequence[str], *, makes_no_layer: bool) -> None:
        told = [clip(escape(each), _CLIPPED) for each in near]
        if makes_no_layer:
            super().__init__(f"no layer of {name} is by {text!r}: that instruction makes none")
        else:
            hint = f"similar there: {'; '.join(told)}" if told else ""
            super().__init__(f"no instruction of {name} contains {text!r}", hint=hint)


def layers_by(stack: Stack, text: str) -> list[int]:
    """The layers whose instruction contains `text`, whatever the case, the lowest first.

    Raises NoSuchInstruction.
    """
    wanted = text.casefold()
    found = [
        layer
        for layer, origin in enumerate(stack.origins)
        if wanted in origin.instruction.casefold() or wanted in origin.created_by.casefold()
    ]
    if found:
        return found
    history = stack.config.history if stack.config else ()
    idle = any(wanted in instruction(line).casefold() for line in history if line.empty_layer)
    raise NoSuchInstruction(text, stack.name, _near(stack, text), makes_no_layer=idle)


def _near(stack: Stack, text: str) -> list[str]:
    """The instructions with a word that is like one of `text`; else the last ones."""
    instructions = [each.instruction for each in stack.origins if each.instruction]
    words = text.casefold().split()
    near = [
        each
        for each in instructions
        if any(get_close_matches(word, each.casefold().split(), 1, 0.6) for word in words)
    ]
    return (near or instructions[::-1])[:_NEAR]
