"""The contracts of the store: what each part promises, in words and types.

A *name* (`refs`) always stands for a complete image: manifest and config in
`blobs`, every layer in `layers`.  So names are set last and removed first.
Everything else may be left behind by a crash and is collected by `gc`, which
spares what a name, a container, a build step or a living lease needs.

Any method may raise OSError for what the kernel refuses; the store turns a
full disk and missing permission into `NoSpace` and `NotPermitted`
(store/errors.py) where it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import msgspec

from lamina.layer.contract import Form, LayerInfo, Listing
from lamina.layer.entry import Entry
from lamina.layer.whiteout import Whiteouts
from lamina.oci.artifact import Artifact
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.container_contract import ContainerStore
from lamina.store.events import Journal

if TYPE_CHECKING:
    from lamina.layer.listing import Columns


class BlobStore(Protocol):
    """Immutable bytes, named by their digest: `blobs/sha256/<hex>`."""

    def put(
        self, stream: BinaryIO, *, expected: Digest | None = None, size: int | None = None
    ) -> Digest:
        """Store all of `stream` and return its digest.

        Idempotent: returning means "these bytes are stored", not "this call
        stored them".  All or nothing: a reader, or a crash at any point, sees
        the whole blob or none of it, and the bytes are on disk on return.
        Constant memory.  `stream` is read to its end, not closed.

        Raises DigestMismatch or SizeMismatch, storing nothing, when `expected`
        or `size` is given and differs.
        """
        ...

    def put_bytes(self, data: bytes) -> Digest:
        """`put` for bytes in memory."""
        ...

    def read(self, digest: Digest) -> bytes:
        """The whole blob, verified.  Raises BlobNotFound, DigestMismatch."""
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """A reader that verifies: reading past the last byte raises DigestMismatch
        if the bytes are not those named.  Raises BlobNotFound.  The caller closes it."""
        ...

    def size(self, digest: Digest) -> int:
        """Bytes.  Raises BlobNotFound."""
        ...

    def has(self, digest: Digest) -> bool:
        """Whether the blob is stored."""
        ...

    def delete(self, digest: Digest) -> int:
        """Forget the blob; returns the bytes of disk freed, 0 when it is not there."""
        ...

    def sweep(self) -> int:
        """Delete what dead writers left, and nothing of a living one; returns the bytes
        of disk freed."""
        ...

    def __iter__(self) -> Iterator[Digest]:
        """Every stored blob, in no order."""
        ...


class NamedImage(msgspec.Struct, frozen=True):
    """One row of `index.json`: what a name stands for, and what `images` prints of it."""

    reference: Reference | None
    """None for an image that lost its name (`<none>`)."""
    descriptor: Descriptor
    """Of the manifest, or of an index when all platforms were pulled."""
    image_id: Digest
    """Digest of the config."""
    size: int
    """Bytes of file content in all layers."""
    created: str
    """RFC 3339 as in the config; empty when the config has none."""
    repo_digests: tuple[str, ...] = ()
    """`name@sha256:…` under which registries know it."""


class Attached(msgspec.Struct, frozen=True):
    """That an artifact is attached to an image's manifest: an entry of `index.json`."""

    subject: Digest
    """Of the image's manifest."""
    descriptor: Descriptor
    """Of the artifact's manifest, with its type and without annotations."""


class RefStore(Protocol):
    """The names of images: `index.json` of the OCI layout, replaced whole under a lock.

    Also what is attached to images, which has no name and is no row.
    """

    def get(self, reference: Reference) -> NamedImage | None:
        """What the name stands for; None when nothing does.  A reference by digest
        finds the image whose manifest, or repo digest, it is."""
        ...

    def set(self, image: NamedImage) -> None:
        """Let `image.reference` stand for the image, from one moment to the next.

        The image that had the name keeps its row as `<none>` if no other name
        stands for it, as Docker leaves it.  A row without a reference is added
        only when the image has no other row.  On disk on return.
        """
        ...

    def remove(self, reference: Reference) -> NamedImage:
        """Take the name away, and the row with it.  Raises ImageNotFound."""
        ...

    def remove_image(self, image_id: Digest) -> list[NamedImage]:
        """Take every row of an image away; returns them."""
        ...

    def rows(self) -> Sequence[NamedImage]:
        """Every row, in the order in which they were set."""
        ...

    def attach(self, attached: Attached) -> None:
        """Note that an artifact is attached, after those that are; on disk on return.
        Nothing changes when it is noted already."""
        ...

    def detach(self, artifacts: Container[Digest]) -> None:
        """Forget artifacts, by the digests of their manifests."""
        ...

    def attached(self) -> Sequence[Attached]:
        """Every artifact, in the order in which they were attached."""
        ...

    def disk_usage(self, *, without: Container[Digest] = ()) -> int:
        """Bytes of disk that all this takes, or would take without some images (by id) and
        artifacts (by digest)."""
        ...

    def sweep(self) -> int:
        """As `BlobStore.sweep`."""
        ...


class Lease(Protocol):
    """Keeps gc off what an operation under way needs; ends with the process at the latest."""

    def protect(self, *digests: Digest) -> None:
        """Keep these blobs and layers from now on, whether they are there yet or not.

        Called *before* asking `has`: never "is it there?" and then act.
        """
        ...

    def fileno(self) -> int:
        """The descriptor whose lock it is: a program that gets it by exec holds the lease."""
        ...


class Filling(Protocol):
    """What an upper directory is filled with, by the one who does that."""

    @property
    def entries(self) -> Sequence[Entry]:
        """All that belongs there, in any order: times in whole seconds, no whiteouts, no file
        with two names.  A file with a sha256 is not there yet, everything else is."""
        ...

    def write(self, entry: Entry) -> bool:
        """Write a file that is not there yet, for no layer has one that equals it.

        Returns whether what was written is sure to have the sha256 of `entry`: its source
        may have been changed since that was taken, without a trace.
        """
        ...


class LayerStore(Protocol):
    """Layers by diff_id: `layers/<hex>/`."""

    def has(self, diff_id: Digest) -> bool:
        """Whether the layer is stored, whole."""
        ...

    def info(self, diff_id: Digest) -> LayerInfo:
        """Raises LayerNotFound."""
        ...

    def ingest(self, chunks: Iterable[bytes], *, expected: Digest | None) -> LayerInfo:
        """Read an uncompressed tar stream and store it as a layer.

        Constant memory; nothing outside the layer's own new directory is ever
        written, whatever names the tar has.  All or nothing, on disk on return.
        Idempotent, also when two processes ingest the same layer at once.
        The iterator is read to its end, and what it raises goes through.

        Raises BadLayer (a name, link or header that breaks the rules, naming
        the entry), DiffIdMismatch when `expected` is given and differs,
        NotPermitted for a device node that this user may not make.
        """
        ...

    def adopt(self, upper: Path, *, filling: Filling | None = None) -> LayerInfo:
        """Make the upper directory of an overlay mount (unmounted) into a layer, by rename.

        `upper` lies in the store's own file system (a container's or a build
        step's directory) and is gone afterwards.  One walk reads and hashes it; its
        tar is deterministic: sorted, whole seconds, numeric owners.

        With `filling`, which says all that lies in `upper`, nothing but contents is read, and
        files that the store shares need not be there yet.  Raises BadLayer when a content has
        another length, and what `filling` raises.
        """
        ...

    def snapshot(self, upper: Path, *, whiteouts: Whiteouts | None = None) -> LayerInfo:
        """The same layer as `adopt` makes, but `upper` stays: its files are copied (commit).

        It may lie anywhere, and say what is gone as `whiteouts` does.
        """
        ...

    def listing(self, diff_id: Digest) -> Listing:
        """Every entry.  A listing whose checksum fails is made anew from the layer's tar.
        Raises LayerNotFound, or LayerDamaged when that is not what it was either."""
        ...

    def hashed(self, diff_id: Digest) -> Listing:
        """`listing` with the sha256 of every file, computed and kept if it was not yet."""
        ...

    def columns(self, diff_id: Digest, *, hashed: bool = False) -> Columns:
        """The listing without an object for each entry; `hashed` as the method does it."""
        ...

    def lowers(self, chain: Sequence[Digest]) -> AbstractContextManager[tuple[Path, ...]]:
        """Directories to use as overlayfs `lowerdir`, one for each of `chain`, in its order.

        Whiteouts in them are 0:0 devices.  Read-only by agreement.  They are there for the
        length of the `with` block: what has to be mounted is, once for all processes, and
        nobody unmounts it meanwhile.  An overlay over them needs them only while it is
        being mounted, but as long as they are held the next container finds them warm.

        Raises LayerNotFound; NotMounted for an image that this host does not mount.
        """
        ...

    def directory(self, diff_id: Digest) -> Path:
        """Where the layer is kept, or would be: for messages."""
        ...

    def tar(self, diff_id: Digest) -> Iterator[bytes]:
        """The exact tar stream, whose sha256 is `diff_id`, in pieces of at most 1 MiB.

        Raises LayerNotFound; LayerDamaged, naming the path, when a file is not
        as long as its entry says.  The digest is the caller's to check.
        """
        ...

    def open_file(self, diff_id: Digest, entry: Entry) -> BinaryIO:
        """The content of a FILE entry of that layer, followed through no link."""
        ...

    @property
    def form(self) -> Form:
        """The form that `ingest` and `snapshot` keep layers in; what `adopt` makes is a tree.

        Raises NoImageForm when images were asked for and cannot be.
        """
        ...

    @property
    def no_image_form(self) -> str:
        """Why layers cannot be kept as images here, in words; empty when they can."""
        ...

    @property
    def no_tree_form(self) -> str:
        """Why layers cannot be kept as trees here, in words; empty when they can.

        Then they are kept as images, which any user can write anywhere, mounted or not.
        """
        ...

    @property
    def whiteouts(self) -> Whiteouts:
        """How an upper directory that is to be adopted says what is gone: as overlayfs does,
        or by names where layers cannot be kept as trees."""
        ...

    def mounted(self) -> Sequence[Digest]:
        """The layers that are mounted, in no order."""
        ...

    def convert(
        self, diff_id: Digest, form: Form, *, alone: Callable[[], AbstractContextManager[object]]
    ) -> LayerInfo:
        """Keep the layer in that form from now on; the same tar comes back from it.

        The new form is made first, and on disk.  Then `alone()` is entered, which keeps
        out whoever could use the layer, or raises; within it the forms change places,
        from one moment to the next.  On failure the layer is as it was.

        Raises LayerNotFound, LayerDamaged, NoImageForm, and what `alone` raises.
        """
        ...

    def verify(self, diff_id: Digest) -> list[str]:
        """What is wrong with the stored layer, a sentence each, naming the path; empty when
        every byte and every attribute is as the diff_id says."""
        ...

    def remove(self, diff_id: Digest) -> int:
        """Delete the layer; returns the bytes of disk freed.  Nothing happens when it is
        not there.  Gone at one moment (rename), however long the deletion takes."""
        ...

    def disk_usage(self, diff_id: Digest) -> int:
        """Bytes of disk that removing this layer alone would free (allocated blocks;
        files shared with other layers through `objects/` are not counted)."""
        ...

    def sweep(self) -> int:
        """As `BlobStore.sweep`; also unmounts layers that nobody uses."""
        ...

    def compressed(self, diff_id: Digest) -> tuple[Descriptor, ...]:
        """The compressed blobs this layer is known as (pulled or pushed before)."""
        ...

    def remember_compressed(self, diff_id: Digest, descriptor: Descriptor) -> None:
        """Note that `descriptor` is this layer, compressed.  A crash of the machine
        may lose it: the layer is then compressed once more."""
        ...

    def __iter__(self) -> Iterator[Digest]:
        """Every stored layer, in no order."""
        ...


class StepResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a build step made, under its cache key."""

    key: Digest
    layers: tuple[Digest, ...] = ()
    """diff_ids the step's result needs: gc keeps them while the result is kept."""
    created: str = ""
    """RFC 3339."""
    description: str = ""
    data: dict[str, Any] = {}
    """Whatever the build part wants back (JSON values)."""


class StepStore(Protocol):
    """The build cache: results by key, `steps/<hex>.json`."""

    def get(self, key: Digest) -> StepResult | None:
        """The result, if it is kept and every layer of it is stored."""
        ...

    def put(self, result: StepResult) -> None:
        """Keep a result; an older one under the key is replaced.  A crash of
        the machine may lose it: the step then runs again."""
        ...

    def touch(self, key: Digest) -> None:
        """Note that the result is of use now; nothing when it is not there."""
        ...

    def used(self, key: Digest) -> float:
        """When it was last put or touched, in seconds since the epoch; 0 when it is not there."""
        ...

    def remove(self, key: Digest) -> int:
        """Forget one; returns the bytes of disk freed, 0 when it is not there."""
        ...

    def sweep(self) -> int:
        """As `BlobStore.sweep`; a result that cannot be read goes too."""
        ...

    def __iter__(self) -> Iterator[StepResult]:
        """Every result."""
        ...


class Image(msgspec.Struct, frozen=True):
    """An image in the store, resolved: one platform's manifest and config."""

    row: NamedImage
    manifest: Manifest
    config: ImageConfig

    @property
    def layers(self) -> tuple[Digest, ...]:
        """diff_ids, the lowest first."""
        return self.config.diff_ids


class ImageStore(Protocol):
    """Images by any name a user types, on top of refs and blobs."""

    def find(self, text: str, *, platform: str = "") -> Image:
        """By reference, image id, unique prefix of an id (12 or more digits need not be
        unique among tags of one image), or digest.

        Raises ImageNotFound, whose hint names similar images; AmbiguousName.
        """
        ...

    def open(self, row: NamedImage, *, platform: str = "") -> Image:
        """The image of a row.  Raises BlobNotFound when the store is damaged."""
        ...

    def add(
        self,
        manifest: Manifest,
        config: ImageConfig,
        reference: Reference | None,
        *,
        repo_digests: Sequence[str] = (),
    ) -> Image:
        """Store manifest and config, then set the name.  Every layer must be stored:
        raises LayerNotFound otherwise, naming nothing.

        The manifest's layers may be descriptors of compressed blobs that are not kept,
        or (built here) `application/vnd.oci.image.layer.v1.tar` with digest = diff_id.
        """
        ...

    def add_index(
        self,
        index: Index,
        images: Sequence[tuple[Manifest, ImageConfig]],
        reference: Reference | None,
        *,
        platform: Platform,
        repo_digests: Sequence[str] = (),
    ) -> Image:
        """Store an index and these images of it, then set the name; as `add` for the rest.

        The row tells of the image that runs best on `platform`, the first if none does,
        and that one is returned.  `images` is not empty.
        """
        ...

    def attach(self, subject: Image, artifact: Artifact) -> None:
        """Keep an artifact for as long as the manifest of `subject` is kept by something.

        Its contents are stored, other documents in it must be already: raises BlobNotFound.
        So must a layer in it that is given by its diff_id (LayerNotFound), and it is kept as
        long; one that is a compressed blob may come later.  Attaching twice is attaching once.

        Raises DigestMismatch when the artifact is about another manifest, BlobNotFound when
        the image was removed.
        """
        ...

    def attached(self, subject: Digest, artifact_type: str = "") -> Sequence[Artifact]:
        """What is attached to the manifest `subject`, of one type if it is given, in the order
        in which it was attached.  One whose manifest is not stored is left out."""
        ...

    def __iter__(self) -> Iterator[NamedImage]:
        """Every row."""
        ...


class Reclaimed(msgspec.Struct, frozen=True):
    """What gc or a removal deleted, and the bytes of disk it freed."""

    layers: tuple[Digest, ...]
    blobs: tuple[Digest, ...]
    bytes: int


class Store(msgspec.Struct, frozen=True):
    """The opened parts of one root directory."""

    root: Path
    blobs: BlobStore
    refs: RefStore
    layers: LayerStore
    steps: StepStore
    containers: ContainerStore
    images: ImageStore
    leases: LeaseStore
    events: Journal


class LeaseStore(Protocol):
    """Leases: `leases/<random>`, held by flock, so that a dead process holds none."""

    def hold(self) -> AbstractContextManager[Lease]:
        """A lease for the length of a `with` block."""
        ...

    def protected(self, *, beside: Lease | None = None) -> set[Digest]:
        """Everything that living leases keep, other than `beside`; dead leases are swept
        on the way."""
        ...

    def collecting(self) -> AbstractContextManager[None]:
        """Held by gc from marking until the last rename: `protect` waits meanwhile."""
        ...
