"""What one machine tells others of its cache: a JSON document beside the layers.

In a registry or a layout it is the config of a manifest whose layers are the steps'
layers, so every blob is referenced and nothing that the cache needs is collected there.
An image can carry one too, in a field of its config that other tools leave alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from lamina.cache.cache import Found, Known, Made
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument, amend, decode

MEDIA_TYPE = "application/vnd.lamina.cache.v1+json"
"""Of the document as the config of a manifest."""
INLINE = "dev.lamina.cache.v1"
"""The field of an image's config that holds the document."""
_MOST = 1 << 62


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step's result, as `cache.Made` has it, and every key that gives it."""

    keys: tuple[Digest, ...]
    layer: Digest
    size: int
    tar_size: int
    created: str
    hides: tuple[tuple[int, int], ...] = ()
    title: str = ""


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole record."""

    steps: tuple[Step, ...]
    layers: tuple[Digest, ...] = ()
    """The diff_id of each layer of the manifest, in its order; an image's own are in its
    config."""


class _Config(msgspec.Struct):
    cache: Document | None = msgspec.field(default=None, name=INLINE)


def steps_of(known: Iterable[Known]) -> tuple[Step, ...]:
    """What is told of these steps."""
    return tuple(
        Step(
            each.keys,
            each.made.layer,
            each.made.size,
            each.made.tar_size,
            each.made.created,
            each.made.hides,
            each.title,
        )
        for each in known
    )


def read(raw: bytes, what: str) -> Document:
    """The document, every value in it possible.  Raises BadDocument."""
    return _checked(decode(raw, Document, what=what), what)


def read_inline(raw: bytes, what: str) -> Document | None:
    """The document in an image's config; None when there is none.  Raises BadDocument."""
    found = decode(raw, _Config, what=what).cache
    return _checked(found, what) if found is not None else None


def with_inline(config: ImageConfig, known: Sequence[Known]) -> ImageConfig:
    """The config with a document of those steps whose layers the image has; of no steps:
    without one, which its base may have left there.

    Of each step it has the first key, which only depends on what is built: so the image is
    the same, whether its steps were carried out here or came from another machine.
    """
    here = [
        msgspec.structs.replace(each, keys=each.keys[:1])
        for each in known
        if each.made.layer in config.diff_ids
    ]
    document = Document(steps_of(here)) if here else None
    return ImageConfig.parse(amend(config.raw, {INLINE: document}))


def with_present_steps(config: ImageConfig) -> ImageConfig:
    """The config without the steps in its document whose layers it does not have."""
    if INLINE.encode() not in config.raw:
        return config
    document = read_inline(config.raw, "the image's config")
    steps = [step for step in document.steps if step.layer in config.diff_ids] if document else []
    kept = Document(tuple(steps)) if steps else None
    return ImageConfig.parse(amend(config.raw, {INLINE: kept}))


def found(document: Document, name: str) -> dict[Digest, Found]:
    """The results by their keys.

    Each knows its own key alone.  That the others give the same is the word of another
    machine: it must not settle in the store, where builds would find it that never asked
    that machine.
    """
    results: dict[Digest, Found] = {}
    for step in document.steps:
        made = Made(step.layer, step.size, step.tar_size, step.created, step.hides)
        for key in step.keys:
            results[key] = Found(made, (key,), name)
    return results


def _checked(document: Document, what: str) -> Document:
    for step in document.steps:
        numbers = [step.size, step.tar_size, *(number for pair in step.hides for number in pair)]
        if not all(0 <= number < _MOST for number in numbers):
            raise BadDocument(f"{what} has an impossible number in a step")
        try:
            datetime.fromisoformat(step.created)
        except ValueError:
            raise BadDocument(f"{what} has an impossible time in a step") from None
    return document
