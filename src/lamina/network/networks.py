"""The networks of a store: found, made, removed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from lamina.network.errors import (
    BadNetwork,
    NetworkExists,
    NetworkInUse,
    NetworkNotFound,
    Predefined,
)
from lamina.network.host import Host
from lamina.network.request import DEFAULT, Attachment
from lamina.network.state import Member, Network, State, token
from lamina.sha256 import sha256

PREDEFINED = ("bridge", "host", "none")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


def find_network(state: State, text: str) -> Network:
    """The network of that name, id, or beginning of an id.  Raises NetworkNotFound, BadNetwork."""
    return pick(state.networks(), text)


def predefined_id(state: State, name: str) -> str:
    """The id of `bridge`, `host` or `none`, also before it is made."""
    return sha256(f"{token(state.root)} {name}".encode()).hex()


def all_networks(state: State) -> list[Network]:
    """All networks, those that are always there as well; `bridge` has no subnet before
    somebody has used it."""
    found = state.networks()
    names = {each.name for each in found}
    return [
        *found,
        *(
            Network(predefined_id(state, name), name, "", "")
            for name in PREDEFINED
            if name not in names
        ),
    ]


def pick(networks: list[Network], text: str) -> Network:
    """The network of that name, id, or only id that begins so.

    Raises NetworkNotFound, BadNetwork when several ids begin so.
    """
    for each in networks:
        if text in (each.name, each.id):
            return each
    found = [each for each in networks if text and each.id.startswith(text)]
    if len(found) > 1:
        raise BadNetwork(f"several networks have ids that begin with {text}")
    if not found:
        raise NetworkNotFound(text)
    return found[0]


def default_network(state: State, host: Host, attachments: Iterable[Attachment], now: str) -> None:
    """Make the network `bridge` if it is asked for and not there.  The lock is held."""
    if all(each.network != DEFAULT for each in attachments):
        return
    if any(each.name == DEFAULT for each in state.networks()):
        return
    identity = predefined_id(state, DEFAULT)
    add_network(state, host, Network(identity, DEFAULT, now, "", chosen=True))


def check_name(name: str) -> None:
    """Raise BadNetwork when no network can have that name."""
    if name in PREDEFINED or name == "default" or name.startswith("container:"):
        raise BadNetwork(f"operation is not permitted on predefined {name} network")
    if not _NAME.fullmatch(name):
        raise BadNetwork(f"not a network name: {name!r}", hint="letters, digits, '_', '.' and '-'")


def add_network(state: State, host: Host, network: Network) -> Network:
    """Make a network; one without subnets gets some.  The lock is held.

    Raises NetworkExists, NoSubnetLeft.
    """
    if any(each.name == network.name for each in state.networks()):
        raise NetworkExists(network.name)
    identity = network.id or os.urandom(32).hex()
    network = replace(network, id=identity, bridge=network.bridge or f"lm-{identity[:12]}")
    if not network.subnets:
        network = replace(network, chosen=True)
        network = replace(network, subnets=host.find_subnets(network))
    else:
        network = replace(network, subnets=(*network.subnets, *host.missing_subnets(network)))
    state.keep_network(network)
    return network


def members_of(state: State, network: Network) -> list[Member]:
    """Who is in a network."""
    return [
        member
        for member in state.members()
        if any(each.network == network.id for each in member.endpoints)
    ]


def remove_network(state: State, host: Host, text: str) -> Network:
    """Remove a network that nobody is in.  The lock is held, and the dead are gone.

    Raises NetworkNotFound, NetworkInUse, Predefined.
    """
    if text in PREDEFINED:
        raise Predefined(text)
    network = find_network(state, text)
    if network.name in PREDEFINED:
        raise Predefined(network.name)
    if members := members_of(state, network):
        raise NetworkInUse(network.name, [each.name for each in members])
    host.remove([], [network])
    state.drop_network(network)
    return network


def bridge_options(options: Mapping[str, str]) -> dict[str, object]:
    """The fields of a network that `-o` sets.  Raises BadNetwork."""
    prefix = "com.docker.network."
    found: dict[str, object] = {}
    for name, value in options.items():
        match name.removeprefix(prefix):
            case "bridge.name":
                found["bridge"] = value
            case "driver.mtu" | "mtu":
                found["mtu"] = _mtu(value)
            case "bridge.enable_icc":
                found["icc"] = _truth(name, value)
            case "bridge.enable_ip_masquerade":
                found["masquerade"] = _truth(name, value)
            case "bridge.host_binding_ipv4":
                found["host_ip"] = value
    return found


def _mtu(value: str) -> int:
    if not value.isdecimal() or not 68 <= int(value) <= 65535:
        raise BadNetwork(f"not an MTU: {value!r}")
    return int(value)


def _truth(name: str, value: str) -> bool:
    if value.lower() not in {"true", "false", "1", "0"}:
        raise BadNetwork(f"{name} is true or false, not {value!r}")
    return value.lower() in {"true", "1"}
