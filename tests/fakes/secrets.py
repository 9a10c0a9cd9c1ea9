"""Made-up secrets, put together when they are asked for: no scanner finds one in this file."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode

ALPHABET = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5hJ7kL9nP1qR3tU5wX7zA9cD1fF3"


def random_text(length: int, start: int = 0) -> str:
    """Letters and digits that look random, the same every time; `start` makes them others."""
    return (ALPHABET * 4)[start : start + length]


def github_token(start: int = 0) -> str:
    return "gh" + "p_" + random_text(36, start)


def aws_access_key() -> str:
    return "AK" + "IA" + random_text(16).upper()


def npm_token() -> str:
    return "np" + "m_" + random_text(36, 5)


def jwt() -> str:
    parts = [b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"1","name":"app"}', b"\x83\x11\x73" * 11]
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def pem(label: str = "", body: bytes = b"\x30\x82" + bytes(range(200)), header: str = "") -> str:
    """A key as PEM has it; `label` is what stands before PRIVATE KEY: `RSA `."""
    text = b64encode(body).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    name = label + "PRIVATE" + " KEY"
    return f"-----BEGIN {name}-----\n{header}{lines}\n-----END {name}-----\n"


def openssh(cipher: bytes = b"none") -> str:
    """A key as OpenSSH writes it."""
    body = b"openssh-key-v1\0" + len(cipher).to_bytes(4, "big") + cipher + bytes(range(120))
    return pem("OPENSSH ", body)
