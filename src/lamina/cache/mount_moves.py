"""Cache mounts from one machine to another: an OCI artifact, in a registry or an archive.

Each mount is one layer, a tar with numeric owners, attributes and times to the nanosecond;
the manifest's config says what each was known by.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamina.cache.mounts import CacheMount, CacheMounts
from lamina.errors import EngineError, NotFound
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.errors import BadLayer
from lamina.layer.pipeline import Tally, reading, staged, tallied
from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument, decode, encode
from lamina.oci.manifest import Manifest
from lamina.registry.contract import Sink, Source
from lamina.store.errors import DigestMismatch
from lamina.transfer.progress import Progress

if TYPE_CHECKING:
    from lamina.layer.apply import Applied

MEDIA_TYPE = "application/vnd.lamina.cache-mounts.v1+json"
"""Of the config."""
_PIECE = 1 << 20
_NOBODY = (1 << 32) - 1
"""No number of a user: chown(2) takes it for "as it is"."""
_ALLOWED = (Kind.FILE, Kind.HARDLINK, Kind.SYMLINK, Kind.DIRECTORY, Kind.FIFO)


class NoCacheMounts(NotFound):
    """What should have cache mounts has none, or not the one that was asked for."""


class _Mount(msgspec.Struct, frozen=True):
    """What one is known by, see `CacheMount`."""

    id: str
    base: str
    mode: int
    uid: int
    gid: int


class _Document(msgspec.Struct, frozen=True):
    mounts: tuple[_Mount, ...]
    """As the manifest's layers, in their order."""


def choose(mounts: CacheMounts, ids: Collection[str]) -> list[CacheMount]:
    """The mounts of these ids, or all; of those that are known by the same, that another has
    beside it, the one that is used first.  Raises NoCacheMounts."""
    found: dict[_Mount, CacheMount] = {}
    for mount in mounts:
        if not ids or mount.id in ids:
            found.setdefault(_known_by(mount), mount)
    missing = sorted(set(ids) - {mount.id for mount in found.values()})
    if missing:
        raise NoCacheMounts(
            f"no cache mount {missing[0]}", hint="lamina build cache ls --filter type=mount"
        )
    if not found:
        raise NoCacheMounts("there is no cache mount here: RUN --mount=type=cache makes them")
    return list(found.values())


def export_mounts(
    mounts: CacheMounts,
    chosen: Sequence[CacheMount],
    sink: Sink,
    *,
    tag: str,
    progress: Progress,
    waiting: Callable[[CacheMount], None],
) -> Descriptor:
    """Send `chosen` mounts to `sink`, under `tag`; returns the manifest there.

    Builds wait meanwhile for the mount that is being read, as this does for them; `waiting`
    is called while it does.  Raises BadLayer for a name that no tar of ours has.
    """
    layers = [_send(mounts, mount, sink, progress, waiting) for mount in chosen]
    raw = encode(_Document(tuple(map(_known_by, chosen))))
    config = Descriptor(MEDIA_TYPE, Digest.of(raw), len(raw))
    if not sink.has_blob(config):
        sink.put_blob(config, lambda: [raw])
    manifest = Manifest.build(config, layers)
    sink.put_document(manifest.descriptor, manifest.raw, tag=tag)
    return manifest.descriptor


def import_mounts(
    source: Source,
    mounts: CacheMounts,
    directory: Path,
    *,
    ids: Collection[str],
    now: str,
    progress: Progress,
    failed: Callable[[str, EngineError], None],
) -> list[str]:
    """Put the mounts of `source`, or those of these ids, in the place of what is here.

    A mount is complete before the old one goes.  One that a build has mounted is not
    touched: `failed` hears of it, and of whatever else goes wrong with one.  `directory`
    is an empty one in the store's file system.  Returns the ids that are new here.

    Raises NoCacheMounts, BadDocument, and what the source raises.
    """
    manifest, document = _read(source)
    pairs = list(zip(document.mounts, manifest.layers, strict=True))
    missing = sorted(set(ids) - {mount.id for mount, _ in pairs})
    if missing:
        there = ", ".join(mount.id for mount, _ in pairs)
        raise NoCacheMounts(f"there is no cache mount {missing[0]} in it", hint=f"it has: {there}")
    done: list[str] = []
    for number, (mount, blob) in enumerate(pairs):
        if ids and mount.id not in ids:
            continue
        place = directory / str(number)
        try:
            _unpack(source, blob, place, progress)
            _put(mounts, mount, place, now)
        except EngineError as error:
            failed(mount.id, error)
        else:
            done.append(mount.id)
    return done


def _known_by(mount: CacheMount) -> _Mount:
    return _Mount(mount.id, mount.base, mount.mode, mount.uid, mount.gid)


def _send(
    mounts: CacheMounts,
    mount: CacheMount,
    sink: Sink,
    progress: Progress,
    waiting: Callable[[CacheMount], None],
) -> Descriptor:
    from lamina.layer.compression import compress_zstd
    from lamina.transfer.receive import cores

    item = mount.id
    with mounts.use(
        mount.id,
        "locked",
        now=mount.used,
        mode=mount.mode,
        uid=mount.uid,
        gid=mount.gid,
        base=mount.base,
        waiting=lambda: waiting(mount),
    ) as place:
        progress.start(item, "Exporting", None)
        tar = staged(_tar(place, progress, item), depth=4)
        with reading(staged(compress_zstd(tar, threads=cores()))) as pieces:
            sent = sink.put_stream(mediatype.OCI_LAYER_ZSTD, pieces)
    progress.finish(item, "Exported")
    return sent


def _tar(root: Path, progress: Progress, item: str) -> Iterator[bytes]:
    from lamina.layer.diff import changes
    from lamina.layer.tarwriter import write_tar

    base = os.fsencode(root) + b"/"

    def timed(entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            # A layer's times are whole seconds; make and cargo look closer.
            mtime = os.lstat(base + os_path(entry.path)).st_mtime_ns
            yield msgspec.structs.replace(entry, mtime=mtime)

    def content(entry: Entry) -> Iterator[bytes]:
        with open(base + os_path(entry.path), "rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                progress.advance(item, len(piece))
                yield piece

    return write_tar(timed(changes(root)), content)


def _read(source: Source) -> tuple[Manifest, _Document]:
    top = source.resolve()
    if top.media_type not in mediatype.MANIFESTS:
        raise NoCacheMounts("this is no export of cache mounts")
    manifest = Manifest.parse(source.document(top), media_type=top.media_type)
    if manifest.config.media_type != MEDIA_TYPE:
        raise NoCacheMounts(
            f"this is no export of cache mounts: its config is {manifest.config.media_type}"
        )
    document = decode(source.document(manifest.config), _Document, what="the list of cache mounts")
    for mount in document.mounts:
        if not (
            0 <= mount.mode <= 0o7777 and 0 <= mount.uid < _NOBODY and 0 <= mount.gid < _NOBODY
        ):
            raise BadDocument(f"the cache mount {mount.id} has an impossible mode or owner")
    if len(document.mounts) != len(manifest.layers):
        raise BadDocument("the list of cache mounts is not as long as that of their contents")
    return manifest, document


def _unpack(source: Source, blob: Descriptor, place: Path, progress: Progress) -> None:
    """Write what `blob` holds to a new directory, whatever names and links are in it."""
    from lamina.layer.apply import apply_tar
    from lamina.layer.compression import decompress
    from lamina.layer.tar import TarReader
    from lamina.layer.whiteout import here
    from lamina.transfer.receive import expansion_limit

    item, tally = blob.digest.short, Tally()
    progress.start(item, "Importing", blob.size)
    place.mkdir(mode=0o700)
    with source.blob(blob) as body:
        tar = decompress(
            staged(tallied(_counted(body, progress, item), tally)),
            mediatype.layer_compression(blob.media_type),
            limit=expansion_limit(blob),
            what=f"layer {item}",
        )
        with reading(staged(tar)) as pieces:
            applied = apply_tar(
                TarReader(pieces),
                place,
                place.with_name(place.name + ".extra"),
                whiteouts=here(os.geteuid()),
                shared=None,
            )
            for _ in pieces:
                pass  # to the blob's end: only then its digest is known
    if tally.digest != blob.digest:
        raise DigestMismatch(blob.digest, tally.digest)
    _check(applied)
    progress.finish(item, "Imported")


def _counted(pieces: Iterable[bytes], progress: Progress, item: str) -> Iterator[bytes]:
    for piece in pieces:
        progress.advance(item, len(piece))
        yield piece


def _check(applied: Applied) -> None:
    """A cache holds files: no devices, and nothing that says "gone" as in a layer."""
    for entry in applied.entries:
        if entry.is_marker or entry.kind not in _ALLOWED:
            raise BadLayer(f"a cache mount cannot have this in it: {entry.path!r}")


def _put(mounts: CacheMounts, mount: _Mount, place: Path, now: str) -> None:
    for old in mounts:
        if _known_by(old) == mount:
            mounts.remove(old)

    def populate(new: Path) -> None:
        new.rmdir()
        place.rename(new)

    with mounts.use(
        mount.id,
        "locked",
        now=now,
        mode=mount.mode,
        uid=mount.uid,
        gid=mount.gid,
        base=mount.base,
        populate=populate,
    ):
        pass
