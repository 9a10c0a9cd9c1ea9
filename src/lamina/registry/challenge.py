"""WWW-Authenticate (RFC 9110, 11.6.1; RFC 6750): what a registry wants to see.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(rf"({_WORD})(?:\s+|$|(?=,))")


class Challenge(msgspec.Struct, frozen=True):
    """One way to log in that the registry offers."""

    scheme: str
    """`basic` or `bearer`, in lower case, or another that Lamina does not know."""
    parameters: Mapping[str, str]
    """By lower-case name: realm, service, scope, error."""


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read a WWW-Authenticate header, which may hold several challenges.

    What makes no sense is left out: the caller finds no challenge it knows.
    """
    found: list[Challenge] = []
    place = 0
    while place < len(header):
        if header[place] in " \t,":
            place += 1
            continue
        parameter = _PARAMETER.match(header, place)
        if parameter and found:
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1] = Challenge(found[-1].scheme, {**found[-1].parameters, name.lower(): value})
            place = parameter.end()
            continue
        scheme = _SCHEME.match(header, place)
        if not scheme:
            break
        found.append(Challenge(scheme[1].lower(), {}))
        place = scheme.end()
    return tuple(found)
