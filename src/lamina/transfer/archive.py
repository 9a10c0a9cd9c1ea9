"""Archives: what `docker save`, podman and skopeo write, as sources; and the save of our own.

Two formats, told apart by what is inside: an OCI layout in a tar (`index.json`),
and Docker's (`manifest.json`, with each layer a tar of its own).  Current
Docker writes both into one file, and so do we.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from lamina.errors import Invalid, NotFound
from lamina.layer.pipeline import reading, staged
from lamina.oci import mediatype
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import decode, encode
from lamina.oci.manifest import Manifest
from lamina.oci.reference import Reference
from lamina.registry.contract import Source
from lamina.store.errors import writing
from lamina.transfer.layout import (
    INDEX_FILE,
    LAYOUT_FILE,
    Files,
    LayoutSource,
    blob_name,
    read_index,
    verify_bytes,
)
from lamina.transfer.members import (
    BadArchive,
    DirectoryMembers,
    Extent,
    Members,
    TarMembers,
    read_document,
)
from lamina.transfer.pieces import read_pieces, sha256_of, write_all

DOCKER_FILE = "manifest.json"
_MOST_BYTES = 1 << 40
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"BZh")
_MAGIC = {
    b"\x1f\x8b": mediatype.OCI_LAYER_GZIP,
    b"\x28\xb5\x2f\xfd": mediatype.OCI_LAYER_ZSTD,
}


class NoSuchImage(NotFound):
    """The layout or archive has no image of that name."""


class _Item(msgspec.Struct, rename="pascal"):
    """One image of Docker's `manifest.json`."""

    config: str
    layers: tuple[str, ...] | None = None
    repo_tags: tuple[str, ...] | None = None


@contextmanager
def open_archive(file: BinaryIO, what: str) -> Iterator[Members]:
    """The members of an archive: plain or compressed, a file or a pipe.

    What cannot be read at any place is written to a temporary file without a
    name first.  Raises BadArchive, BadCompression.
    """
    if file.seekable() and not _is_compressed(file):
        yield TarMembers(file, what)
        return
    import tempfile

    from lamina.layer.compression import decompress

    with tempfile.TemporaryFile(prefix="lamina-") as spool:
        pieces = decompress(staged(read_pieces(file)), None, limit=_MOST_BYTES, what=what)
        with reading(pieces) as plain, writing("a temporary copy of the archive"):
            for piece in plain:
                write_all(spool, piece)
            spool.flush()
        yield TarMembers(spool, what)


@contextmanager
def open_path(path: Path) -> Iterator[Members]:
    """The members of an archive, or of a layout's directory."""
    if path.is_dir():
        yield DirectoryMembers(path)
        return
    with path.open("rb") as file, open_archive(file, str(path)) as members:
        yield members


def _is_compressed(file: BinaryIO) -> bool:
    head = file.read(8)
    file.seek(0)
    return head.startswith(_COMPRESSED)


def read_images(members: Members) -> list[tuple[Source, tuple[str, ...]]]:
    """Every image of an archive or layout: where to read it, and its names as written.

    Raises NoSuchImage for what is neither format, BadArchive for a broken one.
    """
    if members.has(LAYOUT_FILE) and members.has(INDEX_FILE):
        return [(LayoutSource(members, each), each.names) for each in read_index(members)]
    if members.has(DOCKER_FILE):
        return [
            (DockerArchiveSource(members, item), item.repo_tags or ())
            for item in _read_items(members)
        ]
    if members.has("repositories"):
        raise BadArchive(
            f"{members.what} is an archive of Docker before 1.10",
            hint="load it with such a Docker and save it again with a current one",
        )
    raise NoSuchImage(
        f"{members.what} has no image in it: neither {DOCKER_FILE} nor {INDEX_FILE}",
        hint="lamina import   (makes an image from the tar of a root file system)",
    )


def find_image(members: Members, name: str) -> Source:
    """The image called `name` there (a whole reference or its tag alone); without a name
    the only one.

    Raises NoSuchImage, or BadArchive when it is not clear which one is meant.
    """
    images = read_images(members)
    there = ", ".join(each for _, names in images for each in names) or "images without names"
    if not name:
        if len(images) == 1:
            return images[0][0]
        raise BadArchive(
            f"{members.what} has {len(images)} images",
            hint=f"say which one after a colon: {there}" if images else "",
        )
    for source, names in images:
        if any(_same_name(name, each) for each in names):
            return source
    raise NoSuchImage(f"{members.what} has no image {name}", hint=f"it has: {there}")


def _same_name(wanted: str, name: str) -> bool:
    if wanted == name or name.endswith(":" + wanted):
        return True
    try:
        return Reference.parse(wanted) == Reference.parse(name)
    except Invalid:
        return False


def _read_items(members: Members) -> tuple[_Item, ...]:
    raw = read_document(members, DOCKER_FILE)
    return decode(raw, tuple[_Item, ...], what=f"{DOCKER_FILE} of {members.what}")


class DockerArchiveSource:
    """Implements `Source` (registry/contract.py) for one image of a Docker archive.

    Such an archive has no manifest in OCI's sense: one is made, over the
    config and the layers as they lie there.
    """

    def __init__(self, members: Members, item: _Item) -> None:
        self._members = members
        self._item = item
        self._paths: dict[Digest, str] = {}
        self._documents: dict[Digest, bytes] = {}

    def resolve(self) -> Descriptor:
        config = ImageConfig.parse(
            read_document(self._members, _clean(self._item.config)),
            what=f"{self._item.config} of {self._members.what}",
        )
        layers = self._item.layers or ()
        if len(layers) != len(config.diff_ids):
            raise BadArchive(
                f"an image of {self._members.what} has {len(layers)} layers"
                f" and {len(config.diff_ids)} in its config"
            )
        described = [
            self._layer(_clean(path), diff_id)
            for path, diff_id in zip(layers, config.diff_ids, strict=True)
        ]
        manifest = Manifest.build(config.descriptor(), described)
        self._documents = {config.digest: config.raw, manifest.digest: manifest.raw}
        return manifest.descriptor

    def _layer(self, path: str, diff_id: Digest) -> Descriptor:
        """What a layer's file is; its content is checked when it is read."""
        size = self._members.size(path)
        with reading(self._members.chunks(path)) as pieces:
            head = next(pieces, b"")
        media_type = next(
            (kind for magic, kind in _MAGIC.items() if head.startswith(magic)), mediatype.OCI_LAYER
        )
        digest = diff_id
        if media_type != mediatype.OCI_LAYER:
            digest = sha256_of(self._members.chunks(path))
        self._paths[digest] = path
        return Descriptor(media_type, digest, size)

    def document(self, descriptor: Descriptor) -> bytes:
        raw = self._documents[descriptor.digest]
        verify_bytes(raw, descriptor)
        return raw

    @contextmanager
    def blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[Iterator[bytes]]:
        if descriptor.digest in self._documents:
            yield iter([self._documents[descriptor.digest][offset:]])
            return
        with reading(self._members.chunks(self._paths[descriptor.digest], offset=offset)) as pieces:
            yield pieces

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        return ()

    def extent(self, descriptor: Descriptor) -> AbstractContextManager[Extent]:
        """Where a layer's bytes lie."""
        return self._members.extent(self._paths[descriptor.digest])


def _clean(path: str) -> str:
    """A path of `manifest.json` as the name of a member."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def write_docker_files(
    files: Files, images: Sequence[tuple[Manifest, Sequence[Reference]]]
) -> None:
    """Write `manifest.json` and `repositories`, which make a layout an archive that any
    Docker loads."""
    items = [
        {
            "Config": blob_name(manifest.config.digest),
            "RepoTags": [name.familiar for name in names] or None,
            "Layers": [blob_name(layer.digest) for layer in manifest.layers],
        }
        for manifest, names in images
    ]
    repositories: dict[str, dict[str, str]] = {}
    for manifest, names in images:
        for name in names:
            top = manifest.layers[-1].digest.hex if manifest.layers else ""
            repositories.setdefault(name.familiar_name, {})[name.tag] = top
    for path, document in ((DOCKER_FILE, items), ("repositories", repositories)):
        raw = encode(document)
        files.write(path, len(raw), [raw])
