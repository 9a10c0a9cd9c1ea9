"""Writing a build's cache for other machines: the steps' layers under a manifest whose
config is the record of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Event

from lamina.cache import record as cache_record
from lamina.cache.cache import Known
from lamina.cache.importing import Blob, SourceImporter
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.oci.manifest import Manifest
from lamina.oci.mediatype import Compression
from lamina.registry.contract import Sink
from lamina.store.contract import Store
from lamina.transfer.copy import copy_blob
from lamina.transfer.parallel import run_all
from lamina.transfer.progress import Progress
from lamina.transfer.push import as_oci, neighbour, push_layers


def export(
    store: Store,
    known: Sequence[Known],
    sink: Sink,
    *,
    tag: str,
    progress: Progress,
    target: str = "",
    compression: Compression | None = None,
    importers: Sequence[SourceImporter] = (),
) -> Descriptor:
    """Send the results of `known` steps to `sink`, under `tag`; returns the manifest there.

    A layer that was not fetched for this build goes from where its importer has it to the
    sink, without the store.  One that is nowhere any more is left out with its steps.
    `target`, `compression` and what is raised are as for `transfer.push.push`.
    """
    with store.leases.hold() as lease:
        wanted = list(dict.fromkeys(each.made.layer for each in known))
        lease.protect(*wanted)
        here = [layer for layer in wanted if store.layers.has(layer)]
        sent = push_layers(
            store, here, sink, progress=progress, target=target, compression=compression
        )
    elsewhere = _elsewhere((layer for layer in wanted if layer not in sent), importers)
    _pass_on(elsewhere.values(), sink, progress, target)
    sent |= {layer: _plain(blob.descriptor) for layer, blob in elsewhere.items()}
    layers = [layer for layer in wanted if layer in sent]
    steps = cache_record.steps_of(each for each in known if each.made.layer in sent)
    raw = encode(cache_record.Document(steps, tuple(layers)))
    config = Descriptor(cache_record.MEDIA_TYPE, Digest.of(raw), len(raw))
    if not sink.has_blob(config):
        sink.put_blob(config, lambda: [raw])
    manifest = Manifest.build(config, [sent[each] for each in layers])
    sink.put_document(manifest.descriptor, manifest.raw, tag=tag)
    return manifest.descriptor


def _elsewhere(layers: Iterable[Digest], importers: Sequence[SourceImporter]) -> dict[Digest, Blob]:
    """Who has each of these layers; those that nobody has are not in it."""
    found: dict[Digest, Blob] = {}
    for layer in layers:
        for importer in importers:
            blob = importer.blob(layer)
            if blob is not None:
                found[layer] = blob
                break
    return found


def _pass_on(blobs: Iterable[Blob], sink: Sink, progress: Progress, target: str) -> None:
    def passing(blob: Blob) -> Callable[[Event], None]:
        origin = neighbour(blob.repository, target)
        return lambda stop: copy_blob(
            blob.source, sink, _plain(blob.descriptor), progress, stop, origin
        )

    run_all(map(passing, blobs), width=2)


def _plain(descriptor: Descriptor) -> Descriptor:
    return Descriptor(as_oci(descriptor), descriptor.digest, descriptor.size)
