"""Results of other machines, from a registry, a layout or an image that carries them.

The record is read once, when the cache here misses for the first time; layers are fetched
when somebody needs them.  A record that cannot be had is a note, and the build goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import NamedTuple

import msgspec

from lamina.cache import record as cache_record
from lamina.cache.cache import Found, Made
from lamina.errors import Corrupt, EngineError, NotFound
from lamina.oci import mediatype
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform
from lamina.registry.contract import Source
from lamina.store.contract import Store
from lamina.transfer.progress import Progress


class NoCache(NotFound):
    """What the name stands for has no record of a cache."""


class ForeignLayer(Corrupt):
    """A layer is not what the record says of it."""


class Blob(NamedTuple):
    """Where a layer can be had."""

    source: Source
    descriptor: Descriptor
    repository: str
    """As registries know it (`ghcr.io/me/cache`); empty elsewhere."""


class SourceImporter:
    """Implements `cache.Importer` on a source.  `name` is what the user called it.

    Of an index with several images, those for `platforms` are looked at.  `note` takes
    one line about what is wrong.
    """

    def __init__(
        self,
        name: str,
        opened: Callable[[], Source],
        store: Store,
        *,
        platforms: Sequence[Platform],
        progress: Progress,
        note: Callable[[str], None],
        repository: str = "",
    ) -> None:
        self.name = name
        self._opened = opened
        self._store = store
        self._platforms = platforms
        self._progress = progress
        self._note = note
        self._repository = repository
        self._results: dict[Digest, Found] | None = None
        self._blobs: dict[Digest, Blob] = {}
        self._lock = Lock()

    def find(self, key: Digest) -> Found | None:
        with self._lock:
            if self._results is None:
                self._results = {}
                try:
                    self._load(self._opened())
                except EngineError as error:
                    self._note(f"the cache {self.name} is not used: {error}")
        return self._results.get(key)

    def blob(self, layer: Digest) -> Blob | None:
        """Where a layer of a result lies; None for one that no result has."""
        return self._blobs.get(layer)

    def fetch(self, made: Made, stop: Event) -> None:
        from lamina.transfer.receive import ORIGIN, fetch_layer

        source, descriptor, repository = self._blobs[made.layer]
        info = fetch_layer(
            source, self._store, descriptor, made.layer, progress=self._progress, stop=stop
        )
        if (info.tar_size, info.content_size) != (made.tar_size, made.size):
            raise ForeignLayer(f"layer {made.layer.short} is not as large as its record says")
        if descriptor.digest != made.layer:
            annotations = {ORIGIN: repository} if repository else {}
            known = msgspec.structs.replace(descriptor, annotations=annotations)
            self._store.layers.remember_compressed(made.layer, known)

    def lost(self, made: Made, error: EngineError) -> None:
        self._progress.finish(self._blobs[made.layer].descriptor.digest.short, "Not used")
        self._note(f"a step of the cache {self.name} is not used: {error}")

    def _load(self, source: Source) -> None:
        assert self._results is not None
        for descriptor in self._manifests(source):
            raw = source.document(descriptor)
            manifest = Manifest.parse(raw, media_type=descriptor.media_type, what=self.name)
            config = source.document(manifest.config)
            if manifest.config.media_type == cache_record.MEDIA_TYPE:
                document = cache_record.read(config, self.name)
                layers = document.layers
            else:
                manifest.require_image(self.name)
                inline = cache_record.read_inline(config, self.name)
                if inline is None:
                    continue
                document, layers = inline, ImageConfig.parse(config, what=self.name).diff_ids
            self._take(source, manifest, document, layers)
        if not self._results:
            raise NoCache("there is no record of a cache in it")

    def _manifests(self, source: Source) -> Sequence[Descriptor]:
        top = source.resolve()
        if top.media_type not in mediatype.INDEXES:
            return [top]
        raw = source.document(top)
        images = Index.parse(raw, media_type=top.media_type, what=self.name).images()
        return [
            each
            for each in images
            if each.media_type in mediatype.MANIFESTS and self._is_wanted(each.platform)
        ]

    def _is_wanted(self, platform: Platform | None) -> bool:
        return platform is None or any(each.rank(platform) is not None for each in self._platforms)

    def _take(
        self,
        source: Source,
        manifest: Manifest,
        document: cache_record.Document,
        layers: Sequence[Digest],
    ) -> None:
        assert self._results is not None
        # A layer that the record leaves out, or a blob that cannot be unpacked, is no result.
        blobs = {
            layer: Blob(source, descriptor, self._repository)
            for layer, descriptor in zip(layers, manifest.layers, strict=False)
            if mediatype.layer_compression(descriptor.media_type) is not None
            and not mediatype.is_foreign(descriptor.media_type)
        }
        self._blobs |= blobs
        for key, result in cache_record.found(document, self.name).items():
            if result.made.layer in blobs:
                self._results.setdefault(key, result)
