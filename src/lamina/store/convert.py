"""Changing the form in which layers are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from lamina.layer.contract import Form
from lamina.oci.digest import Digest
from lamina.store.containers import LIVELY
from lamina.store.contract import Lease, Store
from lamina.store.errors import LayerInUse


def convert(
    store: Store,
    diff_ids: Iterable[Digest],
    form: Form,
    *,
    begin: Callable[[Digest], None] = lambda _: None,
) -> tuple[Digest, ...]:
    """Keep these layers in `form`; returns those that were in another one.

    `begin` is told of each before it is rewritten.  An interruption, or a failure at one
    of them, leaves each layer whole, in the old form or the new.

    Raises LayerInUse when a container or another operation may be reading one, NoImageForm,
    LayerNotFound, LayerDamaged.
    """
    changed: list[Digest] = []
    with store.leases.hold() as lease:
        for diff_id in dict.fromkeys(diff_ids):
            lease.protect(diff_id)
            if store.layers.info(diff_id).form == form:
                continue
            begin(diff_id)
            store.layers.convert(diff_id, form, alone=partial(_alone, store, lease, diff_id))
            changed.append(diff_id)
    return tuple(changed)


@contextmanager
def _alone(store: Store, lease: Lease, diff_id: Digest) -> Iterator[None]:
    """Nobody uses the layer, and nobody can begin to: whoever wants to asks for a lease first."""
    with store.leases.collecting():
        for record in store.containers:
            if record.status in LIVELY and diff_id in record.layers:
                raise LayerInUse(diff_id, f"container {record.name}")
        if diff_id in store.leases.protected(beside=lease):
            raise LayerInUse(diff_id, "another lamina command")
        yield
