"""save: images from the store into an archive or a layout directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Manifest
from lamina.oci.mediatype import Compression
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store
from lamina.transfer.archive import write_docker_files
from lamina.transfer.attestations import with_statements
from lamina.transfer.layout import Files, LayoutSink
from lamina.transfer.progress import Progress
from lamina.transfer.push import push, push_index

Format = Literal["docker-archive", "oci-archive", "oci-dir"]


def save(
    store: Store,
    images: Sequence[tuple[Image, Sequence[Reference]]],
    files: Files,
    *,
    form: Format,
    progress: Progress,
) -> None:
    """Write images, each with its names, to `files`.

    Docker's archives hold uncompressed layers, OCI's compressed ones, and what is
    stated of an image and attached to it as well.  The same images give the same
    bytes.  Raises what `push` raises.
    """
    compression: Compression | None = "none" if form == "docker-archive" else None
    entries: list[Descriptor] = []
    written: list[tuple[Manifest, Sequence[Reference]]] = []
    for image, names in images:
        sink = LayoutSink(files, names, attaches=form != "docker-archive")
        _send(store, image, sink, form, compression, progress)
        if form == "oci-archive":
            sink.gather(image.config.platform)
        entries += sink.entries
        if form == "docker-archive":
            written.append((sink.top_manifest(), names))
    if form == "docker-archive":
        write_docker_files(files, written)
    files.finish(entries)


def _send(
    store: Store,
    image: Image,
    sink: LayoutSink,
    form: Format,
    compression: Compression | None,
    progress: Progress,
) -> None:
    index = with_statements(store.blobs, image) if form != "docker-archive" else None
    if index is None:
        push(store, image, sink, tag="", progress=progress, compression=compression, at_once=1)
    else:
        push_index(
            *(store, index, [image], sink),
            tag="",
            progress=progress,
            compression=compression,
            at_once=1,
        )
