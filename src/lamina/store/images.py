"""Images by whatever name a user types, resolved to one platform's manifest and config."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from lamina.errors import Invalid
from lamina.oci import mediatype
from lamina.oci.artifact import EMPTY, Artifact
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest, NoSuchPlatform
from lamina.oci.platform import Platform
from lamina.oci.reference import BadReference, Reference
from lamina.store.contract import (
    Attached,
    BlobStore,
    Image,
    LayerStore,
    Lease,
    LeaseStore,
    NamedImage,
    RefStore,
)
from lamina.store.errors import (
    AmbiguousName,
    DigestMismatch,
    ImageNotFound,
    LayerNotFound,
)
from lamina.store.refs import find_row

_ID = r"(?:sha256:)?([0-9a-f]{1,64})"
_NESTING = 4


class Images(msgspec.Struct, frozen=True):
    """Implements `ImageStore` (store/contract.py) on refs and blobs."""

    refs: RefStore
    blobs: BlobStore
    layers: LayerStore
    leases: LeaseStore
    host: Platform
    """What is chosen from an index when nothing else is asked for."""

    def find(self, text: str, *, platform: str = "") -> Image:
        return self.open(find_image(self.refs.rows(), text), platform=platform)

    def open(self, row: NamedImage, *, platform: str = "") -> Image:
        wanted = Platform.parse(platform, host=self.host) if platform else None
        what = name_of(row)
        manifest = self._manifest(row.descriptor, wanted or self.host, what)
        config = ImageConfig.parse(
            self.blobs.read(manifest.config.digest), what=f"the config of {what}"
        )
        if wanted is not None and wanted.rank(config.platform) is None:
            raise NoSuchPlatform(
                f"{what} is for {config.platform}, not for {wanted}",
                hint=f"lamina pull --platform {wanted} {what}",
            )
        return Image(row, manifest, config)

    def _manifest(self, descriptor: Descriptor, platform: Platform, what: str) -> Manifest:
        for _ in range(_NESTING):
            raw = self.blobs.read(descriptor.digest)
            if descriptor.media_type not in mediatype.INDEXES:
                return Manifest.parse(raw, media_type=descriptor.media_type, what=what)
            index = Index.parse(raw, media_type=descriptor.media_type, what=what)
            descriptor = index.select(platform, what=what)
        raise Invalid(f"{what} nests indexes more than {_NESTING} deep")

    def add(
        self,
        manifest: Manifest,
        config: ImageConfig,
        reference: Reference | None,
        *,
        repo_digests: Sequence[str] = (),
    ) -> Image:
        if manifest.config.digest != config.digest:
            raise DigestMismatch(manifest.config.digest, config.digest)
        with self.leases.hold() as lease:
            self._put(lease, manifest, config)
            descriptor = msgspec.structs.replace(manifest.descriptor, platform=config.platform)
            row = self._row(reference, descriptor, config, repo_digests)
            self.refs.set(row)
        return Image(row, manifest, config)

    def add_index(
        self,
        index: Index,
        images: Sequence[tuple[Manifest, ImageConfig]],
        reference: Reference | None,
        *,
        platform: Platform,
        repo_digests: Sequence[str] = (),
    ) -> Image:
        with self.leases.hold() as lease:
            lease.protect(index.digest)
            for each in images:
                self._put(lease, *each)
            self.blobs.put_bytes(index.raw)
            ranks = [(platform.rank(config.platform), at) for at, (_, config) in enumerate(images)]
            fitting = [(rank, at) for rank, at in ranks if rank is not None]
            manifest, config = images[min(fitting, default=(0, 0))[1]]
            row = self._row(reference, index.descriptor, config, repo_digests)
            self.refs.set(row)
        return Image(row, manifest, config)

    def _put(self, lease: Lease, manifest: Manifest, config: ImageConfig) -> None:
        lease.protect(manifest.digest, config.digest, *config.diff_ids)
        for diff_id in config.diff_ids:
            if not self.layers.has(diff_id):
                raise LayerNotFound(diff_id)
        self.blobs.put_bytes(config.raw)
        self.blobs.put_bytes(manifest.raw)

    def _row(
        self,
        reference: Reference | None,
        descriptor: Descriptor,
        config: ImageConfig,
        repo_digests: Sequence[str],
    ) -> NamedImage:
        size = sum(self.layers.info(each).content_size for each in config.diff_ids)
        return NamedImage(
            reference, descriptor, config.digest, size, config.created or "", tuple(repo_digests)
        )

    def attach(self, subject: Image, artifact: Artifact) -> None:
        digest = subject.manifest.digest
        if artifact.subject.digest != digest:
            raise DigestMismatch(digest, artifact.subject.digest)
        raw = {**artifact.contents, Digest.of(EMPTY): EMPTY}
        with self.leases.hold() as lease:
            named = (artifact.manifest.config, *artifact.manifest.layers)
            lease.protect(
                digest, artifact.digest, *artifact.diff_ids, *(each.digest for each in named)
            )
            self.blobs.size(digest)
            for each in artifact.documents:
                if each.digest in raw:
                    self.blobs.put_bytes(raw[each.digest])
                self.blobs.size(each.digest)
            for diff_id in artifact.stored_layers:
                if not self.layers.has(diff_id):
                    raise LayerNotFound(diff_id)
            self.blobs.put_bytes(artifact.manifest.raw)
            entry = msgspec.structs.replace(artifact.descriptor, annotations={})
            self.refs.attach(Attached(digest, entry))

    def attached(self, subject: Digest, artifact_type: str = "") -> Sequence[Artifact]:
        found = []
        for each in self.refs.attached():
            digest = each.descriptor.digest
            if each.subject != subject or artifact_type not in ("", each.descriptor.artifact_type):
                continue
            if self.blobs.has(digest):
                found.append(Artifact.read(Manifest.parse(self.blobs.read(digest))))
        return found

    def __iter__(self) -> Iterator[NamedImage]:
        return iter(self.refs.rows())


def name_of(row: NamedImage) -> str:
    """How a person calls the image: its name, or its short id when it has none."""
    return row.reference.familiar if row.reference is not None else row.image_id.short


def find_image(rows: Sequence[NamedImage], text: str) -> NamedImage:
    """The row that `text` means: a name, an id or a unique prefix of one, or a digest.

    A name wins over a prefix of an id, as in Docker.  Raises ImageNotFound,
    AmbiguousName, BadReference.
    """
    reference: Reference | None
    try:
        reference = Reference.parse(text)
    except BadReference:
        if not re.fullmatch(_ID, text):
            raise
        reference = None
    if reference is not None and (row := find_row(rows, reference)) is not None:
        return row
    if (row := _by_id(rows, text)) is not None:
        return row
    raise ImageNotFound(text, similar=_similar(rows, reference), can_pull=not _looks_like_id(text))


def _by_id(rows: Sequence[NamedImage], text: str) -> NamedImage | None:
    match = re.fullmatch(_ID, text)
    if match is None:
        return None
    prefix = match[1]
    found = [row for row in rows if row.image_id.hex.startswith(prefix)]
    if not found and len(prefix) == 64:
        found = [row for row in rows if row.descriptor.digest.hex == prefix]
    if len(ids := {row.image_id.short for row in found}) > 1:
        raise AmbiguousName(text, sorted(ids))
    return found[0] if found else None


def _looks_like_id(text: str) -> bool:
    return bool(re.fullmatch(_ID, text)) and (len(text) >= 12 or text.startswith("sha256:"))


def _similar(rows: Sequence[NamedImage], reference: Reference | None) -> list[str]:
    import difflib

    if reference is None:
        return []
    names = {row.reference.familiar: None for row in rows if row.reference is not None}
    same = [
        row.reference.familiar
        for row in rows
        if row.reference is not None and row.reference.name == reference.name
    ]
    near = difflib.get_close_matches(reference.familiar, names, 3)
    return list(dict.fromkeys([*near, *same]))[:3]
