from __future__ import annotations

import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.oci.digest import BadDigest, Digest

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_digest_of_nothing() -> None:
    assert str(Digest.of(b"")) == EMPTY
    assert Digest.of(b"").short == "e3b0c44298fc"


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", EMPTY[7:], EMPTY.upper(), EMPTY + "0", EMPTY + "\n", "sha512:" + "0" * 128],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(BadDigest):
        Digest(text)


@given(st.binary())
def test_raw_and_text_agree(data: bytes) -> None:
    digest = Digest.of(data)
    assert digest.raw == hashlib.sha256(data).digest()
    assert Digest.from_raw(digest.raw) == Digest(str(digest)) == pickle.loads(pickle.dumps(digest))


def test_a_digest_is_a_value() -> None:
    one, same, other = Digest.of(b"a"), Digest.of(b"a"), Digest.of(b"b")
    assert one == same
    assert len({one, same, other}) == 2
    assert sorted([one, other]) == sorted([other, one])
    with pytest.raises(AttributeError):
        one.text = EMPTY
