"""The network of a container, as `run` and `create` take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.cli.declared import Option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.network.request import NetworkRequest


OPTIONS = (
    Option(
        "--network",
        "--net",
        name="networks",
        multiple=True,
        metavar="NETWORK",
        help="bridge, none, host, container:NAME or a network's name; again for further ones."
        " name=NETWORK,alias=…,ip=…,ip6=…,mac-address=… asks more of one.",
    ),
    Option(
        "--network-alias",
        "--net-alias",
        name="aliases",
        multiple=True,
        metavar="NAME",
        help="A further name in the network.",
    ),
    Option("--ip", default="", metavar="ADDRESS", help="The IPv4 address: 172.30.0.5."),
    Option("--ip6", default="", metavar="ADDRESS", help="The IPv6 address."),
    Option("--mac-address", default="", metavar="ADDRESS", help="The hardware address."),
    Option(
        "-p",
        "--publish",
        multiple=True,
        metavar="[ADDRESS:][HOST:]CONTAINER[/PROTOCOL]",
        help="Let a port of the host lead to one of the container.",
    ),
    Option(
        "-P",
        "--publish-all",
        kind="flag",
        help="Publish all exposed ports to ports of the host that are free.",
    ),
    Option(
        "--expose", multiple=True, metavar="PORT[/PROTOCOL]", help="Expose ports for -P: 80-90."
    ),
    Option("--dns", multiple=True, metavar="ADDRESS", help="Whom to ask for names."),
    Option("--dns-search", multiple=True, metavar="DOMAIN", help="Where to look for names."),
    Option(
        "--dns-option",
        "--dns-opt",
        name="dns_options",
        multiple=True,
        metavar="OPTION",
        help="ndots:1.",
    ),
)


def network_request(options: dict[str, Any]) -> NetworkRequest:
    """What the options ask for.  Raises BadPort, BadNetworkOption."""
    from lamina.network.request import Attachment, NetworkRequest

    if not any(options[name] for name in _NAMES):
        return NetworkRequest()
    from lamina.network.parse import (
        check_address,
        check_mac,
        check_server,
        network_request,
        parse_network,
        parse_publish,
    )

    first = Attachment(
        "",
        options["aliases"],
        check_address(options["ip"], 4) if options["ip"] else "",
        check_address(options["ip6"], 6) if options["ip6"] else "",
        check_mac(options["mac_address"]) if options["mac_address"] else "",
    )
    rest = NetworkRequest(
        publish=tuple(each for text in options["publish"] for each in parse_publish(text)),
        publish_all=options["publish_all"],
        dns=tuple(map(check_server, options["dns"])),
        dns_search=options["dns_search"],
        dns_options=options["dns_options"],
    )
    return network_request([parse_network(each) for each in options["networks"]], first, rest)


def makes_network(names: Sequence[str]) -> bool:
    """Whether `--network NAME` of that asks for one that is made for the container, as far as
    the words tell."""
    return not any(name in ("host", "none") or name.startswith("container:") for name in names)


_NAMES = (
    *("networks", "aliases", "ip", "ip6", "mac_address", "publish", "publish_all"),
    *("dns", "dns_search", "dns_options"),
)


def exposed(options: dict[str, Any]) -> tuple[str, ...]:
    """The ports of `--expose`, `80/tcp` each.  Raises BadPort."""
    if not options["expose"]:
        return ()
    from lamina.network.parse import parse_exposed

    found = (each for text in options["expose"] for each in parse_exposed(text))
    return tuple(f"{port}/{protocol}" for port, protocol in found)
