"""Layers in the *tree* form: `layers/<hex>/` with `fs/` for overlayfs, listing and headers.

What reads and writes whole layers is imported by the methods that do: `run`
only asks where a layer is, and its start is felt.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from lamina.errors import EngineError
from lamina.layer.contract import Form, LayerInfo, Listing
from lamina.layer.entry import Entry, os_path
from lamina.layer.errors import DiffIdMismatch
from lamina.layer.whiteout import Whiteouts, here
from lamina.linux.syscall import syncfs
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import decode
from lamina.store.atomic import replace_file
from lamina.store.errors import LayerDamaged, LayerNotFound, writing
from lamina.store.objects import Objects
from lamina.store.sealed import check, seal_struct
from lamina.store.trash import delete_tree

if TYPE_CHECKING:
    from lamina.layer.apply import Applied
    from lamina.layer.hashing import BackgroundHash
    from lamina.layer.listing import StoredListing
    from lamina.store.earlysync import EarlySync

_PIECE = 1 << 19
_TEMPORARY = ".tmp-"
_TRASH = ".trash-"


class _Record(msgspec.Struct):
    """`layer.json`, sealed."""

    diff_id: Digest
    content_size: int
    tar_size: int
    entry_count: int
    headers: Digest
    """Of the file `headers`: a bit of gzip's own framing can flip without any other trace."""
    form: Form = "tree"
    format: int = 1


class _Compressed(msgspec.Struct):
    """`compressed.json`, sealed: the blobs that a layer is known as."""

    blobs: tuple[Descriptor, ...]


class TreeLayers:
    """Implements `LayerStore` (store/contract.py) on plain directories."""

    def __init__(self, root: Path, *, whiteouts: Whiteouts | None = None) -> None:
        self._directory = root / "layers"
        self._objects_directory = root / "objects"
        self._objects = Objects(self._objects_directory)
        self._whiteouts = whiteouts or here(os.geteuid())

    # reading

    def has(self, diff_id: Digest) -> bool:
        return os.path.isdir(self._path(diff_id))

    def info(self, diff_id: Digest) -> LayerInfo:
        record = self._record(diff_id)
        return LayerInfo(
            record.diff_id,
            record.form,
            record.content_size,
            record.tar_size,
            record.entry_count,
        )

    def listing(self, diff_id: Digest) -> Listing:
        return self._stored(diff_id).listing

    def hashed(self, diff_id: Digest) -> Listing:
        # This form hashes every file while it writes it.
        return self.listing(diff_id)

    def lower(self, diff_id: Digest) -> Path:
        if not self.has(diff_id):
            raise LayerNotFound(diff_id)
        return self._path(diff_id) / "fs"

    def tar(self, diff_id: Digest) -> Iterator[bytes]:
        stored = self._stored(diff_id)
        return _gathered(self._tar_pieces(diff_id, stored))

    def _tar_pieces(self, diff_id: Digest, stored: StoredListing) -> Iterator[bytes]:
        from lamina.layer.headers import HeadersReader

        at = 0
        with HeadersReader(self._path(diff_id) / "headers") as headers:
            try:
                for entry in stored.listing.entries:
                    if entry.size:
                        yield from headers.take(entry.offset - at)
                        yield from self._content(diff_id, stored, entry)
                        at = entry.offset + entry.size
                yield from headers.take(stored.listing.tar_size - at)
            except (EOFError, ValueError) as error:
                raise LayerDamaged(diff_id, f"its headers cannot be read ({error})") from None

    def _content(self, diff_id: Digest, stored: StoredListing, entry: Entry) -> Iterator[bytes]:
        fd = self._open(diff_id, stored.extras, entry)
        left = entry.size
        try:
            while left:
                piece = os.read(fd, min(left, _PIECE))
                if not piece:
                    raise LayerDamaged(diff_id, f"{entry.path!r} is shorter than it was")
                left -= len(piece)
                yield piece
            if entry.offset not in stored.extras and os.read(fd, 1):
                raise LayerDamaged(diff_id, f"{entry.path!r} is longer than it was")
        finally:
            os.close(fd)

    def open_file(self, diff_id: Digest, entry: Entry) -> BinaryIO:
        from lamina.store.trees import Part

        if not entry.size:
            self.info(diff_id)
            return io.BytesIO()
        extras: Mapping[int, int] = {}
        if (self._path(diff_id) / "extra").exists():
            extras = self._stored(diff_id).extras
        elif not self.has(diff_id):
            raise LayerNotFound(diff_id)
        fd = self._open(diff_id, extras, entry)
        if entry.offset in extras:
            return io.BufferedReader(Part(fd, entry.size))
        return os.fdopen(fd, "rb")

    def _open(self, diff_id: Digest, extras: Mapping[int, int], entry: Entry) -> int:
        base = os.fsencode(self._path(diff_id))
        try:
            if entry.offset in extras:
                fd = os.open(base + b"/extra", os.O_RDONLY | os.O_CLOEXEC)
                os.lseek(fd, extras[entry.offset], os.SEEK_SET)
                return fd
            path = base + b"/fs/" + os_path(entry.path)
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise LayerDamaged(
                diff_id, f"{entry.path!r} cannot be read ({error.strerror})"
            ) from None

    def _path(self, diff_id: Digest) -> Path:
        return self._directory / diff_id.hex

    def _record(self, diff_id: Digest) -> _Record:
        raw = self._read(diff_id, "layer.json")
        try:
            record = decode(raw, _Record, what=f"the record of layer {diff_id.short}")
        except EngineError as error:
            raise LayerDamaged(diff_id, str(error)) from None
        if record.diff_id != diff_id:
            raise LayerDamaged(diff_id, f"its record is that of {record.diff_id}")
        return record

    def _stored(self, diff_id: Digest) -> StoredListing:
        from lamina.layer import listing as listing_file

        raw = self._read(diff_id, "listing")
        try:
            stored = listing_file.decode(raw)
        except listing_file.BadListing as error:
            raise LayerDamaged(diff_id, str(error)) from None
        if stored.listing.diff_id != diff_id:
            raise LayerDamaged(diff_id, f"its listing is that of {stored.listing.diff_id}")
        return stored

    def _read(self, diff_id: Digest, name: str) -> bytes:
        path = self._path(diff_id) / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            if not self.has(diff_id):
                raise LayerNotFound(diff_id) from None
            raise LayerDamaged(diff_id, f"its {name} is missing") from None

    def __iter__(self) -> Iterator[Digest]:
        for name in os.listdir(self._directory):
            if not name.startswith("."):
                yield Digest("sha256:" + name)

    # writing

    def ingest(self, chunks: Iterable[bytes], *, expected: Digest | None) -> LayerInfo:
        from lamina.layer.apply import apply_tar
        from lamina.layer.hashing import BackgroundHash
        from lamina.layer.headers import HeadersWriter
        from lamina.layer.tar import TarReader
        from lamina.store.earlysync import EarlySync

        with self._new_layer() as place:
            (place / "fs").mkdir(mode=0o755)
            with (
                BackgroundHash() as hasher,
                HeadersWriter(place / "headers") as headers,
                EarlySync(place) as early,
            ):
                reader = TarReader(_fed(chunks, hasher, early), keep=headers.write)
                applied = apply_tar(
                    reader,
                    place / "fs",
                    place / "extra",
                    whiteouts=self._whiteouts,
                    shared=self._objects.remembered(),
                )
            diff_id = Digest.from_raw(hasher.digest())
            if expected is not None and diff_id != expected:
                raise DiffIdMismatch(expected, diff_id)
            return self._commit(place, diff_id, applied, reader.position)

    def adopt(self, upper: Path) -> LayerInfo:
        from lamina.layer.hashing import BackgroundHash
        from lamina.layer.headers import HeadersWriter
        from lamina.store.trees import adopt_tree

        with self._new_layer() as place:
            with BackgroundHash() as hasher, HeadersWriter(place / "headers") as headers:
                applied, size = adopt_tree(
                    upper, hasher.feed, headers.write, self._objects, self._whiteouts
                )
            diff_id = Digest.from_raw(hasher.digest())
            os.rename(upper, place / "fs")
            return self._commit(place, diff_id, applied, size)

    def snapshot(self, upper: Path) -> LayerInfo:
        from lamina.store.trees import tar_of_tree

        return self.ingest(tar_of_tree(upper, self._whiteouts), expected=None)

    def _commit(self, place: Path, diff_id: Digest, applied: Applied, size: int) -> LayerInfo:
        from lamina.layer import listing as listing_file

        listing = Listing(diff_id, applied.entries, size)
        stored = listing_file.StoredListing(listing, applied.extras)
        (place / "listing").write_bytes(listing_file.encode(stored))
        headers = Digest.of((place / "headers").read_bytes())
        record = _Record(diff_id, listing.content_size, size, len(applied.entries), headers)
        (place / "layer.json").write_bytes(seal_struct(record))
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # One sync of the file system for all files: an fsync each would take seconds.
            syncfs(directory)
            try:
                os.rename(place, self._path(diff_id))
            except OSError:
                if not self.has(diff_id):
                    raise
                # Somebody else stored the same layer meanwhile; theirs is as good.
            else:
                os.fsync(directory)
                # Last, so that objects/ has files of whole layers only.
                self._offer(diff_id, applied)
        finally:
            os.close(directory)
        return LayerInfo(diff_id, "tree", record.content_size, size, record.entry_count)

    def _offer(self, diff_id: Digest, applied: Applied) -> None:
        base = os.fsencode(self._path(diff_id)) + b"/fs/"
        for path, key in applied.offers.items():
            self._objects.offer(key, base + os_path(path))

    @contextmanager
    def _new_layer(self) -> Iterator[Path]:
        """A directory to make a layer in, locked while this process lives."""
        with writing(self._directory):
            place, lock = self._locked_directory(_TEMPORARY)
            try:
                yield place
            finally:
                # Gone already if it became the layer.
                delete_tree(place)
                os.close(lock)

    def _locked_directory(self, prefix: str) -> tuple[Path, int]:
        while True:
            place = self._directory / f"{prefix}{os.urandom(8).hex()}"
            place.mkdir(mode=0o700)
            lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if place.is_dir():
                return place, lock
            os.close(lock)  # swept between the two calls

    def compressed(self, diff_id: Digest) -> tuple[Descriptor, ...]:
        try:
            return self._known_blobs(diff_id)
        except (FileNotFoundError, EngineError):
            # Not knowing costs a compression, no more; `verify` tells of the damage.
            return ()

    def _known_blobs(self, diff_id: Digest) -> tuple[Descriptor, ...]:
        raw = (self._path(diff_id) / "compressed.json").read_bytes()
        check(raw)
        return decode(raw, _Compressed, what="compressed.json").blobs

    def remember_compressed(self, diff_id: Digest, descriptor: Descriptor) -> None:
        known = self.compressed(diff_id)
        if descriptor in known:
            return
        place = self._path(diff_id)
        if not place.is_dir():
            raise LayerNotFound(diff_id)
        with writing(place):
            # Not synced: whoever loses it compresses once more.
            sealed = seal_struct(_Compressed((*known, descriptor)))
            replace_file(place / "compressed.json", sealed, durable=False)

    # checking, measuring, removing

    def verify(self, diff_id: Digest) -> list[str]:
        from lamina.layer.hashing import BackgroundHash
        from lamina.store.treecheck import check_tree

        problems: list[str] = []
        try:
            record = self._record(diff_id)
            stored = self._stored(diff_id)
        except EngineError as error:
            return [str(error)]
        listing = stored.listing
        if (record.content_size, record.tar_size, record.entry_count) != (
            listing.content_size,
            listing.tar_size,
            len(listing.entries),
        ):
            problems.append(f"layer {diff_id.short} is damaged: its record contradicts its listing")
        problems += self._broken_seals(diff_id, record)
        if not self._extra_is_whole(diff_id, stored):
            problems.append(f"layer {diff_id.short} is damaged: its extra has another length")
        problems += [
            f"layer {diff_id.short} is damaged: {problem}"
            for problem in check_tree(self._path(diff_id) / "fs", listing.entries, self._whiteouts)
        ]
        try:
            with BackgroundHash() as hasher:
                for piece in self.tar(diff_id):
                    hasher.feed(piece)
            if Digest.from_raw(hasher.digest()) != diff_id and not problems:
                problems.append(f"layer {diff_id.short} is damaged: its headers or extra differ")
        except EngineError as error:
            if not problems:
                problems.append(str(error))
        return problems

    def _extra_is_whole(self, diff_id: Digest, stored: StoredListing) -> bool:
        """Whether the superseded contents are as long as they were; their bytes the tar tells."""
        extra = self._path(diff_id) / "extra"
        sizes = [each.size for each in stored.listing.entries if each.offset in stored.extras]
        return sum(sizes) == (extra.stat().st_size if extra.exists() else 0)

    def _broken_seals(self, diff_id: Digest, record: _Record) -> list[str]:
        """What is wrong with the small files beside the tree, where nothing else would tell."""
        problems = []
        for name in ("layer.json", "compressed.json"):
            try:
                check((self._path(diff_id) / name).read_bytes())
            except FileNotFoundError:
                continue
            except EngineError as error:
                problems.append(f"layer {diff_id.short} is damaged: {name}: {error}")
        try:
            whole = Digest.of(self._read(diff_id, "headers")) == record.headers
        except LayerDamaged:
            whole = True  # missing: reading the tar tells
        if not whole:
            problems.append(f"layer {diff_id.short} is damaged: its headers are not what they were")
        return problems

    def disk_usage(self, diff_id: Digest) -> int:
        from lamina.store.trees import tree_usage

        return tree_usage(self._path(diff_id), self._stored(diff_id).listing, self._objects)

    def remove(self, diff_id: Digest) -> int:
        if not self.has(diff_id):
            return 0
        try:
            entries: Sequence[Entry] | None = self.listing(diff_id).entries
        except LayerDamaged:
            entries = None
        with writing(self._directory):
            # Locked, so that no sweep deletes it at the same time.
            trash, lock = self._locked_directory(_TRASH)
            try:
                os.rename(self._path(diff_id), trash / "layer")
                freed = delete_tree(trash / "layer")
                freed += sum(self._objects.release(entry) for entry in entries or ())
            except FileNotFoundError:
                freed = 0  # somebody else removed it meanwhile
            finally:
                os.close(lock)
            # Last: after a crash in between, this is what makes `sweep` look at the objects.
            trash.rmdir()
            return freed if entries is not None else freed + self._objects.sweep()

    def sweep(self) -> int:
        """Delete what dead writers left; a living writer's directory stays.

        Returns the bytes of disk freed.
        """
        places = [
            self._directory / name
            for name in os.listdir(self._directory)
            if name.startswith((_TEMPORARY, _TRASH))
        ]
        freed = [each for each in map(self._sweep_one, places) if each is not None]
        # Even directories that take no blocks, as on tmpfs, tell that somebody died here.
        return sum(freed) + self._objects.sweep() if freed else 0

    def _sweep_one(self, place: Path) -> int | None:
        """Bytes freed; None when its writer lives, or nothing is there any more."""
        try:
            lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return delete_tree(place)
        except BlockingIOError:
            return None
        finally:
            os.close(lock)


def _fed(chunks: Iterable[bytes], hasher: BackgroundHash, early: EarlySync) -> Iterator[bytes]:
    for chunk in chunks:
        hasher.feed(chunk)
        yield chunk
        early.wrote(len(chunk))


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: a small file is not worth a step of its own."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        if size + len(piece) > 2 * _PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
        waiting.append(piece)
        size += len(piece)
    if waiting:
        yield b"".join(waiting)
