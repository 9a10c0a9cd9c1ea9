"""`lamina ps --filter`: which containers are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from lamina.cli.filters import BadFilter, flag, has_labels

if TYPE_CHECKING:
    from lamina.lifecycle.seen import Seen
    from lamina.store.container_contract import ContainerRecord
    from lamina.store.contract import Image, Store

STATES = ("created", "dead", "exited", "paused", "removing", "restarting", "running")
HEALTH = ("healthy", "none", "starting", "unhealthy")
_LARGEST_PORT = 65535


class Filter:
    """What all filters of one listing ask: one value of each of them must fit."""

    def __init__(self, store: Store, wanted: Mapping[str, list[str]]) -> None:
        self._store = store
        self._wanted = wanted
        _check("status", wanted.get("status", []), STATES)
        _check("health", wanted.get("health", []), HEALTH)
        for text in wanted.get("exited", []):
            if not text.lstrip("-").isdigit():
                raise BadFilter(f"invalid filter 'exited={text}'", hint="write exited=137")
        self._ports = {
            key: {port for text in wanted.get(key, []) for port in _ports(key, text)}
            for key in ("publish", "expose")
        }

    def takes(self, seen: Seen) -> bool:
        """Whether a container is to be shown."""
        return all(_TESTS[key](self, seen, values) for key, values in self._wanted.items())

    def name(self, seen: Seen, values: list[str]) -> bool:
        name = seen.record.name
        return any(_found(value, name) or _found(value, f"/{name}") for value in values)

    def id(self, seen: Seen, values: list[str]) -> bool:
        return any(seen.record.id.startswith(value) for value in values)

    def status(self, seen: Seen, values: list[str]) -> bool:
        return seen.record.status in values

    def exited(self, seen: Seen, values: list[str]) -> bool:
        return seen.record.status == "exited" and str(seen.record.exit_status) in values

    def health(self, seen: Seen, values: list[str]) -> bool:
        return seen.health_status in values

    def label(self, seen: Seen, values: list[str]) -> bool:
        return has_labels(seen.record.labels, values)

    def is_task(self, seen: Seen, values: list[str]) -> bool:
        return not flag("is-task", values)

    def volume(self, seen: Seen, values: list[str]) -> bool:
        mounts = seen.settings.mounts
        known = {text for each in mounts for text in (each.volume, str(each.source), each.target)}
        return any(value.rstrip("/") in known for value in values)

    def network(self, seen: Seen, values: list[str]) -> bool:
        ids = [each.network for each in seen.member.endpoints] if seen.member else []
        return any(
            value in seen.networks or any(each.startswith(value) for each in ids)
            for value in values
            if value
        )

    def publish(self, seen: Seen, values: list[str]) -> bool:
        wanted = self._ports["publish"]
        return any((p.container_port, p.protocol) in wanted for p in seen.published)

    def expose(self, seen: Seen, values: list[str]) -> bool:
        wanted = {f"{number}/{protocol}" for number, protocol in self._ports["expose"]}
        return any(each in wanted for each in seen.exposed)

    def before(self, seen: Seen, values: list[str]) -> bool:
        return all(seen.record.created < each for each in self._times["before"])

    def since(self, seen: Seen, values: list[str]) -> bool:
        return all(seen.record.created > each for each in self._times["since"])

    def ancestor(self, seen: Seen, values: list[str]) -> bool:
        return any(_descends(seen.record, text, image) for text, image in self._ancestors.items())

    @cached_property
    def _times(self) -> dict[str, list[str]]:
        find = self._store.containers.find
        return {
            key: [find(text).created for text in self._wanted.get(key, [])]
            for key in ("before", "since")
        }

    @cached_property
    def _ancestors(self) -> dict[str, Image | None]:
        from lamina.errors import NotFound

        found: dict[str, Image | None] = {}
        for text in self._wanted["ancestor"]:
            try:
                found[text] = self._store.images.find(text)
            except NotFound:
                found[text] = None
        return found


_TESTS: dict[str, Callable[[Filter, Seen, list[str]], bool]] = {
    "ancestor": Filter.ancestor,
    "before": Filter.before,
    "exited": Filter.exited,
    "expose": Filter.expose,
    "health": Filter.health,
    "id": Filter.id,
    "is-task": Filter.is_task,
    "label": Filter.label,
    "name": Filter.name,
    "network": Filter.network,
    "publish": Filter.publish,
    "since": Filter.since,
    "status": Filter.status,
    "volume": Filter.volume,
}
KNOWN = tuple(_TESTS)


def _check(key: str, values: list[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            raise BadFilter(f"invalid filter '{key}={value}'", hint=f"one of {', '.join(known)}")


def _found(pattern: str, text: str) -> bool:
    """As Docker matches names: a regular expression, found anywhere."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return pattern in text


def _ports(key: str, text: str) -> list[tuple[int, str]]:
    """`80`, `80/udp`, `8000-8010/tcp`."""
    ports, _, protocol = text.partition("/")
    first, _, last = ports.partition("-")
    if not first.isdigit() or (last and not last.isdigit()) or int(last or first) > _LARGEST_PORT:
        raise BadFilter(f"invalid filter '{key}={text}'", hint=f"write {key}=80/tcp")
    return [(number, protocol or "tcp") for number in range(int(first), int(last or first) + 1)]


def _descends(record: ContainerRecord, text: str, image: Image | None) -> bool:
    """Whether the container was made from that image, or from one built on it."""
    if image is None:
        return record.image == text
    layers = image.layers
    return record.image_id == image.config.digest or (
        bool(layers) and record.layers[: len(layers)] == layers
    )
