"""Arrow's arrays from bytes and numpy's arrays as they lie in memory.

`pyarrow.array` takes any values, but imports pandas to know them all: half a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
HUGE = pa.decimal128(38, 0)
"""What DuckDB's sums of integers are to Arrow."""

Array = Any
"""A numpy or an Arrow array."""


def numbers(values: Array, kind: pa.DataType | None = None, *, valid: Array = None) -> Array:
    """Numbers as an array of `kind`, which has their width; NULL where `valid` is False."""
    nulls = None if valid is None else _bits(valid)
    return pa.Array.from_buffers(
        kind or pa.from_numpy_dtype(values.dtype), len(values), [nulls, pa.py_buffer(values)]
    )


def booleans(values: Array) -> Array:
    """Truth values."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def digests(values: Array, *, valid: Array) -> Array:
    """Rows of bytes."""
    buffers = [_bits(valid), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(pa.binary(values.shape[1]), len(values), buffers)


def texts(data: bytes, offsets: Array, *, valid: Array = None) -> Array:
    """Texts that lie one after another in UTF-8; each ends where the next begins."""
    nulls = None if valid is None else _bits(valid)
    buffers = [nulls, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)


def words(indices: Array, found: Sequence[str], *, valid: Array = None) -> Array:
    """Texts of which there are few: places in `found`, 8 bits each."""
    return pa.DictionaryArray.from_arrays(numbers(indices, valid=valid), strings(found))


def strings(values: Sequence[str | None]) -> Array:
    """Texts; those that are none to UTF-8 have the bytes at fault written out, `\\xe9`."""
    known = [utf8((value or "").encode("utf-8", "surrogateescape")) for value in values]
    offsets = np.cumsum([0, *map(len, known)])
    valid = np.array([value is not None for value in values], bool)
    return texts(b"".join(known), offsets, valid=valid)


def integers(values: Sequence[int | None], kind: pa.DataType) -> Array:
    """Whole numbers, each of the width of `kind`."""
    known = np.array([value or 0 for value in values], kind.to_pandas_dtype())
    return numbers(known, kind, valid=np.array([value is not None for value in values], bool))


def times(values: Sequence[datetime | None]) -> Array:
    """Moments, as they are, in microseconds."""
    known = [None if value is None else (value - _EPOCH) // _MICROSECOND for value in values]
    counts = np.array([each or 0 for each in known], np.int64)
    valid = np.array([each is not None for each in known], bool)
    return numbers(counts, pa.timestamp("us"), valid=valid)


MAKERS: dict[str, tuple[pa.DataType, Callable[[Any], Array]]] = {
    "VARCHAR": (pa.string(), strings),
    "INTEGER": (pa.int32(), lambda values: integers(values, pa.int32())),
    "BIGINT": (pa.int64(), lambda values: integers(values, pa.int64())),
    "TIMESTAMP": (pa.timestamp("us"), times),
}
"""What DuckDB's types are to Arrow, and what makes a column of Python's values."""


def utf8(data: bytes) -> bytes:
    """A text's bytes as UTF-8: those that are none are written out, as on a terminal."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "backslashreplace").encode()
    return data


def plain_integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of HUGE as 64-bit integers; as it is, where a value needs more."""
    chunks = []
    for chunk in column.chunks:
        nulls, data = chunk.buffers()
        halves = np.frombuffer(data, "=i8").reshape(-1, 2)[chunk.offset : chunk.offset + len(chunk)]
        low, high = halves[:, 0], halves[:, 1]
        valid = np.ones(len(chunk), bool)
        if nulls is not None:
            bits = np.unpackbits(np.frombuffer(nulls, np.uint8), bitorder="little")
            valid = bits[chunk.offset : chunk.offset + len(chunk)].astype(bool)
        if (valid & (low >> 63 != high)).any():
            return column
        chunks.append(numbers(np.ascontiguousarray(low), pa.int64(), valid=valid))
    return pa.chunked_array(chunks, pa.int64())


def _bits(values: Array) -> Any:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
