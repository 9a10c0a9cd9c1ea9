"""A built image in other layers than one an instruction: fewer, and without what they hide.

The cache keeps a layer for each step; only what is exported is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from lamina.build.build import Product, Variant
from lamina.cache.record import with_present_steps
from lamina.explain.waste import Account, account
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.repack.image import Fate, repacked_config, repacked_manifest
from lamina.repack.plan import Span, plan
from lamina.repack.repack import repack
from lamina.repack.spans import joined, squashed
from lamina.repack.tree import records
from lamina.store.contract import Lease, StepResult, Store

Way = Literal["instruction", "auto", "stage", "one"]
"""How instructions become layers: one each; those as one of which one hides bytes of another;
all of the last stage as one; everything, with the base, as one."""


class _Note(msgspec.Struct, frozen=True):
    """What is remembered of an image that was layered before."""

    fates: tuple[Fate, ...]


def layered(
    product: Product, store: Store, way: Way, *, wrote: Callable[[int], None] = lambda _: None
) -> Product:
    """The product with its images layered that way; each shows the same tree as before.

    An image that was layered that way before is not written again.  `wrote` is told of bytes
    as they are written.  Raises NotTheSame, and what the store raises.
    """
    if way == "instruction":
        return product
    variants = [_layered(each, store, product.lease, way, wrote) for each in product.variants]
    return msgspec.structs.replace(product, variants=tuple(variants))


def _layered(
    variant: Variant, store: Store, lease: Lease, way: Way, wrote: Callable[[int], None]
) -> Variant:
    base = variant.plan.image
    first = len(base.layers) if base is not None and way != "one" else 0
    old = variant.config
    if first == len(old.diff_ids) or (way == "auto" and not variant.hidden):
        return variant
    key = Digest.of(encode(["layers", way, first, list(old.diff_ids)]))
    fates = _remembered(store, lease, key)
    if fates is None:
        fates = _made(variant, store, lease, way, first, wrote)
        _remember(store, key, fates, way, old.created or "")
    config = with_present_steps(repacked_config(old, fates))
    manifest = repacked_manifest(variant.manifest, config, fates)
    size = sum(store.layers.info(each).content_size for each in config.diff_ids)
    return msgspec.structs.replace(
        variant,
        config=config,
        manifest=manifest,
        size=size,
        hidden=max(0, variant.hidden - (variant.size - size)),
    )


def _made(
    variant: Variant,
    store: Store,
    lease: Lease,
    way: Way,
    first: int,
    wrote: Callable[[int], None],
) -> tuple[Fate, ...]:
    listings = [store.layers.hashed(each) for each in variant.config.diff_ids]
    found = account(listings)
    planned = plan(listings, found.union, _spans(found, way, first))
    tree = records(listings, found.union)
    name = f"the image for {variant.platform}"
    return repack(
        store, lease, name, variant.manifest, variant.config, tree, planned, wrote=wrote
    ).fates


def _spans(found: Account, way: Way, first: int) -> Sequence[Span]:
    if way == "auto":
        return joined(found, first)
    # What lies below stays what it is: the base is others' too.
    return squashed(found, first, kept=range(first))


def _remember(store: Store, key: Digest, fates: tuple[Fate, ...], way: Way, now: str) -> None:
    """Keep the new layers as the cache keeps those of steps, each by itself, and which they
    are."""
    for place, layer in enumerate(_layers(fates)):
        size = {"size": store.layers.info(layer).content_size}
        described = f"layers of an image joined, --layers {way}"
        store.steps.put(StepResult(_part(key, place), (layer,), now, described, size))
    note = msgspec.to_builtins(_Note(fates), enc_hook=str)
    store.steps.put(StepResult(key, data=note))


def _remembered(store: Store, lease: Lease, key: Digest) -> tuple[Fate, ...] | None:
    result = store.steps.get(key)
    if result is None:
        return None
    try:
        fates = msgspec.convert(result.data, _Note, dec_hook=_digest).fates
    except msgspec.ValidationError:
        return None
    layers = _layers(fates)
    lease.protect(*layers)
    if not all(map(store.layers.has, layers)):
        return None
    for place, _ in enumerate(layers):
        store.steps.touch(_part(key, place))
    return fates


def _layers(fates: Sequence[Fate]) -> list[Digest]:
    return [each.layer.digest for each in fates if each.layer is not None]


def _part(key: Digest, place: int) -> Digest:
    return Digest.of(f"{key} {place}".encode())


def _digest(kind: type, value: object) -> object:
    return Digest(str(value)) if kind is Digest else value
