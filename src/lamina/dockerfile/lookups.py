"""Variables that note which of them an expansion asks for.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping


class Lookups(Mapping[str, str]):
    """A view of variables; `found` and `missing` are the names that were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.found: set[str] = set()
        self.missing: set[str] = set()

    def __getitem__(self, name: str) -> str:
        kind = self.found if name in self._values else self.missing
        kind.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def reference(name: str) -> str:
    """A regular expression for `$name` and `${name`."""
    return rf"\$\{{?{re.escape(name)}(?!\w)"


def meant(name: str, known: Iterable[str]) -> str:
    """A guess at the name that was meant, as the end of a message; empty when there is none."""
    import difflib

    near = difflib.get_close_matches(name, sorted(known), 1, 0.75)
    return f" (did you mean {near[0]}?)" if near else ""
