"""`--filter KEY=VALUE`, as Docker's listings take it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lamina.errors import Invalid


class BadFilter(Invalid):
    """A `--filter` that is not `key=value`, or whose key or value the command does not know."""


def parse_filters(texts: Sequence[str], known: Collection[str]) -> dict[str, list[str]]:
    """The values of each key: several of one key mean any of them.

    `--filter 'a=1' --filter 'b=2'` needs both.  Raises BadFilter.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().lower()
        if not equals:
            raise BadFilter(f"not a filter: {text!r}", hint="write --filter KEY=VALUE")
        if key not in known:
            raise BadFilter(
                f"no filter {key!r} here", hint=f"there are: {', '.join(sorted(known))}"
            )
        found.setdefault(key, []).append(value.strip())
    return found


def flag(name: str, values: Sequence[str]) -> bool | None:
    """The value of a yes-or-no filter; None when it is not given.  Raises BadFilter."""
    truth = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
    answer: bool | None = None
    for value in values:
        if value.lower() not in truth:
            raise BadFilter(f"{name} is true or false, not {value!r}")
        answer = truth[value.lower()]
    return answer


def has_labels(labels: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Whether each of `wanted` (`key` or `key=value`) is among `labels`."""
    for text in wanted:
        key, equals, value = text.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True
