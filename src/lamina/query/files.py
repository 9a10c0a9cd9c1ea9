"""The table `files` as Arrow: a layer's columns become arrays as they lie in memory, once for
all images that have the layer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from lamina.explain.fate import CAUSES
from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Kind
from lamina.layer.listing import UNKNOWN, Columns
from lamina.query.arrays import Array, booleans, digests, numbers, texts, utf8, words
from lamina.query.source import Known, Source
from lamina.query.visibility import Hidden
from lamina.sha256 import sha256

_TYPES = {
    Kind.FILE: "file",
    Kind.DIRECTORY: "directory",
    Kind.SYMLINK: "symlink",
    Kind.HARDLINK: "hardlink",
    Kind.CHAR: "char",
    Kind.BLOCK: "block",
    Kind.FIFO: "fifo",
}
_NAMES = (*_TYPES.values(), "whiteout", "opaque")
_WHITEOUT, _OPAQUE = _NAMES.index("whiteout"), _NAMES.index("opaque")
_CODES = bytes(list(_TYPES).index(Kind(kind)) if kind in _TYPES else 0 for kind in range(256))
_CAUSES = [cause.value for cause in CAUSES]
_PREFIX, _OPAQUE_NAME = b"/" + WHITEOUT_PREFIX.encode(), b"/" + OPAQUE_NAME.encode()

SOURCES: dict[str, pa.DataType] = {
    "image": pa.dictionary(pa.int8(), pa.string()),
    "layer": pa.int32(),
    "path": pa.string(),
    "type": pa.dictionary(pa.int8(), pa.string()),
    "size": pa.int64(),
    "mode": pa.uint16(),
    "uid": pa.uint32(),
    "gid": pa.uint32(),
    "mtime": pa.timestamp("ns"),
    "sha256": pa.binary(32),
    "link": pa.string(),
    "visible": pa.bool_(),
    "hidden_by": pa.int32(),
    "hidden_kind": pa.dictionary(pa.int8(), pa.string()),
}
"""What the table is made of."""
_FATE = {"visible", "hidden_by", "hidden_kind"}
_NUMBERS = {
    "size": ("sizes", "<i8"),
    "mode": ("modes", "<u2"),
    "uid": ("uids", "<u4"),
    "gid": ("gids", "<u4"),
    "mtime": ("mtimes", "<i8"),
}


def files(source: Source, wanted: Collection[str]) -> pa.Table:
    """The wanted sources of the table, a batch for each layer of each image."""
    names = [name for name in SOURCES if name in wanted]
    schema = pa.schema([(name, SOURCES[name]) for name in names])
    layers: dict[Any, _Layer] = {}

    def arrays(known: Known) -> list[list[Array]]:
        fates: Sequence[Hidden | None] = [None] * len(known.image.layers)
        if _FATE & set(names):
            fates = source.hidden(known, contents="hidden_kind" in names)
        made = []
        for number, (diff_id, hidden) in enumerate(zip(known.image.layers, fates, strict=True), 1):
            layer = layers.get(diff_id)
            if layer is None:
                layer = layers[diff_id] = _Layer(source.columns(diff_id, hashed="sha256" in names))
            if layer.count:
                own = {**_place(known.name, number, layer.count), **layer.fates(hidden)}
                made.append([own[n] if n in own else layer.array(n) for n in names])
        return made

    batches = [
        pa.RecordBatch.from_arrays(each, schema=schema)
        for _, made in source.each(arrays)
        for each in made
    ]
    return pa.Table.from_batches(batches, schema)


def _place(image: str, number: int, count: int) -> dict[str, Array]:
    return {
        "image": words(np.zeros(count, np.int8), [image]),
        "layer": numbers(np.full(count, number, np.int32)),
    }


class _Layer:
    """The arrays of one layer, each made when it is first asked for."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._arrays: dict[str, Array] = {}
        self.count = columns.count

    def array(self, name: str) -> Array:
        """The array that is the same in every image."""
        if name not in self._arrays:
            if name in _NUMBERS:
                field, code = _NUMBERS[name]
                column = np.frombuffer(getattr(self._columns, field), code)
                made = numbers(column.astype(code.replace("<", "="), copy=False), SOURCES[name])
            else:
                made = getattr(self, "_" + name)()
            self._arrays[name] = made
        return self._arrays[name]

    def fates(self, hidden: Hidden | None) -> dict[str, Array]:
        """What became of the entries in one image; `hidden` is None when nobody asked."""
        if hidden is None:
            return {}
        visible = self._types < _WHITEOUT
        if not hidden:
            by = kind = np.zeros(self.count, np.int16)
            known = np.zeros(self.count, bool)
        else:
            at = np.fromiter(hidden, np.int64, len(hidden))
            pairs = np.fromiter(
                chain.from_iterable(hidden.values()), np.int16, 2 * len(hidden)
            ).reshape(-1, 2)
            by, kind = np.zeros((2, self.count), np.int16)
            by[at], kind[at] = pairs[:, 0] + 1, pairs[:, 1]
            known = np.zeros(self.count, bool)
            known[at] = True
            visible = visible & ~known
        return {
            "visible": booleans(visible),
            "hidden_by": numbers(by.astype(np.int32), valid=known),
            "hidden_kind": words(kind.astype(np.int8), _CAUSES, valid=known),
        }

    def _path(self) -> Array:
        # The NUL between two paths becomes the slash that the second begins with.
        text = b"/" + utf8(self._columns.paths)
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 0)
        return texts(text.replace(b"\0", b"/"), np.concatenate(([0], ends, [len(text)])))

    def _link(self) -> Array:
        text = utf8(self._columns.links)
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 0)
        ends -= np.arange(len(ends))  # the NULs go
        bare = text.replace(b"\0", b"")
        return texts(bare, np.concatenate(([0], ends, [len(bare)])))

    @property
    def _types(self) -> Array:
        if "types" not in self._arrays:
            types = np.frombuffer(self._columns.kinds.translate(_CODES), np.int8)
            if WHITEOUT_PREFIX.encode() in self._columns.paths:
                types = types.copy()
                for at, path in enumerate(self._columns.paths.split(b"\0")):
                    name = b"/" + path.rpartition(b"/")[2]
                    if name.startswith(_PREFIX):
                        types[at] = _OPAQUE if name == _OPAQUE_NAME else _WHITEOUT
            self._arrays["types"] = types
        return self._arrays["types"]

    def _type(self) -> Array:
        return words(self._types, _NAMES)

    def _sha256(self) -> Array:
        sizes = np.frombuffer(self._columns.sizes, "<i8")
        is_file = self._types == _NAMES.index("file")
        found = np.zeros((self.count, 32), np.uint8)
        found[is_file] = np.frombuffer(sha256(b""), np.uint8)
        found[sizes > 0] = np.frombuffer(self._columns.hashes, np.uint8).reshape(-1, 32)
        known = is_file & (found != np.frombuffer(UNKNOWN, np.uint8)).any(axis=1)
        return digests(found, valid=known)
