"""An image or a container as a stack of layers: what every question about it starts from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import BinaryIO, Protocol

from lamina.errors import EngineError, NotFound
from lamina.explain.cause import Base, Origin, base_of, origins
from lamina.explain.fate import Fates, fates
from lamina.explain.findings import Finding, findings
from lamina.explain.waste import Account, account
from lamina.layer.contract import Listing
from lamina.layer.diff import changes
from lamina.layer.entry import Entry, os_path
from lamina.layer.union import Union
from lamina.layer.whiteout import here
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Image, Store
from lamina.store.find import find_object

OWN = "rw"
"""The label of a container's own layer."""


class NoSuchLayer(NotFound):
    """The image has fewer layers."""

    def __init__(self, label: str, name: str, count: int) -> None:
        super().__init__(f"no layer {label} in {name}", hint=f"it has layers 1 to {count}")


class Contents(Protocol):
    """Where the layers of a stack are read from; layers are counted from 0, the lowest."""

    def listing(self, layer: int) -> Listing:
        """Every entry, with the sha256 of every file that has any content."""
        ...

    def open(self, layer: int, entry: Entry) -> BinaryIO:
        """The content of a FILE entry of that layer.  The caller closes it."""
        ...


class Stack:
    """The layers of an image or a container, the lowest first, and what made each.

    Nothing is read before it is asked for, and then once.  Raises LayerDamaged where a
    listing or a content cannot be read.
    """

    def __init__(
        self,
        name: str,
        identity: str,
        origins: Sequence[Origin],
        contents: Contents,
        *,
        config: ImageConfig | None = None,
        base: Base | None = None,
    ) -> None:
        self.name = name
        """What people call it."""
        self.identity = identity
        """The image's id, or the container's."""
        self.origins = origins
        """One for each layer."""
        self.config = config
        """The image's; None when the image of a container has gone."""
        self.base = base
        self._contents = contents

    def __len__(self) -> int:
        return len(self.origins)

    @property
    def is_container(self) -> bool:
        """Whether the top layer is a container's own."""
        return bool(self.origins) and self.origins[-1].label == OWN

    @cached_property
    def listings(self) -> Sequence[Listing]:
        """Every layer's entries, the sha256 of every file known but for a container's own."""
        return [self._contents.listing(layer) for layer in range(len(self.origins))]

    @cached_property
    def account(self) -> Account:
        """Its bytes, added up."""
        return account(self.listings)

    @cached_property
    def findings(self) -> Sequence[Finding]:
        """What is hidden, gathered, the most bytes first."""
        return findings(self.account.hidden)

    @property
    def union(self) -> Union:
        """The merged view."""
        return self.account.union

    @cached_property
    def fates(self) -> Sequence[Fates]:
        """What became of every entry, layer by layer."""
        return fates(self.listings, self.union)

    def label(self, layer: int) -> str:
        """What people call a layer: its number from 1, or `rw`."""
        return self.origins[layer].label

    def place(self, label: str) -> int:
        """The layer that is called so.  Raises NoSuchLayer."""
        for place, origin in enumerate(self.origins):
            if origin.label == label:
                return place
        raise NoSuchLayer(label, self.name, len(self.origins))

    def lowest(self, count: int) -> Stack:
        """A stack of its `count` lowest layers: the image as it was after them."""
        return Stack(self.name, self.identity, self.origins[:count], self._contents)

    def open(self, layer: int, entry: Entry) -> BinaryIO:
        """The content of a FILE entry of that layer.  The caller closes it."""
        return self._contents.open(layer, entry)

    def read(self, path: str) -> bytes | None:
        """The content of the file seen at `path`, links followed; None when there is none."""
        found = self.union.content(self.union.resolve(path))
        if found is None:
            return None
        with self.open(found.layer, found.entry) as file:
            return file.read()


class _Stored:
    """Implements `Contents` on a store."""

    def __init__(self, store: Store, layers: Sequence[Digest], upper: _Upper | None) -> None:
        self._store = store
        self._layers = layers
        self._upper = upper

    def listing(self, layer: int) -> Listing:
        if self._upper is not None and layer == len(self._layers):
            return self._upper.listing()
        return self._store.layers.hashed(self._layers[layer])

    def open(self, layer: int, entry: Entry) -> BinaryIO:
        if self._upper is not None and layer == len(self._layers):
            return self._upper.open(entry)
        return self._store.layers.open_file(self._layers[layer], entry)


class _Upper:
    """A container's writable layer as it is now."""

    def __init__(self, store: Store, record: ContainerRecord) -> None:
        self._store = store
        self._record = record

    def listing(self) -> Listing:
        return own_layer(self._store, self._record)

    def open(self, entry: Entry) -> BinaryIO:
        upper = self._store.containers.directory(self._record.id) / "upper"
        path = os.fsencode(upper) + b"/" + os_path(entry.path)
        return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def own_layer(store: Store, record: ContainerRecord) -> Listing:
    """A container's writable layer as it is now.  It has no tar, so its diff_id names nothing."""
    upper = store.containers.directory(record.id) / "upper"
    entries = tuple(changes(upper, whiteouts=here(os.geteuid())))
    return Listing(Digest.of(record.id.encode()), entries, 0)


def open_stack(store: Store, name: str) -> Stack:
    """The image or container that goes by `name` (see `find_object`, and what that raises)."""
    found = find_object(store, name)
    if isinstance(found, ContainerRecord):
        return container_stack(store, found)
    return image_stack(store, found, name)


def image_stack(store: Store, image: Image, name: str = "") -> Stack:
    """An image of the store; one without a name of its own is called `name`."""
    reference = image.row.reference
    return Stack(
        reference.familiar if reference is not None else name or image.config.digest.short,
        str(image.config.digest),
        origins(image.config),
        _Stored(store, image.layers, None),
        config=image.config,
        base=base_of(image.layers, named_layers(store)),
    )


def container_stack(store: Store, record: ContainerRecord) -> Stack:
    """A container: the layers of its image, and its own on top."""
    image = image_of(store, record)
    own = Origin(OWN, " ".join(record.command))
    # It stands on its whole image: its own layer makes it one layer more.
    layers = [*record.layers, Digest.of(record.id.encode())]
    return Stack(
        record.name,
        record.id,
        [*_image_origins(image, record.layers), own],
        _Stored(store, record.layers, _Upper(store, record)),
        config=image.config if image is not None else None,
        base=base_of(layers, named_layers(store)),
    )


def image_of(store: Store, record: ContainerRecord) -> Image | None:
    """The image that a container was made from; None when it has gone, or is damaged."""
    try:
        return store.images.find(record.image_id.hex)
    except EngineError:
        return None


def named_layers(store: Store) -> Iterator[tuple[str, Sequence[Digest]]]:
    """The layers of every image that has a name; damaged ones are left out."""
    for row in store.refs.rows():
        if row.reference is None:
            continue
        try:
            layers = store.images.open(row).layers
        except EngineError:
            continue
        yield row.reference.familiar, layers


def _image_origins(image: Image | None, layers: Sequence[Digest]) -> list[Origin]:
    if image is not None and len(image.layers) == len(layers):
        return origins(image.config)
    return [Origin(str(number), "") for number in range(1, len(layers) + 1)]


def source_stack(name: str, config: ImageConfig, contents: Contents, store: Store | None) -> Stack:
    """An image that lies elsewhere; its base is looked for among the images of `store`."""
    layers = config.diff_ids
    return Stack(
        name,
        str(config.digest),
        origins(config),
        contents,
        config=config,
        base=base_of(layers, named_layers(store)) if store is not None else None,
    )
