"""A build that was made twice: whether the same came of it, and what did not."""

from __future__ import annotations

import msgspec

from lamina.build.build import Product, Variant
from lamina.build.observe import Occasion
from lamina.build.outputs import image_of
from lamina.explain.deviations import Deviations, deviations
from lamina.explain.stack import Stack, image_stack
from lamina.store.contract import Store


def from_nothing(occasion: Occasion) -> Occasion:
    """The occasion of a build that takes nothing from the cache."""
    return msgspec.structs.replace(occasion, use_cache=False)


def again(occasion: Occasion, identity: str) -> Occasion:
    """The occasion of the same build once more, in another directory (`identity`, random
    hexadecimal digits) and one step after another."""
    return msgspec.structs.replace(occasion, identity=identity, use_cache=False, workers=1)


def compare(first: Product, second: Product, store: Store) -> list[Deviations]:
    """How the images of two builds differ, for each platform whose image is not the same.

    Raises what reading their layers raises.
    """
    return [
        deviations(_stack(old, store), _stack(new, store))
        for old, new in zip(first.variants, second.variants, strict=True)
        if old.manifest.digest != new.manifest.digest
    ]


def _stack(variant: Variant, store: Store) -> Stack:
    return image_stack(store, image_of(variant), str(variant.platform))
