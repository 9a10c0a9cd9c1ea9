"""Which layers are made anew, by what somebody wants of them.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lamina.explain.waste import Account
from lamina.repack.plan import Span


def lossless(
    account: Account, *, kept: Collection[int] = (), below: int | None = None
) -> list[Span]:
    """Each layer that has hidden bytes by itself, but for those of `kept`; only layers under
    `below`, when it is given."""
    layers = account.layers if below is None else account.layers[:below]
    return [
        Span(layer, layer)
        for layer, each in enumerate(layers)
        if each.hidden_bytes and layer not in kept
    ]


def squashed(account: Account, first: int, *, kept: Collection[int] = ()) -> list[Span]:
    """Layer `first` and all above it as one; those below as `lossless` has them."""
    return [*lossless(account, kept=kept, below=first), Span(first, len(account.layers) - 1)]


def joined(account: Account, first: int) -> list[Span]:
    """Consecutive layers as one wherever one hides bytes of another; only from `first` on.

    What lies below `first` stays, and what is hidden of it.
    """
    return _merged(
        sorted(
            Span(layer, max([layer, *(by for by in each.hidden_by)]))
            for layer, each in enumerate(account.layers)
            if layer >= first and each.hidden_bytes
        )
    )


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Spans that share a layer as one."""
    found: list[Span] = []
    for span in spans:
        if found and span.first <= found[-1].last:
            found[-1] = Span(found[-1].first, max(found[-1].last, span.last))
        else:
            found.append(span)
    return found
