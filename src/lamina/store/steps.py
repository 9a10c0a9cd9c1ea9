"""The build cache as files: `steps/<hex>.json`, each sealed with its checksum."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lamina.errors import EngineError
from lamina.oci.digest import Digest
from lamina.oci.document import decode
from lamina.store.atomic import replace_file, sweep_files, unlink
from lamina.store.contract import LayerStore, StepResult
from lamina.store.errors import RecordDamaged, writing
from lamina.store.sealed import check, seal_struct

_SUFFIX = ".json"


class DirSteps:
    """Implements `StepStore` (store/contract.py) on a directory."""

    def __init__(self, directory: Path, layers: LayerStore) -> None:
        self._directory = directory
        self._layers = layers

    def get(self, key: Digest) -> StepResult | None:
        try:
            result = read_step(self._path(key))
        except (FileNotFoundError, RecordDamaged):
            # A cache may forget: the step runs again and its result is written anew.
            return None
        if result.key != key or not all(self._layers.has(each) for each in result.layers):
            return None
        return result

    def put(self, result: StepResult) -> None:
        path = self._path(result.key)
        with writing(path):
            # Not synced: a cache may forget, and a torn record breaks its seal.
            replace_file(path, seal_struct(result), durable=False)

    def touch(self, key: Digest) -> None:
        # Who reads another's store may not write to it.
        with suppress(OSError):
            os.utime(self._path(key))

    def used(self, key: Digest) -> float:
        try:
            return self._path(key).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def remove(self, key: Digest) -> int:
        path = self._path(key)
        with writing(path):
            return unlink(path)

    def __iter__(self) -> Iterator[StepResult]:
        for path in step_files(self._directory):
            try:
                yield read_step(path)
            except (FileNotFoundError, RecordDamaged):
                continue

    def sweep(self) -> int:
        freed = sweep_files(self._directory)
        for path in step_files(self._directory):
            try:
                read_step(path)
            except RecordDamaged:
                freed += unlink(path)
            except FileNotFoundError:
                continue
        return freed

    def _path(self, key: Digest) -> Path:
        return self._directory / f"{key.hex}{_SUFFIX}"


def step_files(directory: Path) -> list[Path]:
    """The files of all results, readable or not."""
    return [
        directory / name
        for name in sorted(os.listdir(directory))
        if name.endswith(_SUFFIX) and not name.startswith(".")
    ]


def read_step(path: Path) -> StepResult:
    """Read one result.  Raises RecordDamaged, FileNotFoundError."""
    raw = path.read_bytes()
    try:
        check(raw)
        result = decode(raw, StepResult, what="a build step's result")
    except EngineError as error:
        raise RecordDamaged(path, str(error)) from None
    if path.name != f"{result.key.hex}{_SUFFIX}":
        raise RecordDamaged(path, f"it is the result of {result.key}")
    return result
