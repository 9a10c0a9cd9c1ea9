"""Layers: `layers/<hex>/`, each in one of two forms (store/form.py).

What reads and writes whole layers is imported by the methods that do: `run`
only asks where a layer is, and its start is felt.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from lamina.errors import EngineError
from lamina.layer.contract import Form, LayerInfo, Listing
from lamina.layer.entry import Entry
from lamina.layer.errors import DiffIdMismatch
from lamina.layer.whiteout import NAMED, Whiteouts, here
from lamina.linux.syscall import exchange
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import decode
from lamina.store.atomic import replace_file, sync_directory
from lamina.store.errors import (
    LayerDamaged,
    LayerNotFound,
    NoImageForm,
    NoLowers,
    NotMounted,
    NoTreeForm,
    writing,
)
from lamina.store.form import COMPRESSED, LISTING, RECORD, LayerForm, Lower, StoredLayer, Written
from lamina.store.image_form import ImageForm
from lamina.store.mounts import LayerMounts
from lamina.store.sealed import check, seal_struct
from lamina.store.trash import delete_tree
from lamina.store.tree_form import TreeForm

if TYPE_CHECKING:
    from lamina.layer.listing import Columns
    from lamina.store.contract import Filling

_TEMPORARY = ".tmp-"
_TRASH = ".trash-"


class _Compressed(msgspec.Struct):
    """`compressed.json`, sealed: the blobs that a layer is known as."""

    blobs: tuple[Descriptor, ...]


class DirLayers:
    """Implements `LayerStore` (store/contract.py) on the directories of one root.

    `form` is how new layers are kept; None chooses the image form where it works.
    """

    def __init__(
        self,
        root: Path,
        *,
        form: Form | None = None,
        whiteouts: Whiteouts | None = None,
        run_directory: Path | None = None,
    ) -> None:
        self._directory = root / "layers"
        self._mounts = LayerMounts(root, directory=run_directory)
        self._chosen = form
        self._tree = TreeForm(root / "objects", whiteouts or here(os.geteuid()), self._directory)
        self._image = ImageForm(self._directory, self._mounts)
        self._forms: dict[Form, LayerForm] = {"tree": self._tree, "image": self._image}

    # reading

    def has(self, diff_id: Digest) -> bool:
        return os.path.isdir(self.directory(diff_id))

    def directory(self, diff_id: Digest) -> Path:
        return self._directory / diff_id.hex

    def info(self, diff_id: Digest) -> LayerInfo:
        record = self._layer(diff_id).record
        return LayerInfo(
            record.diff_id,
            record.form,
            record.content_size,
            record.tar_size,
            record.entry_count,
        )

    def listing(self, diff_id: Digest) -> Listing:
        return self._listed(diff_id).stored.listing

    def hashed(self, diff_id: Digest) -> Listing:
        layer = self._listed(diff_id)
        return self._form_of(layer).hashed(layer).listing

    def columns(self, diff_id: Digest, *, hashed: bool = False) -> Columns:
        layer = self._layer(diff_id)
        try:
            found = layer.columns
        except LayerDamaged:
            found = self._listed(diff_id).columns
        if hashed and not found.hashed:
            self.hashed(diff_id)
            found = self._layer(diff_id).columns
        return found

    def _listed(self, diff_id: Digest) -> StoredLayer:
        """The layer with its listing: made anew, if it is damaged and the rest of it is not."""
        layer = self._layer(diff_id)
        try:
            layer.stored  # noqa: B018 - read, and kept there
        except LayerDamaged:
            from lamina.layer.listing import encode

            stored = self._form_of(layer).relisted(layer)
            with writing(layer.place):
                # Not synced: whoever loses it makes it once more.
                replace_file(layer.place / LISTING, encode(stored), durable=False)
            layer = self._layer(diff_id)
        return layer

    @contextmanager
    def lowers(self, chain: Sequence[Digest]) -> Iterator[tuple[Path, ...]]:
        held: list[int] = []
        try:
            paths: list[Path] = []
            for diff_id in chain:
                layer = self._layer(diff_id)
                lower = self._lower(layer)
                held += [lower.fd] if lower.fd >= 0 else []
                paths.append(lower.path)
            yield tuple(paths)
        finally:
            for fd in held:
                os.close(fd)

    def _lower(self, layer: StoredLayer) -> Lower:
        try:
            return self._form_of(layer).lower(layer)
        except NotMounted:
            if self._tree.unusable:  # then the other form is no way out
                raise NoLowers(self._tree.unusable) from None
            raise

    def tar(self, diff_id: Digest) -> Iterator[bytes]:
        layer = self._layer(diff_id)
        return self._form_of(layer).tar(layer)

    def open_file(self, diff_id: Digest, entry: Entry) -> BinaryIO:
        layer = self._layer(diff_id)
        form = self._form_of(layer)
        return form.open(layer, entry) if entry.size else io.BytesIO()

    def _layer(self, diff_id: Digest) -> StoredLayer:
        return StoredLayer(diff_id, self.directory(diff_id))

    def _form_of(self, layer: StoredLayer) -> LayerForm:
        return self._forms[layer.form]

    def __iter__(self) -> Iterator[Digest]:
        for name in os.listdir(self._directory):
            if not name.startswith("."):
                yield Digest("sha256:" + name)

    # writing

    @property
    def no_image_form(self) -> str:
        return self._image.unusable

    @property
    def no_tree_form(self) -> str:
        return self._tree.unusable

    @property
    def whiteouts(self) -> Whiteouts:
        return NAMED if self._tree.unusable else self._tree.whiteouts

    @property
    def form(self) -> Form:
        if not self._image.unusable:
            return self._chosen or "image"
        if self._tree.unusable:  # an image can be written anywhere, and be read without a mount
            return "image"
        if self._chosen == "image":
            raise NoImageForm(self._image.unusable)
        return "tree"

    def mounted(self) -> Sequence[Digest]:
        return self._mounts.mounted()

    def ingest(self, chunks: Iterable[bytes], *, expected: Digest | None) -> LayerInfo:
        form = self._forms[self.form]
        with self._new_layer() as place:
            written = form.write(place, chunks)
            diff_id = written.stored.listing.diff_id
            if expected is not None and diff_id != expected:
                raise DiffIdMismatch(expected, diff_id)
            return self._commit(form, place, written)

    def adopt(self, upper: Path, *, filling: Filling | None = None) -> LayerInfo:
        if self._tree.unusable:
            if filling is None:
                info = self.snapshot(upper)
            else:
                from lamina.store.adopting import tar_of_filling

                info = self.ingest(tar_of_filling(upper, filling), expected=None)
            delete_tree(upper)
            return info
        with self._new_layer() as place:
            return self._commit(self._tree, place, self._tree.adopt(place, upper, filling))

    def snapshot(self, upper: Path, *, whiteouts: Whiteouts | None = None) -> LayerInfo:
        from lamina.store.trees import tar_of_tree

        return self.ingest(tar_of_tree(upper, whiteouts or self.whiteouts), expected=None)

    def convert(
        self, diff_id: Digest, form: Form, *, alone: Callable[[], AbstractContextManager[object]]
    ) -> LayerInfo:
        from lamina.layer.listing import StoredListing

        layer = self._layer(diff_id)
        if layer.record.form == form:
            return self.info(diff_id)
        if form == "image" and self._image.unusable and not self._tree.unusable:
            raise NoImageForm(self._image.unusable)
        if form == "tree" and self._tree.unusable:
            raise NoTreeForm(self._tree.unusable)
        old, new = self._form_of(layer), self._forms[form]
        with self._new_layer() as place:
            written = new.write(place, old.tar(layer))
            if written.stored.listing.diff_id != diff_id:
                raise LayerDamaged(diff_id, "its tar is not what it was")
            if form == "image":  # the digests of files are known already
                known = StoredListing(layer.stored.listing, {})
                written = msgspec.structs.replace(written, stored=known)
            self._finish(new, place, written, compressed=self.compressed(diff_id))
            with _locked(layer.place):
                with alone():
                    old.removing(layer)
                    exchange(str(place), str(layer.place))
                sync_directory(self._directory)
                new.named(layer.place, written)
                # What was the layer lies where the new one was made.
                delete_tree(place)
                old.removed(layer)
        return self.info(diff_id)

    def _commit(self, form: LayerForm, place: Path, written: Written) -> LayerInfo:
        diff_id = written.stored.listing.diff_id
        self._finish(form, place, written)
        target = self.directory(diff_id)
        try:
            os.rename(place, target)
        except OSError:
            if not self.has(diff_id):
                raise
            # Somebody else stored the same layer meanwhile; theirs is as good.
        else:
            sync_directory(self._directory)
            form.named(target, written)
        return self.info(diff_id)

    def _finish(
        self,
        form: LayerForm,
        place: Path,
        written: Written,
        compressed: tuple[Descriptor, ...] = (),
    ) -> None:
        """What every form has beside its own files; then all of it goes to disk."""
        from lamina.layer.listing import encode

        (place / LISTING).write_bytes(encode(written.stored))
        (place / RECORD).write_bytes(seal_struct(written.record(form.name)))
        if compressed:
            (place / COMPRESSED).write_bytes(seal_struct(_Compressed(compressed)))
        form.sync(place)

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
        raw = (self.directory(diff_id) / COMPRESSED).read_bytes()
        check(raw)
        return decode(raw, _Compressed, what=COMPRESSED).blobs

    def remember_compressed(self, diff_id: Digest, descriptor: Descriptor) -> None:
        known = self.compressed(diff_id)
        if descriptor in known:
            return
        place = self.directory(diff_id)
        if not place.is_dir():
            raise LayerNotFound(diff_id)
        with writing(place):
            # Not synced: whoever loses it compresses once more.
            sealed = seal_struct(_Compressed((*known, descriptor)))
            replace_file(place / COMPRESSED, sealed, durable=False)

    # checking, measuring, removing

    def verify(self, diff_id: Digest) -> list[str]:
        layer = self._layer(diff_id)
        try:
            record, stored = layer.record, layer.stored
        except EngineError as error:
            return [str(error)]
        listing = stored.listing
        problems: list[str] = []
        if (record.content_size, record.tar_size, record.entry_count) != (
            listing.content_size,
            listing.tar_size,
            len(listing.entries),
        ):
            problems.append("its record contradicts its listing")
        problems += _broken_seals(layer)
        problems += self._form_of(layer).problems(layer)
        found = [f"layer {diff_id.short} is damaged: {problem}" for problem in problems]
        return found or self._wrong_tar(layer)

    def _wrong_tar(self, layer: StoredLayer) -> list[str]:
        """What only the digest of the whole tar tells."""
        from lamina.layer.hashing import BackgroundHash

        try:
            with BackgroundHash() as hasher:
                for piece in self._form_of(layer).tar(layer):
                    hasher.feed(piece)
        except EngineError as error:
            return [str(error)]
        if Digest.from_raw(hasher.digest()) == layer.diff_id:
            return []
        return [f"layer {layer.diff_id.short} is damaged: its tar is not what it was"]

    def disk_usage(self, diff_id: Digest) -> int:
        layer = self._layer(diff_id)
        return self._form_of(layer).usage(layer)

    def remove(self, diff_id: Digest) -> int:
        layer = self._layer(diff_id)
        if not self.has(diff_id):
            return 0
        try:
            forms = [self._form_of(layer)]
        except EngineError:
            forms = list(self._forms.values())  # nobody knows which it was
        with writing(self._directory):
            # Locked, so that no sweep deletes it at the same time.
            trash, lock = self._locked_directory(_TRASH)
            try:
                for form in forms:
                    form.removing(layer)
                os.rename(layer.place, trash / "layer")
                freed = delete_tree(trash / "layer")
                freed += sum(form.removed(layer) for form in forms)
            except (FileNotFoundError, LayerNotFound):
                freed = 0  # somebody else removed it meanwhile
            finally:
                os.close(lock)
            # Last: after a crash in between, this is what makes `sweep` look at the objects.
            trash.rmdir()
            return freed

    def sweep(self) -> int:
        self._mounts.sweep()
        places = [
            self._directory / name
            for name in os.listdir(self._directory)
            if name.startswith((_TEMPORARY, _TRASH))
        ]
        freed = [each for each in map(self._sweep_one, places) if each is not None]
        # Even directories that take no blocks, as on tmpfs, tell that somebody died here.
        return sum(freed) + self._tree.objects.sweep() if freed else 0

    def _sweep_one(self, place: Path) -> int | None:
        """Bytes freed; None when its writer lives, or nothing is there any more."""
        try:
            with _locked(place, wait=False):
                return delete_tree(place)
        except (FileNotFoundError, BlockingIOError):
            return None


@contextmanager
def _locked(place: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the flock that says: a living process is at work on this directory."""
    lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(lock)


def _broken_seals(layer: StoredLayer) -> list[str]:
    problems = []
    for name in (RECORD, COMPRESSED):
        try:
            check((layer.place / name).read_bytes())
        except FileNotFoundError:
            continue
        except EngineError as error:
            problems.append(f"{name}: {error}")
    return problems
