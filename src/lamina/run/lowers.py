"""Layers as the directories that overlayfs is mounted over."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from lamina.oci.digest import Digest
from lamina.store.contract import LayerStore


def lowers(layers: LayerStore, chain: Sequence[Digest]) -> AbstractContextManager[tuple[Path, ...]]:
    """The directory of each layer of `chain`, the lowest first, none of them twice, for
    the length of a `with` block (see `LayerStore.lowers`).

    A layer may come twice: two steps that changed nothing make the same one.  It
    counts where it is highest, since all that it has is on top there; overlayfs
    refuses to see one directory twice.  Raises LayerNotFound, NotMounted.
    """
    highest = dict.fromkeys(reversed(chain))
    return layers.lowers(tuple(reversed(highest)))
