"""Keystores: whether a file of Java, PKCS #12 or KeePass holds private keys or passwords.  Pure.

They are encrypted, often with a password that everybody knows; the secret is the whole file.
"""

from __future__ import annotations

from collections.abc import Iterator

from lamina.leaks.secret import Match, Secret

_JKS = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
_KDBX = b"\x03\xd9\xa2\x9a"
_BAGS = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01"
"""The object identifiers of PKCS #12 bags but for their last byte (RFC 7292, appendix D)."""
_KEY_BAGS = (_BAGS + b"\x01", _BAGS + b"\x02")
_PRIVATE_KEY_ENTRY = 1


def keystore(data: bytes) -> Iterator[Match]:
    """One match when a JKS, JCEKS or PKCS #12 file has a private key; certificates are none."""
    if data[:4] in _JKS:
        if _jks_has_key(data):
            yield _whole("keystore", data)
    elif data[:1] == b"\x30" and any(bag in data for bag in _KEY_BAGS):
        yield _whole("keystore", data)


def key_database(data: bytes) -> Iterator[Match]:
    """One match for a KeePass database."""
    if data.startswith(_KDBX):
        yield _whole("password-database", data)


def _whole(kind: str, data: bytes) -> Match:
    """The file itself is the secret."""
    return Match(kind, Secret(data.decode("utf-8", "surrogateescape")))


def _jks_has_key(data: bytes) -> bool:
    """Whether any entry is a private key: tag, alias, date, then a key or a certificate."""
    count, at = int.from_bytes(data[8:12], "big"), 12
    for _ in range(count):
        if at + 4 > len(data):
            return False
        if int.from_bytes(data[at : at + 4], "big") == _PRIVATE_KEY_ENTRY:
            return True
        at += 4
        at += 2 + int.from_bytes(data[at : at + 2], "big") + 8
        at += 2 + int.from_bytes(data[at : at + 2], "big")
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return False
