"""What `inspect` tells of a container: the shape of Docker's API, version 1.41."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lamina.errors import EngineError
from lamina.explain.stack import own_layer
from lamina.lifecycle.seen import Seen, seen
from lamina.network.request import Attachment, is_bridged
from lamina.network.state import Endpoint, Port, State
from lamina.report.host_config import host_config, mount_mode
from lamina.report.inspection import NEVER, lower_directories, raw_config
from lamina.run.logs import FILE as LOG
from lamina.run.settings import Health
from lamina.run.spec import Mount
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store


def describe_container(store: Store, record: ContainerRecord, *, sizes: bool) -> dict[str, Any]:
    """A container; with `sizes` also the bytes that it wrote and those of all its files."""
    look = seen(store, record)
    place, settings = look.place, look.settings
    own_files = not look.older
    description = {
        "Id": record.id,
        "Created": record.created,
        "Path": record.command[0] if record.command else "",
        "Args": list(record.command[1:]),
        "State": _state(look),
        "Image": str(record.image_id),
        "ResolvConfPath": str(place / "resolv.conf"),
        "HostnamePath": str(place / "hostname"),
        "HostsPath": str(place / "hosts"),
        "LogPath": "" if own_files and settings.log.driver == "none" else str(place / LOG),
        "Name": f"/{record.name}",
        "RestartCount": record.restarts,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": settings.security.apparmor,
        "ExecIDs": None,
        "HostConfig": host_config(look),
        "GraphDriver": {"Name": "overlay2", "Data": _directories(store, record, place)},
        "Mounts": [_mount(each) for each in settings.mounts if each.kind == "bind"],
        "Config": _config(store, look),
        "NetworkSettings": _network_settings(store, look),
    }
    if sizes:
        written = own_layer(store, record).content_size
        infos = [store.layers.info(each) for each in record.layers]
        description["SizeRw"] = written
        description["SizeRootFs"] = written + sum(info.content_size for info in infos)
    return description


def _state(look: Seen) -> dict[str, Any]:
    record = look.record
    state = {
        "Status": record.status,
        "Running": record.status in ("running", "paused", "restarting"),
        "Paused": record.status == "paused",
        "Restarting": record.status == "restarting",
        "OOMKilled": record.out_of_memory,
        "Dead": record.status == "dead",
        "Pid": record.pid if look.up else 0,
        "ExitCode": record.exit_status,
        "Error": record.error,
        "StartedAt": record.started or NEVER,
        "FinishedAt": record.finished or NEVER,
    }
    if look.health is not None:
        state["Health"] = look.health
    return state


def _directories(store: Store, record: ContainerRecord, place: Path) -> dict[str, str]:
    return {
        "LowerDir": lower_directories(store, record.layers),
        "UpperDir": str(place / "upper"),
        "WorkDir": str(place / "work"),
        "MergedDir": str(place / "merged"),
    }


def _mount(mount: Mount) -> dict[str, Any]:
    kind: dict[str, Any] = {"Type": "bind"}
    if mount.volume:
        kind = {"Type": "volume", "Name": mount.volume, "Driver": "local"}
    return {
        **kind,
        "Source": str(mount.source or ""),
        "Destination": mount.target,
        "Mode": mount_mode(mount),
        "RW": not mount.read_only,
        "Propagation": "" if mount.volume else mount.propagation,
    }


# Config


def _config(store: Store, look: Seen) -> dict[str, Any]:
    record, settings = look.record, look.settings
    try:
        image = raw_config(store.blobs.read(record.image_id))
    except EngineError:
        image = raw_config(b"{}")
    entrypoint, command = _split(record.command, image["Entrypoint"])
    volumes: dict[str, Any] = {each.target: {} for each in settings.mounts if each.anonymous}
    found = {
        **image,
        "Hostname": settings.hostname,
        "Domainname": settings.domainname,
        "User": settings.process.user,
        "AttachStdin": settings.stdin_once,
        "Tty": settings.process.terminal,
        "OpenStdin": settings.stdin,
        "StdinOnce": settings.stdin_once,
        "Env": list(settings.process.env),
        "Cmd": command,
        "Image": record.image,
        "Volumes": {**(image["Volumes"] or {}), **volumes} or None,
        "WorkingDir": "" if settings.process.cwd == "/" else settings.process.cwd,
        "Entrypoint": entrypoint,
        "Labels": {**(image["Labels"] or {}), **record.labels},
    }
    optional: dict[str, Any] = {
        "ExposedPorts": {each: {} for each in look.exposed},
        "Healthcheck": _healthcheck(settings.health),
        "StopSignal": settings.stop_signal,
        "StopTimeout": settings.stop_timeout,
    }
    for name, value in optional.items():
        found.pop(name, None)
        if value or (name == "StopTimeout" and value is not None):
            found[name] = value
    return found


def _split(
    args: Iterable[str], entrypoint: list[str] | None
) -> tuple[list[str] | None, list[str] | None]:
    """Entry point and command: what begins with the image's entry point has it."""
    words, first = list(args), list(entrypoint or ())
    if first and words[: len(first)] == first:
        return first, words[len(first) :] or None
    return None, words


def _healthcheck(health: Health) -> dict[str, Any] | None:
    if not health.test:
        return None
    found: dict[str, Any] = {"Test": list(health.test)}
    defaults = Health()
    for name in ("interval", "timeout", "start_period", "start_interval"):
        if (value := getattr(health, name)) != getattr(defaults, name):
            found["".join(word.title() for word in name.split("_"))] = round(value * 1e9)
    if health.retries != defaults.retries:
        found["Retries"] = health.retries
    return found


# NetworkSettings

_NO_ADDRESS: dict[str, Any] = {
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "MacAddress": "",
}


def _network_settings(store: Store, look: Seen) -> dict[str, Any]:
    networks = _networks(store, look)
    # Docker repeats here what the container has in the default network.
    default = networks.get("bridge", {})
    known = ("EndpointID", *_NO_ADDRESS)
    return {
        "Bridge": "",
        "SandboxID": look.record.id if look.up else "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": _ports(look),
        "SandboxKey": f"/proc/{look.record.pid}/ns/net" if look.up else "",
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **{key: default.get(key, _NO_ADDRESS.get(key, "")) for key in known},
        "Networks": networks,
    }


def _ports(look: Seen) -> dict[str, list[dict[str, str]] | None]:
    if not look.up or not is_bridged(look.mode):
        return {}
    found: dict[str, list[dict[str, str]] | None] = dict.fromkeys(look.exposed)
    for each in look.ports:
        key = f"{each.container_port}/{each.protocol}"
        found[key] = [*(found.get(key) or ()), _published(each)]
    return found


def _published(port: Port) -> dict[str, str]:
    return {"HostIp": port.host_ip, "HostPort": str(port.host_port)}


def _networks(store: Store, look: Seen) -> dict[str, dict[str, Any]]:
    """By name: those that the container is in, or will be in when it runs."""
    asked = {each.network: each for each in look.settings.network.attachments}
    if look.member is not None:
        return {
            each.network_name: _joined(each, asked.get(each.network_name))
            for each in look.member.endpoints
        }
    ids = {each.name: each.id for each in _known(store)} if asked else {}
    return {name: _absent(ids.get(name, ""), asked.get(name)) for name in look.networks}


def _known(store: Store) -> Iterable[Any]:
    try:
        return State(store.root).networks()
    except EngineError:
        return ()  # a damaged store can still be inspected


def _absent(identity: str, asked: Attachment | None) -> dict[str, Any]:
    return {
        "IPAMConfig": _wanted(asked),
        "Links": None,
        "Aliases": list(asked.aliases) or None if asked else None,
        "NetworkID": identity,
        "EndpointID": "",
        **_NO_ADDRESS,
        "DriverOpts": None,
    }


def _joined(end: Endpoint, asked: Attachment | None) -> dict[str, Any]:
    return {
        **_absent(end.network, asked),
        "Aliases": list(end.aliases) or None,
        "EndpointID": end.id,
        "Gateway": end.gateway,
        "IPAddress": end.ip,
        "IPPrefixLen": end.prefix,
        "IPv6Gateway": end.gateway6,
        "GlobalIPv6Address": end.ip6,
        "GlobalIPv6PrefixLen": end.prefix6,
        "MacAddress": end.mac,
    }


def _wanted(asked: Attachment | None) -> dict[str, str] | None:
    if asked is None or not (asked.ip or asked.ip6):
        return None
    found = {"IPv4Address": asked.ip, "IPv6Address": asked.ip6}
    return {key: value for key, value in found.items() if value}
