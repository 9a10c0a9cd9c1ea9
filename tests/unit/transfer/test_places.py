"""Layouts in a directory, and the fake, by the suite of every source and sink."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.registry.contract import Source
from lamina.transfer.archive import find_image
from lamina.transfer.files import DirectoryFiles
from lamina.transfer.layout import Files, LayoutSink, LayoutSource, Named
from lamina.transfer.members import DirectoryMembers, Members
from tests.contract.source_sink import TAG, SourceSinkContract
from tests.fakes.transfer import MemoryPlace


class LayoutPlace:
    """A layout that is read and written: what a sink wrote, its source gives."""

    def __init__(self, new_files: Callable[[], Files], open_members: Callable[[], Members]) -> None:
        self._files = new_files()
        self._open = open_members
        self._sink = LayoutSink(self._files)

    def _source(self) -> Source:
        return find_image(self._open(), TAG)

    def resolve(self) -> Descriptor:
        return self._source().resolve()

    def document(self, descriptor: Descriptor) -> bytes:
        return self._source().document(descriptor)

    def blob(
        self, descriptor: Descriptor, *, offset: int = 0
    ) -> AbstractContextManager[Iterator[bytes]]:
        return LayoutSource(self._open(), Named(descriptor, ())).blob(descriptor, offset=offset)

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self._sink.has_blob(descriptor)

    def mount_blob(self, descriptor: Descriptor, origin: str) -> bool:
        return self._sink.mount_blob(descriptor, origin)

    def put_blob(self, descriptor: Descriptor, open_chunks: Callable[[], Iterable[bytes]]) -> None:
        self._sink.put_blob(descriptor, open_chunks)

    def put_stream(self, media_type: str, chunks: Iterable[bytes]) -> Descriptor:
        return self._sink.put_stream(media_type, chunks)

    def put_document(self, descriptor: Descriptor, raw: bytes, *, tag: str = "") -> None:
        self._sink.put_document(descriptor, raw, tag=tag)
        if tag:
            self._files.finish(self._sink.entries)

    @property
    def attaches(self) -> bool:
        return self._sink.attaches

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        return self._source().referrers(subject)

    def put_referrer(self, descriptor: Descriptor, raw: bytes, subject: Digest) -> None:
        self._sink.put_referrer(descriptor, raw, subject)
        self._files.finish(self._sink.entries)


class TestMemoryPlace(SourceSinkContract):
    @pytest.fixture
    def both(self) -> MemoryPlace:
        return MemoryPlace(TAG)


class TestLayoutDirectory(SourceSinkContract):
    @pytest.fixture
    def both(self, tmp_path: Path) -> LayoutPlace:
        return LayoutPlace(
            lambda: DirectoryFiles(tmp_path / "layout"),
            lambda: DirectoryMembers(tmp_path / "layout"),
        )
