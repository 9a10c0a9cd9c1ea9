"""Giving what was built its names in the store."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lamina.build.build import Product
from lamina.oci.manifest import Index
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store


def index_of(product: Product) -> Index | None:
    """The index over the images of several platforms; None for a single one."""
    if len(product.variants) < 2:
        return None
    return Index.build(
        msgspec.structs.replace(each.manifest.descriptor, platform=each.platform)
        for each in product.variants
    )


def name(product: Product, store: Store, names: Sequence[Reference]) -> Image:
    """Give it `names`, or leave it unnamed; returns the image that is best for this build's
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
