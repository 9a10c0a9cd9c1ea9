"""Private keys in a text: PEM, OpenSSH, OpenPGP and PuTTY; also whether a passphrase guards them.
Pure.

A header alone is no key: documents are full of them.  What counts has a body that decodes.
"""

from __future__ import annotations

import re
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Iterator
from itertools import islice

from lamina.leaks.secret import Match, Secret

LITERALS = (b"-----BEGIN ", b"PuTTY-User-Key-File-")
"""One of these is in every text that has a key."""
_LONGEST = 65_536
"""Bytes of a key, armored."""
_MOST = 1000
"""Keys of one text."""
_BEGIN = re.compile(
    rb"-----BEGIN ((?:[A-Z0-9]+ ){0,3}?)PRIVATE KEY( BLOCK)?-----|PuTTY-User-Key-File-[23]: "
)
_HEADER = re.compile(r"^[A-Za-z0-9-]+: .*$", re.MULTILINE)
_ARMOR_CHECKSUM = re.compile(r"^=[A-Za-z0-9+/]{4}\s*$", re.MULTILINE)
_PUTTY = re.compile(
    rb"[^\r\n]{1,64}\r?\nEncryption: (\S{1,32})\r?\n(?s:.{0,8192}?)"
    rb"Private-Lines: (\d{1,4})\r?\n((?:[A-Za-z0-9+/=]{1,76}\r?\n?){1,200})"
)
_OPENSSH = b"openssh-key-v1\0"
_SHORTEST = 40
"""Bytes of a decoded key: an Ed25519 key in PKCS #8 has 48."""


def private_keys(data: bytes) -> Iterator[Match]:
    """The keys in a text, in its order; the secret is the body of the key in base64.

    The kind is `private-key`, or `encrypted-private-key` when a passphrase guards it.
    """
    line, counted = 1, 0
    for begin in islice(_BEGIN.finditer(data), _MOST):
        found = _putty(data, begin) if begin[1] is None else _armored(data, begin)
        if found is not None:
            body, encrypted = found
            line += data.count(b"\n", counted, begin.start())
            counted = begin.start()
            kind = "encrypted-private-key" if encrypted else "private-key"
            yield Match(kind, Secret(body), line)


def _armored(data: bytes, begin: re.Match[bytes]) -> tuple[str, bool] | None:
    """The body of a key between BEGIN and END, and whether it is encrypted."""
    end = data.find(b"-----END ", begin.end(), begin.end() + _LONGEST)
    if end < 0 or data.find(LITERALS[0], begin.end(), end) >= 0:
        return None
    text = data[begin.end() : end].decode("latin-1")
    # In JSON and in environment variables a key is one line, its line ends written out.
    text = text.replace("\\r", "").replace("\\n", "\n").replace("\\/", "/")
    headers = _HEADER.findall(text)
    text = _ARMOR_CHECKSUM.sub("", _HEADER.sub("", text))
    body = "".join(text.split()).strip("\"'+,\\")
    if not re.fullmatch("[A-Za-z0-9+/]+=*", body):
        return None
    try:
        raw = a2b_base64(body + "=" * (-len(body) % 4))
    except NotBase64:
        return None
    if len(raw) < _SHORTEST:
        return None
    if begin[2]:
        return body, _is_locked_pgp(raw)
    encrypted = b"ENCRYPTED" in begin[1] or any("ENCRYPTED" in each for each in headers)
    if raw.startswith(_OPENSSH):
        cipher = raw[len(_OPENSSH) + 4 :]
        return body, not cipher.startswith(b"none")
    return (body, encrypted) if encrypted or raw[0] == 0x30 else None  # a DER sequence


def _putty(data: bytes, begin: re.Match[bytes]) -> tuple[str, bool] | None:
    found = _PUTTY.match(data, begin.end(), begin.end() + _LONGEST)
    if found is None:
        return None
    lines = found[3].split()[: int(found[2])]
    return b"".join(lines).decode("ascii"), found[1] != b"none"


_PARTS = {1: 2, 2: 2, 3: 2, 17: 4, 16: 3}
"""How many numbers the public part of an OpenPGP key has, by algorithm (RFC 4880, 5.5.2)."""
_ON_A_CURVE = {18, 19, 22}


def _is_locked_pgp(raw: bytes) -> bool:
    """Whether the secret part of an OpenPGP key is encrypted (RFC 4880, 5.5.3)."""
    try:
        at = _packet_body(raw)
        version, algorithm = raw[at], raw[at + 5]
        if version != 4:
            return False
        at += 6
        if algorithm in _ON_A_CURVE:
            at += 1 + raw[at]
        for _ in range(_PARTS.get(algorithm, 1)):
            at += 2 + (int.from_bytes(raw[at : at + 2], "big") + 7) // 8
        if algorithm == 18:  # ECDH: parameters of its key derivation
            at += 1 + raw[at]
        return raw[at] != 0
    except IndexError:
        return False


def _packet_body(raw: bytes) -> int:
    """Where the first packet's content begins (RFC 4880, 4.2)."""
    if raw[0] & 0x40:
        return 2 if raw[1] < 192 else 3 if raw[1] < 224 else 6
    return 1 + (1, 2, 4, 0)[raw[0] & 3]
