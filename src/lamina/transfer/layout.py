"""OCI image layouts (image-spec, image-layout.md), in a directory or a tar: read and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import msgspec

from lamina.layer.pipeline import Tally, reading, tallied
from lamina.oci import mediatype
from lamina.oci.artifact import fallback_tag, is_fallback_tag
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument, amend, encode
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.errors import DigestMismatch, SizeMismatch
from lamina.transfer.members import (
    MAX_DOCUMENT,
    BadArchive,
    Extent,
    Members,
    MissingFile,
    read_document,
)

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"


class Named(msgspec.Struct, frozen=True):
    """An image of a layout or archive: its top document, and the names it goes by there."""

    descriptor: Descriptor
    names: tuple[str, ...]
    """As written: `docker.io/library/debian:bookworm`, or a bare tag."""


def read_index(members: Members) -> tuple[Named, ...]:
    """The images of a layout, in its order.  Raises BadArchive, BadDocument."""
    version = read_document(members, LAYOUT_FILE)
    try:
        supported = msgspec.json.decode(version).get("imageLayoutVersion", "").startswith("1.")
    except (msgspec.MsgspecError, AttributeError, UnicodeDecodeError):
        supported = False
    if not supported:
        raise BadArchive(f"{members.what} is not an OCI layout of version 1")
    index = Index.parse(read_document(members, INDEX_FILE), what=f"{INDEX_FILE} of {members.what}")
    named: dict[Digest, Named] = {}
    for each in index.images():
        if any(map(is_fallback_tag, _names(each))):
            continue
        before = named.get(each.digest)
        names = (*(before.names if before else ()), *_names(each))
        named[each.digest] = Named(
            msgspec.structs.replace(each, annotations={}), tuple(dict.fromkeys(names))
        )
    return tuple(named.values())


def _names(descriptor: Descriptor) -> tuple[str, ...]:
    full = descriptor.annotations.get(CONTAINERD_NAME, "")
    name = full or descriptor.annotations.get(REF_NAME, "")
    return (name,) if name else ()


class LayoutSource:
    """Implements `Source` (registry/contract.py) for one image of a layout."""

    def __init__(self, members: Members, image: Named) -> None:
        self._members = members
        self._image = image

    def resolve(self) -> Descriptor:
        return self._image.descriptor

    def document(self, descriptor: Descriptor) -> bytes:
        if descriptor.size > MAX_DOCUMENT:
            raise BadArchive(
                f"document {descriptor.digest} of {self._members.what} is larger"
                f" than {MAX_DOCUMENT} bytes: {descriptor.size}"
            )
        raw = read_document(self._members, blob_name(descriptor.digest))
        verify_bytes(raw, descriptor)
        return raw

    @contextmanager
    def blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[Iterator[bytes]]:
        name = blob_name(descriptor.digest)
        if self._members.size(name) != descriptor.size:
            raise SizeMismatch(descriptor.digest, descriptor.size, self._members.size(name))
        with reading(self._members.chunks(name, offset=offset)) as pieces:
            yield pieces

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        # They are listed among the images, or as in a registry that cannot list, or with their
        # image in an index (`LayoutSink.gather`).
        index = Index.parse(read_document(self._members, INDEX_FILE))
        found = [each for each in index.manifests if each.is_artifact]
        for each in index.manifests:
            if each.media_type in mediatype.INDEXES and self._members.has(blob_name(each.digest)):
                inner = Index.parse(self.document(each), media_type=each.media_type).manifests
                is_list = fallback_tag(subject) in _names(each)
                found += [one for one in inner if is_list or one.is_artifact]
        unique = {each.digest: each for each in found}.values()
        return [each for each in unique if self._subject(each) == subject]

    def _subject(self, entry: Descriptor) -> Digest | None:
        try:
            manifest = Manifest.parse(self.document(entry), media_type=entry.media_type)
        except (MissingFile, BadDocument):  # it may have been deleted, or be no manifest
            return None
        return None if manifest.subject is None else manifest.subject.digest

    def extent(self, descriptor: Descriptor) -> AbstractContextManager[Extent]:
        """Where a layer's bytes lie."""
        return self._members.extent(blob_name(descriptor.digest))


def verify_bytes(raw: bytes, descriptor: Descriptor) -> None:
    """Raise SizeMismatch or DigestMismatch unless `raw` is what `descriptor` says."""
    if len(raw) != descriptor.size:
        raise SizeMismatch(descriptor.digest, descriptor.size, len(raw))
    if (actual := Digest.of(raw)) != descriptor.digest:
        raise DigestMismatch(descriptor.digest, actual)


def blob_name(digest: Digest) -> str:
    """Where a layout has a blob."""
    return f"blobs/sha256/{digest.hex}"


class Files(Protocol):
    """Where a layout is written: a directory, or a tar that only grows.  Takes several threads."""

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        ...

    def write(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Write a file of exactly `size` bytes; nothing is at `name` when `chunks` raises.

        A file that is there already is left alone: names of blobs are digests.
        """
        ...

    def write_blob(self, chunks: Iterable[bytes]) -> tuple[Digest, int]:
        """Write a blob whose digest and size are known at its end, and return them.

        As `write` it leaves nothing when `chunks` raises, and a blob that is there alone.
        """
        ...

    def finish(self, entries: Sequence[Descriptor]) -> None:
        """Write `oci-layout` and `index.json` with `entries`, last of all.

        Entries of an index that was there stay, but for the names that are taken over.
        """
        ...


class LayoutSink:
    """Implements `Sink` (registry/contract.py) for one image of a layout.

    The last document put is the image's top one; `entries` are its lines for
    `Files.finish`: one for each of `names`, else one for the tag, then what is attached.
    In an archive that is Docker's as well nothing is.
    """

    def __init__(
        self, files: Files, names: Iterable[Reference] = (), *, attaches: bool = True
    ) -> None:
        self._files = files
        self._names = tuple(names)
        self._named: tuple[Descriptor, ...] = ()
        self._attached: dict[Digest, Descriptor] = {}
        self._attaches = attaches
        self._top = b""

    @property
    def entries(self) -> tuple[Descriptor, ...]:
        """What `index.json` is to say of the image."""
        return (*self._named, *self._attached.values())

    @property
    def attaches(self) -> bool:
        return self._attaches

    def top_manifest(self) -> Manifest:
        """The image's manifest, once it is there.  Raises BadDocument for an index."""
        return Manifest.parse(self._top)

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self._files.has(blob_name(descriptor.digest))

    def mount_blob(self, descriptor: Descriptor, origin: str) -> bool:
        return False

    def put_blob(self, descriptor: Descriptor, open_chunks: Callable[[], Iterable[bytes]]) -> None:
        tally = Tally()
        self._files.write(
            blob_name(descriptor.digest),
            descriptor.size,
            _checked(tallied(open_chunks(), tally), tally, descriptor),
        )

    def put_stream(self, media_type: str, chunks: Iterable[bytes]) -> Descriptor:
        digest, size = self._files.write_blob(chunks)
        return Descriptor(media_type, digest, size)

    def put_document(self, descriptor: Descriptor, raw: bytes, *, tag: str = "") -> None:
        verify_bytes(raw, descriptor)
        self._files.write(blob_name(descriptor.digest), len(raw), [raw])
        self._top = raw
        annotations = [{CONTAINERD_NAME: str(name), REF_NAME: name.tag} for name in self._names]
        if not annotations:
            annotations = [{REF_NAME: tag} if tag else {}]
        self._named = tuple(
            msgspec.structs.replace(descriptor, annotations=each) for each in annotations
        )

    def gather(self, platform: Platform) -> None:
        """Let the image's entry be an index of the image, for `platform`, and what is attached.

        Whoever looks for the only image of an archive looks for an only entry (podman load).
        """
        if not self._attached:
            return
        manifest = msgspec.structs.replace(self._named[0], annotations={}, platform=platform)
        images: tuple[Descriptor, ...] = (manifest,)
        if manifest.media_type in mediatype.INDEXES:
            images = Index.parse(self._top).manifests
        index = Index.build([*images, *self._attached.values()])
        self._attached = {}
        self.put_document(index.descriptor, index.raw)

    def put_referrer(self, descriptor: Descriptor, raw: bytes, subject: Digest) -> None:
        verify_bytes(raw, descriptor)
        self._files.write(blob_name(descriptor.digest), len(raw), [raw])
        # Without what it is annotated with: that could be a name.
        self._attached[descriptor.digest] = msgspec.structs.replace(descriptor, annotations={})


def _checked(pieces: Iterator[bytes], tally: Tally, descriptor: Descriptor) -> Iterator[bytes]:
    """The same pieces; raises before the file is closed if they are not the blob announced."""
    with reading(pieces) as source:
        yield from source
    if tally.size != descriptor.size:
        raise SizeMismatch(descriptor.digest, descriptor.size, tally.size)
    if tally.digest != descriptor.digest:
        raise DigestMismatch(descriptor.digest, tally.digest)


def layout_document() -> bytes:
    """The content of `oci-layout`."""
    return encode({"imageLayoutVersion": "1.0.0"})


def merged_index(before: bytes | None, entries: Sequence[Descriptor]) -> bytes:
    """`index.json` with `entries` added; entries of `before` whose name or place they take go.

    Raises BadDocument when `before` is not an index.
    """
    if before is None:
        return Index.build(entries).raw
    kept = [
        each
        for each in Index.parse(before, what=INDEX_FILE).manifests
        if not any(_replaces(new, each) for new in entries)
    ]
    return amend(before, {"manifests": [*kept, *entries]})


def _replaces(new: Descriptor, old: Descriptor) -> bool:
    if _names(new) or _names(old):
        return _names(new) == _names(old)
    return new.digest == old.digest
