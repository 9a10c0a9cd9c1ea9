"""Exports into one directory, again and again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.cache.layout import remove_unnamed
from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.transfer.files import DirectoryFiles
from lamina.transfer.layout import LayoutSink

LATER = 4e9


def put(sink: LayoutSink, data: bytes) -> Descriptor:
    descriptor = Descriptor(mediatype.OCI_LAYER, Digest.of(data), len(data))
    sink.put_blob(descriptor, lambda: [data])
    return descriptor


def export(directory: Path, tag: str, *contents: bytes) -> LayoutSink:
    """Write a manifest over these blobs; the first is its config."""
    files = DirectoryFiles(directory)
    sink = LayoutSink(files)
    config, *layers = [put(sink, each) for each in contents]
    manifest = Manifest.build(config, layers)
    sink.put_document(manifest.descriptor, manifest.raw, tag=tag)
    files.finish(sink.entries)
    return sink


def blobs(directory: Path) -> set[bytes]:
    """What is there, documents aside."""
    found = {each.read_bytes() for each in (directory / "blobs" / "sha256").iterdir()}
    return {each for each in found if not each.startswith(b"{")}


def test_what_an_earlier_export_left_goes(tmp_path: Path) -> None:
    export(tmp_path, "latest", b"config 1", b"same", b"old")
    export(tmp_path, "latest", b"config 2", b"same", b"new")
    assert remove_unnamed(tmp_path, before=LATER) > len(b"config 1" + b"old")
    assert blobs(tmp_path) == {b"config 2", b"same", b"new"}
    assert remove_unnamed(tmp_path, before=LATER) == 0


def test_other_tags_keep_theirs(tmp_path: Path) -> None:
    export(tmp_path, "main", b"config 1", b"one")
    export(tmp_path, "branch", b"config 2", b"two")
    remove_unnamed(tmp_path, before=LATER)
    assert blobs(tmp_path) == {b"config 1", b"one", b"config 2", b"two"}


def test_what_was_written_just_now_stays(tmp_path: Path) -> None:
    export(tmp_path, "latest", b"config", b"one")
    late = tmp_path / "blobs" / "sha256" / Digest.of(b"late").hex
    late.write_bytes(b"late")
    os.utime(late, (1000, 1000))
    remove_unnamed(tmp_path, before=1000)
    assert b"late" in blobs(tmp_path)
    remove_unnamed(tmp_path, before=1001)
    assert b"late" not in blobs(tmp_path)


def test_an_index_leads_to_its_manifests(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)
    sink = LayoutSink(files)
    manifest = Manifest.build(put(sink, b"config"), [put(sink, b"layer")])
    sink.put_document(manifest.descriptor, manifest.raw)
    index = Index.build([manifest.descriptor])
    sink.put_document(index.descriptor, index.raw, tag="both")
    files.finish(sink.entries)
    assert remove_unnamed(tmp_path, before=LATER) == 0


@pytest.mark.parametrize(
    "break_", ["index.json", "blobs"], ids=["no index", "a manifest that is not there"]
)
def test_what_is_not_understood_is_left_alone(tmp_path: Path, break_: str) -> None:
    sink = export(tmp_path, "latest", b"config", b"one")
    (tmp_path / "blobs" / "sha256" / Digest.of(b"x").hex).write_bytes(b"x")
    if break_ == "index.json":
        (tmp_path / break_).write_text("[]")
    else:
        (tmp_path / "blobs" / "sha256" / sink.entries[0].digest.hex).unlink()
    assert remove_unnamed(tmp_path, before=LATER) == 0
    assert b"x" in blobs(tmp_path)
