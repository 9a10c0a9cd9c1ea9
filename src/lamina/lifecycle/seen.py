"""What there is to be seen of a container: its record, what was decided of it, its health, and
its part in networks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from lamina.network.request import PortBinding, is_bridged
from lamina.network.state import Member, Port, State
from lamina.network.wanted import bindings
from lamina.run.settings import OlderContainer, Settings, settings_of
from lamina.run.spec import Process
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store
from lamina.supervise.frames import HEALTH

UP = ("running", "paused")
_NOTHING = Settings(Process((), ()))


class Seen(msgspec.Struct, frozen=True):
    """A container, as it is now."""

    record: ContainerRecord
    place: Path
    """`containers/<id>`."""
    settings: Settings
    """Empty for a container that another version made."""
    older: bool = False
    """Whether another version made it, so that nothing is known of its settings."""
    member: Member | None = None
    """Its part in networks, while it runs."""
    health: dict[str, Any] | None = None
    """As Docker's inspect has it, for one that has ended as it was last; None for one without a
    check, and before its first start."""

    @property
    def up(self) -> bool:
        """Whether it has processes."""
        return self.record.status in UP

    @property
    def mode(self) -> str:
        """Its network: `bridge`, `host`, `none`, `container:…` or a name."""
        return self.settings.network.mode or "bridge"

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of its networks."""
        if self.member is not None:
            return tuple(each.network_name for each in self.member.endpoints)
        if self.mode.startswith("container:"):
            return ()
        further = (each.network for each in self.settings.network.further)
        return (self.mode, *further) if is_bridged(self.mode) else (self.mode,)

    @property
    def published(self) -> tuple[PortBinding, ...]:
        """What `-p` and `-P` ask for."""
        return bindings(self.settings.network, self.settings.exposed)

    @property
    def exposed(self) -> tuple[str, ...]:
        """`80/tcp`: the ports that image and options name, published or not, in order."""
        ports = {(_number(each), _protocol(each)) for each in self.settings.exposed}
        ports |= {(each.container_port, each.protocol) for each in self.published}
        return tuple(f"{number}/{protocol}" for number, protocol in sorted(ports))

    @property
    def ports(self) -> tuple[Port, ...]:
        """What is published now."""
        return self.member.ports if self.member is not None else ()

    @property
    def health_status(self) -> str:
        """`starting`, `healthy`, `unhealthy`; `none` for no check."""
        return str((self.health or {}).get("Status", "none"))


def seen(store: Store, record: ContainerRecord) -> Seen:
    """Look at a container.  Raises ContainerNotFound when it has just been removed."""
    place = store.containers.directory(record.id)
    try:
        settings, older = settings_of(record.name, record.settings), False
    except OlderContainer:
        settings, older = _NOTHING, True
    member = None
    if record.status in UP and is_bridged(settings.network.mode):
        member = State(store.root).member(record.id)
    return Seen(record, place, settings, older, member, _health(record, place, settings))


def _health(record: ContainerRecord, place: Path, settings: Settings) -> dict[str, Any] | None:
    if not settings.health.test or settings.health.test[0] == "NONE":
        return None
    try:
        return msgspec.json.decode((place / HEALTH).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError):
        up = record.status in UP
        return {"Status": "starting", "FailingStreak": 0, "Log": []} if up else None


def _number(port: str) -> int:
    text = port.partition("/")[0].partition("-")[0]
    return int(text) if text.isdigit() else 0


def _protocol(port: str) -> str:
    return port.partition("/")[2] or "tcp"


def ports_text(seen: Seen) -> str:
    """The PORTS column: `0.0.0.0:8080->80/tcp, 443/tcp`; neighbours become a range."""
    if not seen.up or not is_bridged(seen.mode):
        return ""
    taken = {(each.container_port, each.protocol) for each in seen.ports}
    rows = [
        (_number(each), "", 0, _protocol(each))
        for each in seen.exposed
        if (_number(each), _protocol(each)) not in taken
    ]
    rows += [(p.container_port, p.host_ip, p.host_port, p.protocol) for p in seen.ports]
    return ", ".join(_grouped(sorted(rows)))


def _grouped(rows: Iterable[tuple[int, str, int, str]]) -> list[str]:
    """One text for each run of ports that follow each other, the moved ones last."""
    runs: dict[tuple[str, str], tuple[int, int]] = {}
    texts, moved = [], []
    for port, address, host_port, protocol in rows:
        if address and host_port != port:
            moved.append(f"{_address(address)}:{host_port}->{port}/{protocol}")
            continue
        first, last = runs.get((address, protocol), (port, port - 1))
        if port != last + 1:
            texts.append(_run(address, protocol, first, last))
            first = port
        runs[address, protocol] = (first, port)
    texts += [_run(*key, *span) for key, span in runs.items()]
    return texts + moved


def _run(address: str, protocol: str, first: int, last: int) -> str:
    span = str(first) if first == last else f"{first}-{last}"
    return f"{_address(address)}:{span}->{span}/{protocol}" if address else f"{span}/{protocol}"


def _address(text: str) -> str:
    return f"[{text}]" if ":" in text else text
