"""The names of images: `index.json` of the OCI layout, one entry for each name.

An entry's annotations hold what `images` prints, so listing needs this one
file.  An artifact attached to an image is an entry without a name, which says to which
manifest.  Entries and annotations of other tools are carried along untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lamina.errors import EngineError
from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import decode, encode
from lamina.oci.reference import Reference
from lamina.store.atomic import locked, replace_file, sweep_files
from lamina.store.contract import Attached, NamedImage
from lamina.store.errors import ImageNotFound, RecordDamaged, writing
from lamina.store.sealed import UNSEALED, seal

REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"
IMAGE_ID = "dev.lamina.image.id"
SIZE = "dev.lamina.image.size"
CREATED = "dev.lamina.image.created"
REPO_DIGESTS = "dev.lamina.image.repo-digests"
SUBJECT = "dev.lamina.attached.to"
CHECKSUM = "dev.lamina.checksum"
_OURS = (REF_NAME, FULL_NAME, IMAGE_ID, SIZE, CREATED, REPO_DIGESTS)

Document = dict[str, Any]


class IndexRefs:
    """Implements `RefStore` (store/contract.py) on `index.json`."""

    def __init__(self, root: Path) -> None:
        self._path = root / "index.json"
        self._lock = root / "index.lock"

    def get(self, reference: Reference) -> NamedImage | None:
        return find_row(self.rows(), reference)

    def set(self, image: NamedImage) -> None:
        image = msgspec.structs.replace(image, reference=_normal(image.reference))
        with self._changing() as entries:
            entries.let(lambda rows: with_row(rows, image))

    def remove(self, reference: Reference) -> NamedImage:
        with self._changing() as entries:
            row = find_row(entries.rows(), reference)
            if row is None:
                raise ImageNotFound(reference.familiar)
            entries.let(lambda rows: [each for each in rows if each != row])
        return row

    def remove_image(self, image_id: Digest) -> list[NamedImage]:
        with self._changing() as entries:
            gone = [row for row in entries.rows() if row.image_id == image_id]
            entries.let(lambda rows: [row for row in rows if row.image_id != image_id])
        return gone

    def rows(self) -> Sequence[NamedImage]:
        return _Entries(self._load(), self._path).rows()

    def attach(self, attached: Attached) -> None:
        if attached not in self.attached():
            with self._changing() as entries:
                entries.attach(attached)

    def detach(self, artifacts: Container[Digest]) -> None:
        if any(each.descriptor.digest in artifacts for each in self.attached()):
            with self._changing() as entries:
                entries.detach(artifacts)

    def attached(self) -> Sequence[Attached]:
        return _Entries(self._load(), self._path).attached()

    def disk_usage(self, *, without: Container[Digest] = ()) -> int:
        status = self._path.stat()
        entries = _Entries(self._load(), self._path)
        after = [row for row in entries.rows() if row.image_id not in without]
        detached = entries.detach(without)
        if len(after) == len(entries.rows()) and not detached:
            return status.st_blocks * 512
        entries.let(lambda _: after)
        return -(-len(entries.encoded()) // status.st_blksize) * status.st_blksize

    def sweep(self) -> int:
        return sweep_files(self._path.parent)

    def _load(self) -> Document:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            raise RecordDamaged(self._path, "it is missing") from None
        try:
            return decode(raw, Document, what="index.json")
        except EngineError as error:
            raise RecordDamaged(self._path, str(error)) from None

    def _changing(self) -> _Change:
        return _Change(self._path, self._lock, self._load)


class _Entries:
    """The entries of an index: Lamina's rows, and what else is there."""

    def __init__(self, document: Document, path: Path) -> None:
        self._document = document
        self._path = path
        found = document.get("manifests")
        if not isinstance(found, list):
            raise RecordDamaged(path, "it has no list of manifests")
        self._entries: list[Any] = found

    def rows(self) -> list[NamedImage]:
        return [row for _, row in self._named()]

    def _named(self) -> list[tuple[Document, NamedImage]]:
        return [(entry, row) for entry in self._entries if (row := self._row(entry)) is not None]

    def _row(self, entry: Any) -> NamedImage | None:
        if not isinstance(entry, dict) or IMAGE_ID not in (entry.get("annotations") or {}):
            return None
        try:
            return row_of(entry)
        except (EngineError, msgspec.MsgspecError, ValueError, KeyError) as error:
            raise RecordDamaged(self._path, f"an entry cannot be read ({error})") from None

    def let(self, change: Callable[[list[NamedImage]], list[NamedImage]]) -> None:
        """Let `change` say which rows there are; other entries stay before them."""
        named = self._named()
        known = {_key(row): entry for entry, row in named}
        foreign = [each for each in self._entries if not any(each is entry for entry, _ in named)]
        after = change([row for _, row in named])
        self._entries = foreign + [entry_of(row, known.get(_key(row))) for row in after]

    def attached(self) -> list[Attached]:
        return [found for entry in self._entries if (found := self._attached(entry)) is not None]

    def _attached(self, entry: Any) -> Attached | None:
        if not isinstance(entry, dict) or SUBJECT not in (entry.get("annotations") or {}):
            return None
        try:
            return attached_of(entry)
        except (EngineError, msgspec.MsgspecError, ValueError, KeyError) as error:
            raise RecordDamaged(self._path, f"an entry cannot be read ({error})") from None

    def attach(self, attached: Attached) -> None:
        if attached not in self.attached():
            self._entries = [*self._entries, entry_of_attached(attached)]

    def detach(self, artifacts: Container[Digest]) -> bool:
        """Whether there was one to forget."""
        before = len(self._entries)
        self._entries = [
            entry
            for entry in self._entries
            if (found := self._attached(entry)) is None or found.descriptor.digest not in artifacts
        ]
        return len(self._entries) < before

    def encoded(self) -> bytes:
        rest = {
            name: value
            for name, value in self._document.items()
            if name not in ("schemaVersion", "mediaType", "annotations", "manifests")
        }
        annotations = {CHECKSUM: UNSEALED, **(self._document.get("annotations") or {})}
        annotations[CHECKSUM] = UNSEALED
        return seal(
            encode(
                {
                    "schemaVersion": 2,
                    "mediaType": mediatype.OCI_INDEX,
                    "annotations": annotations,
                    "manifests": self._entries,
                    **rest,
                }
            )
        )


class _Change:
    """The index under its lock: what the block leaves in it is written at its end."""

    def __init__(self, path: Path, lock: Path, load: Callable[[], Document]) -> None:
        self._path = path
        self._load = load
        self._lock = locked(lock)

    def __enter__(self) -> _Entries:
        with writing(self._path):
            self._lock.__enter__()
        try:
            self._entries = _Entries(self._load(), self._path)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self._entries

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                with writing(self._path):
                    replace_file(self._path, self._entries.encoded())
        finally:
            self._lock.__exit__(None, None, None)


def empty_index() -> bytes:
    """An index.json that names nothing."""
    return _Entries({"manifests": []}, Path("index.json")).encoded()


def find_row(rows: Sequence[NamedImage], reference: Reference) -> NamedImage | None:
    """The row that `reference` means; see `RefStore.get`."""
    wanted = _normal(reference)
    if wanted is None:
        return None
    for row in rows:
        if row.reference == wanted:
            return row
    if wanted.digest is not None:
        for row in rows:
            if wanted in known_as(row):
                return row
    return None


def known_as(row: NamedImage) -> set[Reference]:
    """Every reference by digest that means the row."""
    names = {Reference.parse(each) for each in row.repo_digests}
    if row.reference is not None:
        names.add(row.reference.with_digest(row.descriptor.digest))
    return names


def with_row(rows: Sequence[NamedImage], image: NamedImage) -> list[NamedImage]:
    """The rows after `RefStore.set`."""
    same = [row for row in rows if row.image_id == image.image_id]
    if image.reference is None and same:
        return list(rows)
    kept, inherited = [], list(image.repo_digests)
    for row in rows:
        if row.image_id == image.image_id and row.reference is None:
            inherited += [each for each in row.repo_digests if each not in inherited]
        elif row.reference != image.reference or image.reference is None:
            kept.append(row)
        elif row.image_id == image.image_id:
            inherited += [each for each in row.repo_digests if each not in inherited]
        elif not _has_other_row(rows, row):
            kept.append(msgspec.structs.replace(row, reference=None))
    return [*kept, msgspec.structs.replace(image, repo_digests=tuple(inherited))]


def _has_other_row(rows: Sequence[NamedImage], row: NamedImage) -> bool:
    return any(each.image_id == row.image_id and each != row for each in rows)


def _normal(reference: Reference | None) -> Reference | None:
    """Where a digest is given the tag says nothing, as Docker keeps it."""
    if reference is not None and reference.digest is not None:
        return msgspec.structs.replace(reference, tag="")
    return reference


def _key(row: NamedImage) -> tuple[Digest, str]:
    return row.image_id, str(row.reference or "")


def row_of(entry: Document) -> NamedImage:
    """The row that an entry of index.json is."""
    notes: dict[str, str] = entry["annotations"]
    name = notes.get(FULL_NAME, "")
    foreign = {key: value for key, value in notes.items() if key not in _OURS}
    descriptor = decode(
        encode({**entry, "annotations": foreign}), Descriptor, what="an entry of index.json"
    )
    return NamedImage(
        Reference.parse(name, default_tag="") if name else None,
        descriptor,
        Digest(notes[IMAGE_ID]),
        int(notes[SIZE]),
        notes[CREATED],
        tuple(notes[REPO_DIGESTS].split()) if notes.get(REPO_DIGESTS) else (),
    )


def entry_of(row: NamedImage, before: Document | None) -> Document:
    """The entry for a row; what Lamina does not know in the entry `before` stays."""
    entry: Document = {**(before or {}), **msgspec.json.decode(encode(row.descriptor))}
    notes = {
        key: value
        for key, value in ((before or {}).get("annotations") or {}).items()
        if key not in _OURS
    }
    notes.update(row.descriptor.annotations)
    if row.reference is not None:
        # The whole name, for the tag alone would not be unique in a store of many repositories.
        notes[REF_NAME] = notes[FULL_NAME] = str(row.reference)
    notes |= {IMAGE_ID: str(row.image_id), SIZE: str(row.size), CREATED: row.created}
    if row.repo_digests:
        notes[REPO_DIGESTS] = " ".join(row.repo_digests)
    entry["annotations"] = notes
    return entry


def attached_of(entry: Document) -> Attached:
    """What an entry of index.json says is attached."""
    subject = Digest(entry["annotations"][SUBJECT])
    bare = encode({**entry, "annotations": {}})
    return Attached(subject, decode(bare, Descriptor, what="an entry of index.json"))


def entry_of_attached(attached: Attached) -> Document:
    """The entry for an artifact.  Nothing that it is annotated with: it could name an image."""
    entry: Document = msgspec.json.decode(encode(attached.descriptor))
    return {**entry, "annotations": {SUBJECT: str(attached.subject)}}
