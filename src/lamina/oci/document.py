"""JSON documents: the bytes are the truth, a typed view is read beside them.  Pure.

A manifest's digest is the digest of its bytes, so a document is never
re-encoded to be stored or sent: what came is what goes.  Where a document is
*changed*, `amend` works on the whole JSON object, so fields that Lamina does
not know survive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from lamina.errors import Invalid
from lamina.oci.digest import Digest

T = TypeVar("T")


class BadDocument(Invalid):
    """Bytes that are not the JSON document they should be."""


def _enc_hook(value: object) -> object:
    if isinstance(value, Digest):
        return value.text
    raise NotImplementedError(f"no JSON form for {type(value)}")


def _dec_hook(kind: type, value: object) -> object:
    if kind is Digest and isinstance(value, str):
        return Digest(value)
    raise NotImplementedError(f"no reading of {kind} from JSON")


def decode(raw: bytes, kind: type[T], *, what: str) -> T:
    """Read `raw` as the struct `kind`; unknown fields are left alone.

    `what` names the document in the error ("manifest of debian:bookworm").
    Raises BadDocument.
    """
    try:
        return msgspec.json.decode(raw, type=kind, dec_hook=_dec_hook)
    except (msgspec.MsgspecError, UnicodeDecodeError, Invalid, RecursionError) as error:
        raise BadDocument(f"{what} is not valid: {error}") from None


def encode(value: object) -> bytes:
    """The JSON of a struct or plain value, compact, fields in their declared order."""
    return msgspec.json.encode(value, enc_hook=_enc_hook)


def amend(raw: bytes, changes: Mapping[str, Any]) -> bytes:
    """`raw`, a JSON object, with `changes` laid over its top level.

    A change to None removes the field.  Everything else, known or not, stays.
    """
    document: dict[str, Any] = msgspec.json.decode(raw)
    for field, value in changes.items():
        if value is None:
            document.pop(field, None)
        else:
            document[field] = value
    return encode(document)
