"""How many bytes a new layer takes out of sight, and whose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lamina.layer.contract import LayerInfo
from lamina.layer.entry import Kind
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.store.contract import LayerStore, StepResult, Store


def hidden_by_top(
    layers: LayerStore, chain: Sequence[Digest], top: LayerInfo
) -> tuple[tuple[int, int], ...]:
    """(place in `chain`, bytes of file content) that the last layer of `chain` hides."""
    if not top.entry_count:
        return ()
    entries = layers.listing(chain[-1]).entries
    if all(entry.kind is Kind.DIRECTORY for entry in entries):
        return ()
    from lamina.layer.union import Union

    found: Counter[int] = Counter()
    for each in Union.of([layers.listing(digest) for digest in chain]).hidden:
        if each.hidden_by == len(chain) - 1:
            found[each.layer] += each.size
    return tuple(sorted((place, size) for place, size in found.items() if size))


def total_hidden(store: Store, chain: Sequence[Digest]) -> int:
    """Bytes of file content in the layers of `chain` that nobody can see; remembered."""
    key = Digest.of(encode(["hidden bytes", list(chain)]))
    known = store.steps.get(key)
    if known is not None and isinstance(known.data.get("bytes"), int):
        return int(known.data["bytes"])
    from lamina.layer.union import Union

    total = sum(
        each.size for each in Union.of([store.layers.listing(each) for each in chain]).hidden
    )
    store.steps.put(StepResult(key, data={"bytes": total}))
    return total
