"""File modes as `--chmod` has them: octal, or the symbols of chmod(1).  Pure.

The symbols are BSD's, as BuildKit has them: no umask, `X` looks at the mode that the
file had to begin with, and `a` is everything but the sticky bit.
"""

from __future__ import annotations

import re

import msgspec

from lamina.errors import Invalid

_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o0007, "a": 0o6777}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
_CLASSES = {"u": 6, "g": 3, "o": 0}
_EXECUTE = 0o111
_STICKY = 0o1000
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")


class BadMode(Invalid):
    """The text is no mode."""

    def __init__(self, text: str) -> None:
        super().__init__(f"not a mode: {text}", hint="as in 0755 or u=rwX,go=rX")


class _Action(msgspec.Struct, frozen=True):
    """One `+x`: for whom, how, and what."""

    who: int
    sign: str
    permissions: str

    def apply(self, mode: int, original: int, *, directory: bool) -> int:
        bits = 0
        for letter in self.permissions:
            if letter in _CLASSES:
                bits |= _EXECUTE * (mode >> _CLASSES[letter] & 7)
            elif letter != "X":
                bits |= _BITS[letter]
            elif directory or original & _EXECUTE:
                bits |= _EXECUTE
        affected = self.who
        if bits & _STICKY and affected != _WHO["o"]:
            affected |= _STICKY
        if self.sign == "-":
            return mode & ~(bits & affected)
        kept = mode & ~affected if self.sign == "=" else mode
        return kept | bits & affected


class Mode(msgspec.Struct, frozen=True):
    """What a mode becomes."""

    octal: int | None = None
    """This, whatever it was."""
    actions: tuple[_Action, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Mode:
        """`0755`, `u=rwX,go=rX`, `+x`.  Raises BadMode."""
        if re.fullmatch("[0-7]+", text):
            if int(text, 8) > 0o7777:
                raise BadMode(text)
            return cls(int(text, 8))
        actions: list[_Action] = []
        for part in text.split(","):
            clause = _CLAUSE.fullmatch(part)
            if clause is None:
                raise BadMode(text)
            who = 0
            for letter in clause[1] or "a":
                who |= _WHO[letter]
            actions += [_Action(who, *action) for action in _ACTION.findall(clause[2])]
        return cls(None, tuple(actions))

    def apply(self, mode: int, *, directory: bool) -> int:
        """The bits that a file of these bits gets."""
        if self.octal is not None:
            return self.octal
        result = mode
        for action in self.actions:
            result = action.apply(result, mode, directory=directory)
        return result
