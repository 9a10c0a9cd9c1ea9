"""Differences of two images, and what accounts for them."""

from __future__ import annotations

import pytest

from lamina.explain.stack import Stack
from lamina.rewrite.explained import SEEN, outcome
from lamina.rewrite.rule import Rule
from tests.fakes.stacks import Files, stack_of_files

CLEANS = Rule("cleans", "cleans up", lambda *_: (), ("var/cache/**", "**/.cache/pip/**"))


def never() -> Stack:
    raise AssertionError("everything is explained: no second build is asked for")


def told(old: Files, new: Files, again: Files | None = None) -> dict[str, str]:
    """What explains each path that differs."""
    second = (lambda: stack_of_files([again])) if again is not None else never
    found = outcome(stack_of_files([old]), stack_of_files([new]), [CLEANS], second)
    assert found.unexplained == sum(not each.is_explained for each in found.paths)
    return {each.change.path: each.rule or each.cause for each in found.paths}


@pytest.mark.parametrize("path", ["var/cache/a", "var/cache/d/e", "home/u/.cache/pip/x"])
def test_what_a_rule_may_change(path: str) -> None:
    found = told({path: b"a"}, {})
    assert found[path] == "cleans"
    # A directory that is there for what is in it goes with that.
    assert set(found.values()) == {"cleans"}


def test_a_log_and_a_time_explain_themselves() -> None:
    old: Files = {"var/log/dpkg.log": b"a", "etc/built": b"built 2026-01-01 10:00\n"}
    new: Files = {"var/log/dpkg.log": b"b", "etc/built": b"built 2026-01-02 11:30\n"}
    assert told(old, new) == {"var/log/dpkg.log": "log", "etc/built": "time"}


def test_a_log_that_is_gone_does_not() -> None:
    old: Files = {"var/log/a.log": b"a"}
    assert told(old, {}, old) == {"var": "", "var/log": "", "var/log/a.log": ""}


def test_what_differs_between_two_builds_of_the_old_file() -> None:
    old: Files = {"bin/a": b"\x7fELF1", "srv/tmp.a": b""}
    new: Files = {"bin/a": b"\x7fELF2", "srv/tmp.b": b""}
    seen = dict.fromkeys(["bin/a", "srv/tmp.a", "srv/tmp.b"], SEEN)
    assert told(old, new, {"bin/a": b"\x7fELF3", "srv/tmp.c": b""}) == seen
    assert told(old, new, old) == dict.fromkeys(seen, "")


def test_two_that_are_the_same() -> None:
    assert told({"a": b"a"}, {"a": b"a"}) == {}
