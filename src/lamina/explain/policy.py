"""What an image must keep to: the rules of `explain --ci`, as `.lamina.toml` and dive's
`.dive-ci` have them.  Pure.

Our own rules are on what is true (see `waste`): the image passes while the value is not above
the limit.  dive's three are on dive's figures (see `score`), compared as dive compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal

import msgspec

from lamina.errors import Invalid
from lamina.layer.union import Cause

Unit = Literal["bytes", "percent", "layers", "share"]
"""`percent` is out of 100; `share`, which dive calls a percentage too, is out of 1."""

LAMINA_FILE = ".lamina.toml"
DIVE_FILE = ".dive-ci"

OWN: Mapping[str, Unit] = {
    "max-hidden-bytes": "bytes",
    "max-hidden-percent": "percent",
    "max-size": "bytes",
    "max-layers": "layers",
    **{f"max-{cause.value}": "bytes" for cause in Cause if cause is not Cause.MERGED},
}
"""The rules of the table `[explain]`, and what their limits are in."""
DIVE: Mapping[str, Unit] = {
    "lowestEfficiency": "share",
    "highestWastedBytes": "bytes",
    "highestUserWastedPercent": "share",
}
"""dive's rules: of `.dive-ci`, and of the table `[explain.dive]`."""

_DISABLED = ("", "disabled", "off", "false")
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgtpe]?)(i?)b?", re.IGNORECASE)
_POWERS = "kmgtpe"


class BadPolicy(Invalid):
    """A file of rules that cannot be understood."""


class Rule(msgspec.Struct, frozen=True):
    """A limit that an image must keep to."""

    name: str
    limit: float
    unit: Unit


class Policy(msgspec.Struct, frozen=True):
    """The rules for an image."""

    source: str
    """The file that they are from; empty for the default."""
    rules: Sequence[Rule]

    @property
    def asks_dive(self) -> bool:
        """Whether dive's figures are needed."""
        return any(rule.name in DIVE for rule in self.rules)


DEFAULT = Policy("", (Rule("max-hidden-percent", 5, "percent"),))
"""When nobody says anything: at most a twentieth of what is shipped is hidden."""
_DIVE_DEFAULTS = {"lowestEfficiency": 0.9, "highestUserWastedPercent": 0.1}
"""What dive holds an image to when its file does not say; wasted bytes it leaves alone."""


def lamina_policy(text: str, source: str) -> Policy | None:
    """The rules of a `.lamina.toml`; None when it has no table `[explain]`.

    Raises BadPolicy.
    """
    import tomllib

    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadPolicy(f"{source} is no TOML: {error}") from None
    table = document.get("explain")
    if table is None:
        return None
    if not isinstance(table, dict):
        raise BadPolicy(f"{source}: `explain` must be a table of rules")
    own = {key: value for key, value in table.items() if key != "dive"}
    return Policy(
        source,
        (
            *_rules(own, OWN, source, ""),
            *_rules(table.get("dive", {}), DIVE, source, "dive."),
        ),
    )


def dive_policy(text: str, source: str) -> Policy:
    """The rules of a `.dive-ci`, with dive's own where it is silent.  Raises BadPolicy."""
    import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or " ".join(str(error).split())
        raise BadPolicy(f"{source} is no YAML{where}: {what}") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise BadPolicy(f"{source} must be a map with the key `rules`")
    for key in document:
        if key != "rules":
            raise _unknown(source, str(key), ["rules"])
    given = document.get("rules") or {}
    if not isinstance(given, dict):
        raise BadPolicy(f"{source}: `rules` must be a map of rules")
    # A rule without a value is one that is not there.
    said = {key: value for key, value in given.items() if value is not None}
    return Policy(source, _rules({**_DIVE_DEFAULTS, **said}, DIVE, source, ""))


def _rules(given: Any, known: Mapping[str, Unit], source: str, prefix: str) -> tuple[Rule, ...]:
    if not isinstance(given, dict):
        raise BadPolicy(f"{source}: `{prefix.rstrip('.')}` must be a table of rules")
    for key in given:
        if key not in known:
            raise _unknown(source, str(key), known, prefix)
    rules = []
    for name, unit in known.items():
        value = given.get(name)
        if value is not None and not _is_disabled(value):
            rules.append(Rule(name, _limit(value, unit, f"{source}: {prefix}{name}"), unit))
    return tuple(rules)


def _unknown(source: str, key: str, known: Iterable[str], prefix: str = "") -> BadPolicy:
    known = list(known)
    near = get_close_matches(key, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"rules are {', '.join(known)}"
    return BadPolicy(f"{source}: unknown key {prefix}{key}", hint=hint)


def _is_disabled(value: object) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() in _DISABLED)


def _limit(value: object, unit: Unit, where: str) -> float:
    """A value of the file as a number of its unit."""
    number: float | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str):
        number = parse_size(value) if unit == "bytes" else _number(value, unit)
    if number is None or not 0 <= number < float("inf"):
        raise BadPolicy(f"{where} is {_written(value)}, which is {_WANTED[unit]}")
    if unit == "share" and number > 1:
        raise BadPolicy(f"{where} is {_written(value)}, and a share is between 0 and 1")
    if unit in ("bytes", "layers") and number != int(number):
        raise BadPolicy(f"{where} is {_written(value)}, which is {_WANTED[unit]}")
    return int(number) if unit in ("bytes", "layers") else number


_WANTED: Mapping[Unit, str] = {
    "bytes": "no size: say 1000000 or '1 MB'",
    "percent": "no percentage: say 5 or '5 %'",
    "layers": "no number of layers",
    "share": "no number between 0 and 1",
}


def _written(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _number(text: str, unit: Unit) -> float | None:
    text = text.strip()
    if unit == "percent":
        text = text.removesuffix("%").rstrip()
    try:
        return float(text)
    except ValueError:
        return None


def parse_size(text: str) -> int | None:
    """Bytes from `10 MB` (10⁷), `10MiB` or `1.5g`; a part of a byte is cut off.  None when it
    is no size."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]):
        return None
    power = _POWERS.index(match[2].lower()) + 1 if match[2] else 0
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)
