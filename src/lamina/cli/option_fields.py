"""An option that has fields: `type=local,"dest=a,b"`, as Docker's options have them.  Pure."""

from __future__ import annotations

from lamina.errors import EngineError


def option_fields(text: str, fault: EngineError) -> list[tuple[str, str | None]]:
    """Names, in lower case, and values of one record of comma-separated values (RFC 4180).

    The value of a field without `=` is None.  Raises `fault` when it is no such record.
    """
    import csv

    try:
        rows = list(csv.reader([text], strict=True))
    except (csv.Error, ValueError):
        raise fault from None
    if len(rows) != 1:
        raise fault
    pairs = (field.partition("=") for field in rows[0])
    return [(name.strip().lower(), value if equals else None) for name, equals, value in pairs]
