"""What was taken out of an image, as one layer that can be laid over the smaller image.

It holds exactly what the smaller image lacks, and the directories that this lies in, with the
attributes that they have in both.  So it changes nothing of what is there.  It is laid over
the image's layers and not under them: there no marker of theirs can hide any of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec.structs import replace

from lamina.errors import NotFound
from lamina.explain.inodes import Inodes
from lamina.explain.stack import Stack
from lamina.layer.contract import LayerInfo
from lamina.layer.entry import Entry, Kind
from lamina.layer.tarwriter import write_tar
from lamina.oci.artifact import Artifact
from lamina.oci.digest import Digest
from lamina.store.contract import Image, Lease, Store
from lamina.store.images import name_of

ARTIFACT_TYPE = "application/vnd.lamina.slim.removed.v1"
_PIECE = 1 << 20


class NothingRemoved(NotFound):
    """An image has no layer of what was taken out of it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has no removed files attached",
            hint="lamina slim --minify --keep-removed keeps them",
        )


def removed_entries(stack: Stack, removed: Collection[str]) -> list[tuple[int, Entry]]:
    """The entries of the layer, sorted, each with the layer that its content is in.

    `removed` holds all names of a file or none of them.
    """
    folders: set[str] = set()
    for path in removed:
        at = path.rpartition("/")[0]
        while at and at not in folders:
            folders.add(at)
            at = at.rpartition("/")[0]
    inodes = Inodes(stack.listings)
    names: dict[int, str] = {}
    found: list[tuple[int, Entry]] = []
    for path in sorted({*removed, *folders}, key=lambda path: path.split("/")):
        located = stack.union.get(path)
        if located is None:
            continue
        layer, entry = located
        inode = inodes.of(layer, entry)
        first = names.setdefault(id(inode), path)
        if first != path:
            link = replace(inode, path=path, kind=Kind.HARDLINK, link=first, size=0, sha256=b"")
            found.append((layer, link))
        else:
            found.append((layer, replace(inode, path=path)))
    return found


def write_removed(
    store: Store, lease: Lease, image: Image, stack: Stack, removed: Collection[str]
) -> LayerInfo:
    """Store the layer of what `removed` names in `image`, and let the lease keep it."""
    entries = removed_entries(stack, removed)
    layers = {entry.path: layer for layer, entry in entries}

    def content(entry: Entry) -> Iterator[bytes]:
        located = stack.union.content(entry.path)
        assert located is not None, "a FILE entry has content"
        with store.layers.open_file(image.layers[layers[entry.path]], located.entry) as file:
            while piece := file.read(_PIECE):
                yield piece

    tar = write_tar((entry for _, entry in entries), content)
    info = store.layers.ingest(tar, expected=None)
    lease.protect(info.diff_id)
    return info


def removed_artifact(store: Store, image: Image) -> Artifact:
    """What is attached to an image with its removed files; the newest one of several.

    Its layer need not be here.  Raises NothingRemoved.
    """
    found = store.images.attached(image.manifest.digest, ARTIFACT_TYPE)
    if not found:
        raise NothingRemoved(name_of(image.row))
    return found[-1]


def removed_layers(store: Store, image: Image) -> tuple[Digest, ...]:
    """The layer that is attached to an image, to lie over its own.

    Raises NothingRemoved; LayerNotFound when it was not brought along.
    """
    layers = removed_artifact(store, image).diff_ids
    for each in layers:
        store.layers.info(each)
    return layers


def attach_removed(store: Store, image: Image, layer: LayerInfo) -> None:
    """Keep the layer with an image, by its side."""
    artifact = Artifact.of_layer(
        image.manifest.descriptor, ARTIFACT_TYPE, layer.diff_id, layer.tar_size
    )
    store.images.attach(image, artifact)
