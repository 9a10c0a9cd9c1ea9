"""Secrets in what a command prints and in what it leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.build.secrecy import Redactor, parts, places


def redacted(secrets: list[bytes], *pieces: bytes) -> list[bytes]:
    """What is passed on, piece by piece."""
    out: list[bytes] = []
    redactor = Redactor(secrets, out.append)
    for piece in pieces:
        redactor.feed(piece)
    redactor.flush()
    return out


def test_a_secret_and_its_lines() -> None:
    assert parts(b" abcd\n") == [b"abcd"]
    assert parts(b"line one\nline two\n") == [b"line one\nline two", b"line one", b"line two"]
    assert parts(b"abc\n") == []


def test_output_without_secrets_is_passed_on_as_it_comes() -> None:
    assert redacted([], b"a", b"b\n") == [b"a", b"b\n"]
    assert redacted([b"xyz"], b"xyz") == [b"xyz"]


def test_what_cannot_be_a_secret_does_not_wait() -> None:
    assert redacted([b"token"], b"Password: ", b"to", b"day") == [b"Password: ", b"today"]


def test_across_pieces() -> None:
    assert b"".join(redacted([b"token\n"], b"a to", b"k", b"en b")) == b"a *** b"


def test_one_that_begins_like_another() -> None:
    assert b"".join(redacted([b"abcd", b"abcdef"], b"abcd", b"ef abcd", b"e")) == b"*** ***e"


@given(
    st.lists(
        st.binary(max_size=9).map(lambda raw: bytes(97 + each % 2 for each in raw)), max_size=3
    ),
    st.lists(st.binary(max_size=12).map(lambda raw: bytes(97 + each % 3 for each in raw))),
)
def test_pieces_do_not_matter(secrets: list[bytes], pieces: list[bytes]) -> None:
    found = b"".join(redacted(secrets, *pieces))
    assert found == b"".join(redacted(secrets, b"".join(pieces)))
    if secrets:
        assert not any(part in found for secret in secrets for part in parts(secret))


SECRET = b"s3cret-value"


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    """What a command wrote."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "clean").write_bytes(b"s3cret valu")
    return tmp_path


def found(upper: Path) -> list[tuple[str, str]]:
    return sorted(places(upper, {"s": SECRET + b"\n", "short": b"s3cret"}))


def test_nothing_to_find(upper: Path) -> None:
    assert found(upper) == []


def test_in_content_names_and_links(upper: Path) -> None:
    (upper / "d" / "across").write_bytes(b"x" * ((1 << 20) - 5) + SECRET + b"x" * (1 << 20))
    (upper / f"x{SECRET.decode()}").mkdir()
    (upper / "link").symlink_to(b"/a/" + SECRET)
    os.mkfifo(upper / "pipe")
    assert found(upper) == [("s", "/d/across"), ("s", "/link"), ("s", f"/x{SECRET.decode()}")]
