"""What a build made, put where it is wanted: under names in the store, in archives and layouts,
in a registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from lamina.build.build import Product, Variant
from lamina.errors import Unsupported
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Index
from lamina.oci.reference import Reference
from lamina.store.contract import Image, NamedImage, Store

if TYPE_CHECKING:
    from lamina.oci.mediatype import Compression
    from lamina.registry.contract import Sink
    from lamina.transfer.layout import Files
    from lamina.transfer.progress import Progress


class OnePlatformAlone(Unsupported):
    """An output has room for one image, and the build made one for each of several platforms."""

    def __init__(self) -> None:
        super().__init__(
            "an archive of Docker's holds one platform, and this build made several",
            hint="use -o type=oci, or build for one --platform",
        )


def index_of(product: Product) -> Index | None:
    """The index over the images of several platforms, or over one and what is stated of it;
    None for a single one of which nothing is."""
    if len(product.variants) < 2 and not product.attestations:
        return None
    images = [
        msgspec.structs.replace(each.manifest.descriptor, platform=each.platform)
        for each in product.variants
    ]
    return Index.build([*images, *(each.descriptor for each in product.attestations)])


def top_of(product: Product) -> Descriptor:
    """What the whole build is known by: its index, or its only manifest."""
    index = index_of(product)
    return product.variants[0].manifest.descriptor if index is None else index.descriptor


def name(product: Product, store: Store, names: Sequence[Reference]) -> Image:
    """Give it `names`, or keep it without one; returns the image that is best for this build's
    host.  The names come last: all that they stand for is stored before."""
    index = index_of(product)
    first = product.variants[0]
    for each in names or (None,):
        if index is None:
            found = store.images.add(first.manifest, first.config, each)
        else:
            images = [(variant.manifest, variant.config) for variant in product.variants]
            host = first.plan.stage.settings.host
            found = store.images.add_index(index, images, each, platform=host)
    return found


def archive(
    product: Product,
    store: Store,
    files: Files,
    *,
    names: Sequence[Reference],
    for_docker: bool,
    compression: Compression | None,
    progress: Progress,
) -> Descriptor:
    """Write an OCI layout, `for_docker` with what `docker load` reads; returns its top one.

    `compression` None keeps what a layer is known as and makes gzip of the others.
    What is stated of an image has no place in an archive of Docker's and is left out.
    Raises OnePlatformAlone, and what `push` raises.
    """
    from lamina.transfer.archive import write_docker_files
    from lamina.transfer.layout import LayoutSink

    if for_docker and len(product.variants) > 1:
        raise OnePlatformAlone
    if for_docker:
        product = msgspec.structs.replace(product, attestations=())
    sink = LayoutSink(files, names, attaches=not for_docker)
    top = _send(product, store, sink, "", "", compression, progress, at_once=1)
    if for_docker:
        write_docker_files(files, [(sink.top_manifest(), names)])
    files.finish(sink.entries)
    return top


def send(
    product: Product,
    store: Store,
    sink: Sink,
    to: Reference,
    *,
    compression: Compression | None,
    progress: Progress,
) -> Descriptor:
    """Send it to a registry as `to`; returns what it is known by there.

    Raises what `push` raises.
    """
    return _send(product, store, sink, to.tag, to.name, compression, progress, at_once=2)


def _send(
    product: Product,
    store: Store,
    sink: Sink,
    tag: str,
    target: str,
    compression: Compression | None,
    progress: Progress,
    at_once: int,
) -> Descriptor:
    from lamina.transfer.push import push, push_index

    index = index_of(product)
    images = [image_of(each) for each in product.variants]
    if index is None:
        return push(
            store,
            images[0],
            sink,
            tag=tag,
            target=target,
            progress=progress,
            compression=compression,
            at_once=at_once,
        )
    return push_index(
        store,
        index,
        images,
        sink,
        tag=tag,
        target=target,
        progress=progress,
        compression=compression,
        at_once=at_once,
    )


def image_of(variant: Variant) -> Image:
    """The variant as an image that has no row."""
    config = variant.config
    row = NamedImage(
        None, variant.manifest.descriptor, config.digest, variant.size, config.created or ""
    )
    return Image(row, variant.manifest, config)
