"""Which ports of a container are to be published.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.network.parse import parse_exposed
from lamina.network.request import NetworkRequest, PortBinding


def bindings(request: NetworkRequest, exposed: Sequence[str]) -> tuple[PortBinding, ...]:
    """What `-p` names, and with `-P` every exposed port that it does not."""
    if not request.publish_all:
        return request.publish
    named = {(each.container_port, each.protocol) for each in request.publish}
    return (
        *request.publish,
        *(PortBinding(*each) for each in _exposed(exposed) if each not in named),
    )


def _exposed(texts: Iterable[str]) -> list[tuple[int, str]]:
    return sorted({port for each in texts for port in parse_exposed(each)})
