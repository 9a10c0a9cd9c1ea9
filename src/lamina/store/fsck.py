"""Checking a store: every byte against its digest or checksum, every reference for its target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lamina.errors import EngineError
from lamina.oci import mediatype
from lamina.oci.artifact import Artifact
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.store.containers import RECORD, container_directories, read_record
from lamina.store.contract import NamedImage, Store
from lamina.store.images import find_image, name_of
from lamina.store.place import FORMAT
from lamina.store.root import OCI_LAYOUT
from lamina.store.sealed import check as check_seal
from lamina.store.steps import read_step, step_files

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong."""

    subject: str
    """What it is wrong with: an image, a layer, a file under the root."""
    problem: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}"


@dataclass(slots=True)
class Report:
    """What a check looked at and what it found."""

    findings: list[Finding] = field(default_factory=list)
    images: int = 0
    layers: int = 0
    blobs: int = 0
    containers: int = 0
    steps: int = 0
    bytes: int = 0
    """Bytes of blobs and of layers' tar streams that were read and hashed."""

    def add(self, subject: str, problems: str | Iterable[str]) -> None:
        """Note what is wrong with a subject."""
        texts = [problems] if isinstance(problems, str) else problems
        self.findings.extend(Finding(subject, text) for text in texts)


def check_store(store: Store, *, begin: Callable[[str], None] = lambda _: None) -> Report:
    """Check the whole store.  Read-only; `begin` is told of each thing before it is read.

    Found and named is every flipped bit in a blob, a layer's file, listing,
    headers or record, in index.json, a build step or a container's record,
    and everything that refers to what is not there.  A layer that is removed
    meanwhile is no finding.
    """
    report = Report()
    _check_root(store, report)
    rows = _rows(store, report)
    for digest in _blobs(store, report):
        begin(f"blob {digest.short}")
        _check_blob(store, digest, report)
    for diff_id in _layers(store, report):
        begin(f"layer {diff_id.short}")
        _check_layer(store, diff_id, report)
    for row in rows:
        _check_image(store, row, report)
    _check_containers(store, report)
    _check_steps(store, report)
    return report


def check_images(
    store: Store, names: Sequence[str], *, begin: Callable[[str], None] = lambda _: None
) -> Report:
    """Check these images alone: documents and layers.  Raises ImageNotFound, AmbiguousName."""
    report = Report()
    rows = store.refs.rows()
    chosen = [find_image(rows, name) for name in names]
    layers: dict[Digest, None] = {}
    for row in chosen:
        layers |= dict.fromkeys(_check_image(store, row, report))
    for diff_id in layers:
        if store.layers.has(diff_id):
            begin(f"layer {diff_id.short}")
            _check_layer(store, diff_id, report)
    return report


def _check_root(store: Store, report: Report) -> None:
    for name, content in (("format", b"%d\n" % FORMAT), ("oci-layout", OCI_LAYOUT)):
        try:
            if (store.root / name).read_bytes() != content:
                report.add(name, f"it does not hold {content.decode().strip()}")
        except FileNotFoundError:
            report.add(name, "it is missing")
    try:
        check_seal((store.root / "index.json").read_bytes())
    except FileNotFoundError:
        report.add("index.json", "it is missing")
    except EngineError as error:
        report.add("index.json", f"{error}: it is damaged, or was written by another program")


def _rows(store: Store, report: Report) -> Sequence[NamedImage]:
    try:
        return store.refs.rows()
    except EngineError as error:
        report.add("index.json", str(error))
        return ()


def _blobs(store: Store, report: Report) -> Iterator[Digest]:
    yield from _named_by_digest(store.root / "blobs" / "sha256", report)


def _layers(store: Store, report: Report) -> Iterator[Digest]:
    yield from _named_by_digest(store.root / "layers", report)


def _named_by_digest(directory: Path, report: Report) -> Iterator[Digest]:
    """The things in a directory by name; a name that is no digest is a finding."""
    for path in sorted(directory.iterdir()):
        if path.name.startswith("."):
            continue
        try:
            digest = Digest("sha256:" + path.name)
        except EngineError:
            report.add(f"{directory.name}/{path.name}", "its name is not a digest")
            continue
        yield digest


def _check_blob(store: Store, digest: Digest, report: Report) -> None:
    try:
        with store.blobs.open(digest) as reader:
            while piece := reader.read(_PIECE):
                report.bytes += len(piece)
        report.blobs += 1
    except (EngineError, OSError) as error:
        if store.blobs.has(digest):
            report.add(f"blob {digest}", _sentence(error))


def _check_layer(store: Store, diff_id: Digest, report: Report) -> None:
    try:
        problems = store.layers.verify(diff_id)
        report.bytes += store.layers.info(diff_id).tar_size
    except (EngineError, OSError) as error:
        problems = [_sentence(error)]
    if store.layers.has(diff_id):
        report.layers += 1
        told = f"layer {diff_id.short} is damaged: "
        report.add(f"layer {diff_id}", (each.removeprefix(told) for each in problems))


def _check_image(store: Store, row: NamedImage, report: Report) -> tuple[Digest, ...]:
    """Check an image's documents; returns the layers it needs."""
    what = f"image {name_of(row)}"
    report.images += 1
    try:
        return _check_document(store, row, row.descriptor, what, report)
    except (EngineError, OSError) as error:
        report.add(what, _sentence(error))
        return ()


def _check_document(
    store: Store, row: NamedImage, descriptor: Descriptor, what: str, report: Report
) -> tuple[Digest, ...]:
    raw = store.blobs.read(descriptor.digest)
    if len(raw) != descriptor.size:
        report.add(what, f"its manifest has {len(raw)} bytes, not {descriptor.size}")
    if descriptor.media_type in mediatype.INDEXES:
        index = Index.parse(raw, media_type=descriptor.media_type)
        # Of an index, only the platforms that were asked for are here.
        here = [each for each in index.images() if store.blobs.has(each.digest)]
        needed = [_check_document(store, row, each, what, report) for each in here]
        return tuple(layer for layers in needed for layer in layers)
    manifest = Manifest.parse(raw, media_type=descriptor.media_type)
    config = ImageConfig.parse(store.blobs.read(manifest.config.digest))
    missing = [each for each in config.diff_ids if not store.layers.has(each)]
    report.add(what, (f"its layer {each} is missing" for each in missing))
    if descriptor == row.descriptor:
        report.add(what, _contradictions(store, row, config))
    return (*config.diff_ids, *_check_attached(store, manifest.digest, what, report))


def _check_attached(store: Store, subject: Digest, what: str, report: Report) -> tuple[Digest, ...]:
    """Check what is attached to a manifest; returns the layers in it."""
    found: list[Digest] = []
    for each in store.refs.attached():
        if each.subject != subject:
            continue
        about = f"{what}, artifact {each.descriptor.digest.short}"
        try:
            raw = store.blobs.read(each.descriptor.digest)
            artifact = Artifact.read(Manifest.parse(raw))
            if (artifact.subject.digest, len(raw)) != (subject, each.descriptor.size):
                report.add(about, "index.json says something else of it than its manifest")
            for document in artifact.documents:
                if store.blobs.size(document.digest) != document.size:
                    report.add(about, f"its blob {document.digest} has not {document.size} bytes")
            missing = [one for one in artifact.stored_layers if not store.layers.has(one)]
            report.add(about, (f"its layer {one} is missing" for one in missing))
            found += artifact.diff_ids
        except (EngineError, OSError) as error:
            report.add(about, _sentence(error))
    return tuple(found)


def _contradictions(store: Store, row: NamedImage, config: ImageConfig) -> Iterator[str]:
    """Where the row in index.json is not what the image's config says."""
    if row.image_id != config.digest:
        yield f"index.json says its id is {row.image_id}, but it is {config.digest}"
    if row.created != (config.created or ""):
        yield f"index.json says it was created {row.created}, but it was {config.created}"
    try:
        size = sum(store.layers.info(each).content_size for each in config.diff_ids)
    except EngineError:
        return  # told of the layer already
    if row.size != size:
        yield f"index.json says it has {row.size} bytes, but it has {size}"


def _check_containers(store: Store, report: Report) -> None:
    for place in container_directories(store.root / "containers"):
        what = f"container {place.name[:12]}"
        try:
            record = read_record(place / RECORD)
        except FileNotFoundError:
            if place.is_dir():
                report.add(what, f"its {RECORD} is missing")
            continue
        except EngineError as error:
            report.add(what, str(error))
            continue
        report.containers += 1
        missing = [each for each in record.layers if not store.layers.has(each)]
        report.add(f"{what} ({record.name})", (f"its layer {each} is missing" for each in missing))


def _check_steps(store: Store, report: Report) -> None:
    for path in step_files(store.root / "steps"):
        try:
            read_step(path)
            report.steps += 1
        except FileNotFoundError:
            continue
        except EngineError as error:
            report.add(f"build step {path.stem[:12]}", str(error))


def _sentence(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
