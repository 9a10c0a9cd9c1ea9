"""Which images may be tried as another base: those of the store, the tags of a repository."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from lamina.errors import EngineError
from lamina.explain.cause import base_of
from lamina.explain.stack import named_layers
from lamina.needs.uses import Uses
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform
from lamina.oci.reference import DEFAULT_TAG
from lamina.registry.client import Repository
from lamina.store.contract import Store
from lamina.transfer.receive import read_documents

MOST_STORED = 20
MOST_TAGS = 60
"""Tags whose manifest is asked for."""
MOST_IMAGES = 6
"""Images of a repository whose layers are read."""


class Found(msgspec.Struct, frozen=True):
    """Candidates by name, and what was left out."""

    names: Sequence[str]
    note: str = ""
    """A sentence about those that were left out; empty when there are none."""


def stored(store: Store, uses: Uses) -> Found:
    """The images of a store that are smaller than the present base, plain bases first.

    Left out are the image, those made from it, and other names of one that is in.
    Where the base is not known, those count that are smaller than the image.
    """
    config = uses.stack.config
    own = list(config.diff_ids) if config is not None else []
    limit = uses.base_bytes
    every = list(named_layers(store))
    sizes = {row.reference.familiar: row.size for row in store.refs.rows() if row.reference}
    seen: set[tuple[Digest, ...]] = set()
    found: list[tuple[bool, int, str]] = []
    for name, layers in every:
        key = tuple(layers)
        descends = bool(own) and list(layers[: len(own)]) == own
        if key in seen or descends or not layers or sizes.get(name, 0) >= limit:
            continue
        seen.add(key)
        found.append((base_of(layers, every) is not None, -sizes.get(name, 0), name))
    names = [name for *_, name in sorted(found)]
    note = ""
    if len(names) > MOST_STORED:
        note = f"{len(names) - MOST_STORED} more images of the store are smaller"
    return Found(names[:MOST_STORED], note)


def tagged(repository: Repository, platform: Platform) -> Found:
    """The smallest images among a repository's tags, by what their layers take compressed.

    Each image is named by the shortest of its tags, any rather than `latest`.  A tag that
    cannot be read, or is for other platforms, is passed over.  Raises RepositoryNotFound, and
    what the registry raises.
    """
    tags = repository.tags()
    images: dict[Digest, tuple[int, str]] = {}
    for tag in tags[:MOST_TAGS]:
        at = repository.at(repository.reference.with_tag(tag))
        for identity, size in _measured(at, platform, tag):
            known = images.setdefault(identity, (size, tag))
            images[identity] = min(known, (size, tag), key=_plainness)
    smallest = sorted(images.values())[:MOST_IMAGES]
    name = repository.reference.familiar_name
    notes = []
    if len(tags) > MOST_TAGS:
        notes.append(f"of {len(tags)} tags of {name} the first {MOST_TAGS} were looked at")
    if len(images) > MOST_IMAGES:
        notes.append(f"of {len(images)} images of {name} the {MOST_IMAGES} smallest were read")
    return Found([f"docker://{name}:{tag}" for _, tag in smallest], "; ".join(notes))


def _plainness(found: tuple[int, str]) -> tuple[bool, int, str]:
    tag = found[1]
    return tag == DEFAULT_TAG, len(tag), tag


def _measured(source: Repository, platform: Platform, tag: str) -> Iterator[tuple[Digest, int]]:
    """An image's id and the bytes of its layers; nothing where it cannot be had."""
    try:
        documents = read_documents(source, source.resolve(), platform=platform, what=tag)
    except EngineError:
        return
    yield documents.config.digest, sum(layer.size for layer in documents.manifest.layers)
