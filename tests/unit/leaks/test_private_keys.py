"""Private keys in their formats, with and without a passphrase, and what is none."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.leaks.private_keys import private_keys
from lamina.leaks.secret import Match
from tests.fakes import secrets

ENCRYPTED = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233\n\n"


def found(text: str) -> list[Match]:
    return list(private_keys(text.encode()))


def pgp(algorithm: int, public: bytes, usage: int, *, new: bool = False) -> str:
    """A secret key packet: header, version, time, algorithm, public numbers, S2K usage."""
    body = b"\x04" + bytes(4) + bytes([algorithm]) + public + bytes([usage]) + b"k" * 60
    head = bytes([0xC5, len(body)]) if new else b"\x95" + len(body).to_bytes(2, "big")
    text = b64encode(head + body).decode()
    name = "PGP PRIVATE" + " KEY BLOCK"
    return f"-----BEGIN {name}-----\nVersion: 1\n\n{text}\n=aB3d\n-----END {name}-----\n"


RSA = b"\x00\x08\xff\x00\x02\x03"
ECDH = b"\x03abc" + b"\x00\x08\xff" + b"\x03\x01\x02\x03"


@pytest.mark.parametrize(
    ("text", "encrypted"),
    [
        (secrets.pem(), False),
        (secrets.pem("RSA "), False),
        (secrets.pem("EC "), False),
        (secrets.pem("RSA ", bytes(range(200)), ENCRYPTED), True),
        (secrets.pem("ENCRYPTED "), True),
        (secrets.openssh(), False),
        (secrets.openssh(b"aes256-ctr"), True),
        (pgp(1, RSA, 0), False),
        (pgp(1, RSA, 254), True),
        (pgp(22, b"\x03abc\x00\x08\xff", 0, new=True), False),
        (pgp(18, ECDH, 255, new=True), True),
        (secrets.pem().replace("\n", "\r\n"), False),
        (f'{{"private_key": "{secrets.pem()}"}}'.replace("\n", "\\n"), False),
    ],
)
def test_keys_are_found_and_it_is_known_which_are_encrypted(text: str, encrypted: bool) -> None:
    (match,) = found(f"first\n{text}")
    assert match.kind == ("encrypted-private-key" if encrypted else "private-key")
    assert match.line == 2


def test_the_same_key_in_json_and_in_pem_is_one_secret() -> None:
    (one,) = found(secrets.pem())
    (other,) = found(secrets.pem().replace("\n", "\\n"))
    assert one.secret == other.secret


@pytest.mark.parametrize(("cipher", "kind"), [("none", ""), ("aes256-cbc", "encrypted-")])
def test_putty_keys(cipher: str, kind: str) -> None:
    head = "PuTTY-User" + "-Key-File-2: ssh-rsa"
    body = secrets.random_text(64)
    text = f"{head}\nEncryption: {cipher}\nComment: a\nPublic-Lines: 1\n{body}\n"
    (match,) = found(f"{text}Private-Lines: 2\n{body}\n{body}\nPrivate-MAC: 00\n")
    assert (match.kind, match.secret.value) == (f"{kind}private-key", body * 2)


@pytest.mark.parametrize(
    "text",
    [
        secrets.pem().partition("\n")[0],
        secrets.pem(body=b"\x30\x82short"),
        secrets.pem(body=bytes(100)),
        secrets.pem().replace("M", "…"),
        secrets.pem().replace("PRIVATE", "PUBLIC"),
        "-----BEGIN RSA PRIVATE" + " KEY-----\n...\n-----END RSA PRIVATE KEY-----\n",
        "PuTTY-User" + "-Key-File-2: ssh-rsa\nno more",
    ],
)
def test_what_only_speaks_of_keys_is_none(text: str) -> None:
    assert found(text) == []


@given(st.binary(max_size=200))
def test_any_body_is_survived(body: bytes) -> None:
    for label in ("", "OPENSSH ", "RSA "):
        for match in found(secrets.pem(label, body)):
            assert len(body) >= 40 and match.secret.value
    name = "PGP PRIVATE" + " KEY BLOCK"
    found(f"-----BEGIN {name}-----\n\n{b64encode(body).decode()}\n-----END {name}-----")
