"""The kinds of error: few, and known by name."""

from __future__ import annotations

import inspect

from lamina import errors
from lamina.build.errors import CommandFailed
from lamina.errors import KINDS, EngineError


def test_every_kind_is_known_by_its_name_and_by_nothing_else() -> None:
    defined = [
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, EngineError) and each is not EngineError
    ]
    assert sorted(KINDS.items()) == sorted((each.kind, each) for each in defined)


def test_a_kind_takes_a_message_and_a_hint() -> None:
    for kind in KINDS.values():
        made = kind("what failed", hint="what to do")
        assert (str(made), made.hint) == ("what failed", "what to do")


def test_errors_of_the_parts_do_not_stand_for_their_kind() -> None:
    assert CommandFailed not in KINDS.values()
