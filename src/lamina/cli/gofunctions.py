"""The functions of a Go template, with the ones Docker adds, and how Go prints a value.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamina.text import to_json

_VERB = re.compile(r"%([-+# 0]*)(\d*)(?:\.(\d+))?([a-zA-Z%])")
_NO_VALUE = "<no value>"


class BadCall(Exception):
    """What is wrong with a call, in a few words."""


def text_of(value: Any) -> str:
    """A value as Go's `%v` prints it: `[a b]`, `map[k:v]`, `true`, `<no value>`."""
    if value is None:
        return _NO_VALUE
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{k}:{text_of(value[k])}" for k in sorted(value)) + "]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + " ".join(text_of(each) for each in value) + "]"
    return str(value)


def truth(value: Any) -> bool:
    """Whether Go calls the value true: not empty, zero, false or nil."""
    return bool(value)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif value is None:
            return None
        elif not -1 < key < len(value):
            raise BadCall(f"there is no item {key}, only {len(value)}")
        else:
            value = value[key]
    return value


def _slice(value: Any, *ends: int) -> Any:
    start = ends[0] if ends else 0
    end = ends[1] if len(ends) > 1 else len(value)
    if not 0 <= start <= end <= len(value):
        raise BadCall(f"it has only {len(value)} items")
    return value[start:end]


def _printf(form: str, *values: Any) -> str:
    left = list(values)

    def written(match: re.Match[str]) -> str:
        flags, wide, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not left:
            raise BadCall(f"no value for {match.group()}")
        return _pad(_verb(left.pop(0), verb, flags, precision), flags, wide)

    text = _VERB.sub(written, form)
    if left:
        raise BadCall(f"more values than {form!r} has room for")
    return text


def _verb(value: Any, verb: str, flags: str, precision: str | None) -> str:
    if verb in "sv":
        text = text_of(value)
        return text[: int(precision)] if precision and verb == "s" else text
    if verb == "q":
        return to_json(text_of(value))
    if verb == "t":
        return "true" if value else "false"
    if verb in "xX" and isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").hex()
    if verb in "doxXcbfeEgG":
        sign = "+" if "+" in flags else ""
        return format(value, f"{sign}{'.' + precision if precision else ''}{verb}")
    raise BadCall(f"no verb %{verb}")


def _pad(text: str, flags: str, wide: str) -> str:
    if not wide:
        return text
    if "-" in flags:
        return text.ljust(int(wide))
    return text.zfill(int(wide)) if "0" in flags else text.rjust(int(wide))


def _join(items: Any, separator: str) -> str:
    if isinstance(items, str):
        raise BadCall("its first argument is a list")
    return separator.join(text_of(each) for each in items or ())


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _and(*values: Any) -> Any:
    for value in values[:-1]:
        if not truth(value):
            return value
    return values[-1]


def _or(*values: Any) -> Any:
    for value in values[:-1]:
        if truth(value):
            return value
    return values[-1]


def _truncate(text: str, length: int) -> str:
    return text[:length]


def _spaced(text: str, before: int, after: int) -> str:
    return " " * before + text + " " * after if text else text


def _print(*values: Any) -> str:
    return "".join(text_of(value) for value in values)


def _println(*values: Any) -> str:
    return " ".join(text_of(value) for value in values) + "\n"


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "and": _and,
    "or": _or,
    "not": lambda value: not truth(value),
    "eq": lambda first, *rest: any(first == each for each in rest),
    "ne": lambda first, second: first != second,
    "lt": lambda first, second: first < second,
    "le": lambda first, second: first <= second,
    "gt": lambda first, second: first > second,
    "ge": lambda first, second: first >= second,
    "index": _index,
    "slice": _slice,
    "len": lambda value: len(value or ()),
    "print": _print,
    "println": _println,
    "printf": _printf,
    "json": to_json,
    "join": _join,
    "split": _split,
    "upper": lambda text: text.upper(),
    "lower": lambda text: text.lower(),
    "title": lambda text: text[:1].upper() + text[1:],
    "truncate": _truncate,
    "pad": _spaced,
}
