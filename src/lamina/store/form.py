"""What a form of layers is: how a layer lies in its own directory, `layers/<hex>/`.

`layers` does what is the same for all forms: names, records, listings, locks, removal.  A
form is given the directory of one layer at a time, and knows nothing of the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

import msgspec

from lamina.errors import EngineError
from lamina.layer.contract import Form
from lamina.layer.entry import Entry
from lamina.oci.digest import Digest
from lamina.oci.document import decode
from lamina.store.errors import LayerDamaged, LayerNotFound

if TYPE_CHECKING:
    from lamina.layer.listing import Columns, StoredListing

RECORD = "layer.json"
LISTING = "listing"
COMPRESSED = "compressed.json"
TREE, TAR, EROFS = "fs", "tar", "erofs"
_SIGNS: dict[str, Form] = {EROFS: "image", TREE: "tree"}


class LayerRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """`layer.json`, sealed."""

    diff_id: Digest
    content_size: int
    tar_size: int
    entry_count: int
    form: Form = "tree"
    format: int = 1
    headers: Digest | None = None
    """Of the file `headers`: a bit of gzip's own framing can flip without any other trace."""
    erofs: Digest | None = None
    """Of the file `erofs`."""


class Written(msgspec.Struct, frozen=True):
    """What a form made of a tar stream, in a directory that has no name yet."""

    stored: StoredListing
    headers: Digest | None = None
    erofs: Digest | None = None
    offers: Mapping[str, bytes] = {}
    """Path → key of each file that later layers may share (`layer.apply.Shared`)."""

    def record(self, form: Form) -> LayerRecord:
        """The layer's record."""
        listing = self.stored.listing
        return LayerRecord(
            listing.diff_id,
            listing.content_size,
            listing.tar_size,
            len(listing.entries),
            form,
            headers=self.headers,
            erofs=self.erofs,
        )


class StoredLayer:
    """One layer of the store, its parts read when they are asked for.

    Every part raises LayerNotFound, or LayerDamaged when it is not what was written.
    """

    def __init__(self, diff_id: Digest, place: Path) -> None:
        self.diff_id = diff_id
        self.place = place
        """Its directory."""

    @cached_property
    def record(self) -> LayerRecord:
        """`layer.json`."""
        raw = self.read(RECORD)
        try:
            record = decode(raw, LayerRecord, what=f"the record of layer {self.diff_id.short}")
        except EngineError as error:
            raise LayerDamaged(self.diff_id, str(error)) from None
        if record.diff_id != self.diff_id:
            raise LayerDamaged(self.diff_id, f"its record is that of {record.diff_id}")
        return record

    @cached_property
    def form(self) -> Form:
        """Its form: seen from its files, which costs less than to read the record."""
        place = str(self.place)  # a start asks this of each layer: joining Paths would be felt
        for name, form in _SIGNS.items():
            if os.path.exists(f"{place}/{name}"):
                return form
        return self.record.form

    @cached_property
    def stored(self) -> StoredListing:
        """The listing, and where contents lie that a directory has no room for."""
        from lamina.layer.listing import from_columns

        return from_columns(self.columns)

    @cached_property
    def columns(self) -> Columns:
        """The listing by its columns."""
        from lamina.layer import listing

        try:
            columns = listing.decode_columns(self.read(LISTING))
        except listing.BadListing as error:
            raise LayerDamaged(self.diff_id, str(error)) from None
        if columns.diff_id != self.diff_id.raw:
            other = Digest.from_raw(columns.diff_id)
            raise LayerDamaged(self.diff_id, f"its listing is that of {other}")
        return columns

    def open(self, name: str) -> int:
        """A descriptor that reads a file of the layer's directory."""
        try:
            return os.open(self.place / name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if not self.place.is_dir():
                raise LayerNotFound(self.diff_id) from None
            reason = f"its {name} cannot be read ({error.strerror})"
            raise LayerDamaged(self.diff_id, reason) from None

    def read(self, name: str) -> bytes:
        """A file of the layer's directory."""
        try:
            return (self.place / name).read_bytes()
        except FileNotFoundError:
            if not self.place.is_dir():
                raise LayerNotFound(self.diff_id) from None
            raise LayerDamaged(self.diff_id, f"its {name} is missing") from None


class Lower(NamedTuple):
    """A layer as a directory for overlayfs."""

    path: Path
    fd: int = -1
    """What keeps the directory there; whoever uses it closes it.  -1: nothing need."""


class LayerForm(Protocol):
    """One form of layers."""

    name: Form

    def write(self, place: Path, chunks: Iterable[bytes]) -> Written:
        """Read a tar stream to its end, and lay it out in `place`, an empty directory.

        Nothing need be on disk on return (see `sync`).  Raises BadLayer, and what the
        iterator raises.
        """
        ...

    def sync(self, place: Path) -> None:
        """Put all that is in `place` on disk."""
        ...

    def named(self, place: Path, written: Written) -> None:
        """`place` has become a layer of the store."""
        ...

    def lower(self, layer: StoredLayer) -> Lower:
        """The directory that overlayfs takes.  Raises NotMounted."""
        ...

    def tar(self, layer: StoredLayer) -> Iterator[bytes]:
        """The tar stream.  Raises LayerDamaged when it cannot be had."""
        ...

    def open(self, layer: StoredLayer, entry: Entry) -> BinaryIO:
        """The content of a FILE entry that has some.  Raises LayerDamaged."""
        ...

    def hashed(self, layer: StoredLayer) -> StoredListing:
        """The listing, with the sha256 of every file."""
        ...

    def relisted(self, layer: StoredLayer) -> StoredListing:
        """The listing made anew from all else, with the sha256 of every file.

        Raises LayerDamaged when that is not the layer any more, or does not suffice.
        """
        ...

    def problems(self, layer: StoredLayer) -> Iterator[str]:
        """What is wrong with the files of this form, a clause each; its tar is read besides."""
        ...

    def usage(self, layer: StoredLayer) -> int:
        """Bytes of disk that deleting the layer's directory and then `removed` free."""
        ...

    def removing(self, layer: StoredLayer) -> None:
        """The layer is about to lose its name, or this form."""
        ...

    def removed(self, layer: StoredLayer) -> int:
        """The layer's directory has been deleted; parts that were read before are known.

        Returns the bytes of disk that this freed elsewhere.
        """
        ...
