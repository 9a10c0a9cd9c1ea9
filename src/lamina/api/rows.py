"""Sequences of values that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar, overload

import msgspec

from lamina.report.fragment import cell_text, is_number, table_fragment
from lamina.report.paper import Cell, Paper

T = TypeVar("T", bound=msgspec.Struct)
_SHOWN = 10
"""Rows that a prompt shows."""


class Rows(Sequence[T], Generic[T]):
    """Values of one kind, in order: a sequence, and a table where it is shown."""

    def __init__(self, values: Sequence[T]) -> None:
        self._values = values

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Rows[T]: ...
    def __getitem__(self, index: int | slice) -> T | Rows[T]:
        return Rows(self._values[index]) if isinstance(index, slice) else self._values[index]

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # equal to a list, which has none either

    def __repr__(self) -> str:
        """The first rows as columns, as a prompt shows them."""
        if not self:
            return "<no rows>"
        names = self._values[0].__struct_fields__
        shown = [[Cell(name, "head") for name in names]]
        shown += [[Cell(cell_text(each)) for each in _cells(row)] for row in self._values[:_SHOWN]]
        numbers = {at for at, each in enumerate(_cells(self._values[0])) if is_number(each)}
        count = f"<{len(self)} {type(self._values[0]).__name__} rows>"
        return Paper().grid(shown, right=numbers, stretch=_widest(shown)) + count

    def _repr_html_(self) -> str:
        if not self:
            return "<p>no rows</p>"
        names = self._values[0].__struct_fields__
        return table_fragment(names, [_cells(each) for each in self._values])

    def to_dicts(self) -> list[dict[str, Any]]:
        """Each value as a dict of its fields: what pandas, polars and JSON take."""
        return [{name: getattr(each, name) for name in each.__struct_fields__} for each in self]


def _widest(rows: Sequence[Sequence[Cell]]) -> int:
    """The column that gives way when there is no room for all."""
    widths = [max(len(cell.text) for cell in column) for column in zip(*rows, strict=True)]
    return widths.index(max(widths))


def _cells(value: msgspec.Struct) -> list[object]:
    return [getattr(value, name) for name in value.__struct_fields__]
