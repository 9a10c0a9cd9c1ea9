"""The network options of `run`, read: `-p`, `--expose`, `--network`.  Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from msgspec.structs import replace

from lamina.errors import Invalid
from lamina.network.request import Attachment, NetworkRequest, PortBinding, is_bridged

PROTOCOLS = ("tcp", "udp", "sctp")
_RANGE = r"(\d+)(?:-(\d+))?"
_MAC = r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}"
_FORM = "write [ADDRESS:][HOST:]CONTAINER[/PROTOCOL], as in -p 127.0.0.1:8080:80/tcp"
_LONG = {"published", "target", "protocol", "mode"}


class BadPort(Invalid):
    """The text says no port."""


class BadNetworkOption(Invalid):
    """The text is no network, or what is asked of one cannot be so."""


def parse_publish(text: str) -> tuple[PortBinding, ...]:
    """Read `-p [ADDRESS:][HOST[-LAST]:]CONTAINER[-LAST][/PROTOCOL]`.  Raises BadPort."""
    if "=" in text:
        text = _standard(text)
    address, host, container = _split(text)
    container, protocol = _protocol(container, text)
    first, last = _range(container, f"invalid containerPort: {container}", text)
    if not host:
        return tuple(PortBinding(each, protocol, address) for each in range(first, last + 1))
    host_first, host_last = _range(host, f"invalid hostPort: {host}", text)
    if first == last and host_first != host_last:
        return (PortBinding(first, protocol, address, host_first, host_last),)
    if last - first != host_last - host_first:
        raise BadPort(
            f"invalid ranges specified for container and host Ports: {container} and {host}",
            hint="both ranges have as many ports",
        )
    return tuple(
        PortBinding(first + each, protocol, address, host_first + each)
        for each in range(last - first + 1)
    )


def parse_exposed(text: str) -> tuple[tuple[int, str], ...]:
    """Read `--expose 80[-90][/PROTOCOL]`, and what an image exposes.  Raises BadPort."""
    ports, protocol = _protocol(text, text)
    first, last = _range(ports, f"invalid port to expose: {text}", text)
    return tuple((each, protocol) for each in range(first, last + 1))


def parse_network(text: str) -> Attachment:
    """Read `--network NAME` or `name=NAME,alias=…,ip=…,ip6=…,mac-address=…`.

    Raises BadNetworkOption.
    """
    if "=" not in text.partition(",")[0] or text.startswith("container:"):
        if not text:
            raise BadNetworkOption("the network has no name")
        return Attachment(_mode(text))
    found, aliases = Attachment(""), []
    for field in text.split(","):
        key, _, value = field.partition("=")
        match key.strip().lower():
            case "name":
                found = replace(found, network=_mode(value))
            case "alias":
                aliases.append(value)
            case "ip":
                found = replace(found, ip=check_address(value, 4))
            case "ip6":
                found = replace(found, ip6=check_address(value, 6))
            case "mac-address":
                found = replace(found, mac=check_mac(value))
            case "gw-priority" | "driver-opt" | "link-local-ip":
                continue
            case _:
                raise BadNetworkOption(
                    f"unknown option {key!r} in --network {text}",
                    hint="there are: name, alias, ip, ip6, mac-address",
                )
    if not found.network:
        raise BadNetworkOption(f"--network {text} has no name", hint="name=NETWORK,alias=…")
    return replace(found, aliases=tuple(aliases))


def network_request(
    networks: Sequence[Attachment], first: Attachment, rest: NetworkRequest
) -> NetworkRequest:
    """One request: the networks, what `--ip` and the like say of the first, and the rest.

    Raises BadNetworkOption where Docker would refuse it.
    """
    mode = networks[0].network if networks else ""
    if not is_bridged(mode):
        _refuse_for(mode, networks, first, rest)
        return replace(rest, mode=mode)
    main = networks[0] if networks else Attachment("")
    names = [each.network or "bridge" for each in networks]
    for name in names:
        if names.count(name) > 1:
            raise BadNetworkOption(f"network {name!r} is specified multiple times")
        if len(names) > 1 and not is_bridged(name):
            raise BadNetworkOption(f"network {name!r} goes with no other")
    aliases = (*main.aliases, *first.aliases)
    request = replace(
        rest,
        mode=main.network,
        aliases=aliases,
        ip=main.ip or first.ip,
        ip6=main.ip6 or first.ip6,
        mac=main.mac or first.mac,
        further=tuple(networks[1:]),
    )
    for each in request.attachments:
        check_attachment(each)
    _refuse_twice(request)
    return request


def check_attachment(attachment: Attachment) -> None:
    """Raise BadNetworkOption when something is asked that the default network has not."""
    if attachment.network != "bridge":
        return
    if attachment.aliases:
        raise BadNetworkOption(
            "network-scoped aliases are only supported for user-defined networks",
            hint="make one: lamina network create NAME",
        )
    if attachment.ip or attachment.ip6:
        raise BadNetworkOption(
            "user specified IP address is supported on user defined networks only",
            hint="make one: lamina network create --subnet 10.1.0.0/24 NAME",
        )


def check_address(text: str, version: int) -> str:
    """`text` as an address of that version.  Raises BadNetworkOption."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or address.version != version:
        raise BadNetworkOption(f"invalid IPv{version} address: {text!r}")
    return str(address)


def check_server(text: str) -> str:
    """`text` as the address of a server of names.  Raises BadNetworkOption."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise BadNetworkOption(f"{text} is not an ip address", hint="--dns 192.0.2.53") from None


def check_mac(text: str) -> str:
    """`text` as a hardware address that a link can have.  Raises BadNetworkOption."""
    if not re.fullmatch(_MAC, text):
        raise BadNetworkOption(
            f"{text!r} is not a valid mac address", hint="write it as 02:42:ac:11:00:02"
        )
    if int(text[:2], 16) & 1 or not int(text.replace(":", "").replace("-", ""), 16):
        raise BadNetworkOption(f"{text!r} is the mac address of a group, not of a container")
    return text.lower().replace("-", ":")


def _refuse_twice(request: NetworkRequest) -> None:
    seen: set[tuple[str, str, int]] = set()
    for each in request.publish:
        place = (each.protocol, each.host_ip, each.host_port)
        if each.host_port and not each.host_last and place in seen:
            raise BadPort(
                f"port {each.host_port}/{each.protocol} of the host is published twice",
                hint="a port leads to one port of the container",
            )
        seen.add(place)


def _mode(text: str) -> str:
    if text.startswith("container:") and text == "container:":
        raise BadNetworkOption(
            "invalid container format container:<name|id>", hint="--network container:NAME"
        )
    return "bridge" if text == "default" else text


def _refuse_for(
    mode: str, networks: Sequence[Attachment], first: Attachment, rest: NetworkRequest
) -> None:
    container = mode.startswith("container:")
    shown = "container" if container else mode
    if len(networks) > 1:
        raise BadNetworkOption(f"--network {mode} goes with no other network")
    if first.aliases or networks[0].aliases:
        raise BadNetworkOption(f"--network-alias goes with networks that have names, not {shown}")
    if first.ip or first.ip6:
        raise BadNetworkOption(f"--ip and --ip6 go with user-defined networks, not {shown}")
    if container:
        for given, what in (
            (rest.publish or rest.publish_all, "port publishing"),
            (rest.dns or rest.dns_search or rest.dns_options, "dns"),
            (first.mac, "mac-address"),
        ):
            if given:
                raise BadNetworkOption(
                    f"conflicting options: {what} and the container type network mode"
                )


def _standard(text: str) -> str:
    fields = dict(each.partition("=")[::2] for each in text.split(","))
    if unknown := set(fields) - _LONG:
        raise BadPort(f"unknown option {min(unknown)!r} in -p {text}", hint=_FORM)
    if not fields.get("target"):
        raise BadPort(f"no target in -p {text}", hint="published=8080,target=80")
    host = fields.get("published", "")
    return f"{host + ':' if host else ''}{fields['target']}/{fields.get('protocol', 'tcp')}"


def _split(text: str) -> tuple[str, str, str]:
    """Address, port of the host, port of the container."""
    rest, _, container = text.rpartition(":")
    address, _, host = rest.rpartition(":")
    if not container:
        raise BadPort(f"no port specified: {text}<empty>", hint=_FORM)
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address:
        try:
            address = str(ipaddress.ip_address(address))
        except ValueError:
            raise BadPort(f"invalid IP address: {address}", hint=_FORM) from None
    return address, host, container


def _protocol(text: str, whole: str) -> tuple[str, str]:
    ports, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash and protocol else "tcp"
    if protocol not in PROTOCOLS:
        raise BadPort(f"invalid proto: {protocol}", hint=f"tcp, udp or sctp, as in {ports}/udp")
    if not ports:
        raise BadPort(f"no port specified: {whole}<empty>", hint=_FORM)
    return ports, protocol


def _range(text: str, problem: str, whole: str) -> tuple[int, int]:
    match = re.fullmatch(_RANGE, text)
    if match is None:
        raise BadPort(problem, hint=_FORM)
    first = int(match[1])
    last = int(match[2]) if match[2] else first
    if not 0 < first <= last < 1 << 16:
        raise BadPort(problem, hint="ports are from 1 to 65535, the first before the last")
    return first, last
