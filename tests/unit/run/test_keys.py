"""Keys that detach, found however they come."""

from __future__ import annotations

import pytest

from lamina.run.keys import BadKeys, Typed, detach_keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", b""),
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("a,ctrl-c", b"a\x03"),
        ("ctrl-@", b"\0"),
        ("ctrl-[", b"\x1b"),
        ("ctrl-A", b"\x01"),
    ],
)
def test_keys_by_their_names(text: str, keys: bytes) -> None:
    assert detach_keys(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-ab", "ctrl-1", "ab", ",", "a,,b", "ü"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(BadKeys):
        detach_keys(text)


def test_they_are_found_in_the_middle_and_in_pieces() -> None:
    typed = Typed(b"\x10\x11")
    assert typed.feed(b"ls\n\x10") == b"ls\n"
    assert typed.feed(b"x\x10\x10") == b"\x10x\x10"
    assert not typed.detached
    assert typed.feed(b"\x11after") == b""
    assert typed.detached


def test_without_keys_everything_passes() -> None:
    typed = Typed(b"")
    assert typed.feed(b"\x10\x11") == b"\x10\x11"
    assert not typed.detached
