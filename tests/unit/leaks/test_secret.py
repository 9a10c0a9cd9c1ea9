"""A secret is told without telling it, and what only looks like one is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.leaks.leaks import Leak
from lamina.leaks.secret import Secret, is_placeholder
from tests.fakes import secrets


@given(st.text(min_size=8, alphabet=st.characters(min_codepoint=33)))
def test_no_text_of_a_secret_has_more_than_its_first_four_characters(value: str) -> None:
    secret = Secret(value)
    for text in (repr(secret), str(secret), secret.redacted, repr(Leak("jwt", secret, ()))):
        assert value not in text
    assert len(secret.start) <= 4 and len(secret.start) <= len(value) // 4


def test_a_fingerprint_tells_secrets_apart() -> None:
    one, other = secrets.github_token(), secrets.github_token(3)
    assert Secret(one).fingerprint == Secret(one).fingerprint != Secret(other).fingerprint
    assert Secret("bytes\udcff").fingerprint  # what is no UTF-8 has one as well


@pytest.mark.parametrize(
    "value",
    [
        *("changeme", "CHANGE_ME", "change-it", "xxxxxxxxxxxx", "aaaaaaaa", "********", "...."),
        *(
            "<token>",
            "${TOKEN}",
            "$TOKEN",
            "$(cat token)",
            "{{ token }}",
            "{token}",
            "%(password)s",
        ),
        *("AKIAIOSFODNN7" + "EXAMPLE", "your-api-key", "YOUR_TOKEN_HERE", "my-password"),
        *("password", "Password123", "db_password", "secret", "12345678", "abcdefgh", "null"),
        *("true", "env:TOKEN", "process.env.TOKEN", "!vault", "put your unique phrase here"),
    ],
)
def test_placeholders(value: str) -> None:
    assert is_placeholder(value)


@pytest.mark.parametrize(
    "value",
    ["hUnt3r!9xQ", "correcthorse", "s3kr1t-42", "$ecur3!", "%7Yu*kk2", secrets.github_token()],
)
def test_what_is_no_placeholder(value: str) -> None:
    assert not is_placeholder(value)


@given(st.text(max_size=300))
def test_any_text_is_judged(value: str) -> None:
    assert is_placeholder(value) in (True, False)
