"""`lamina network create`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App, timestamp
from lamina.cli.format import emit
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.network.state import Network


class BadNetworkField(Invalid):
    """An option of `network create` makes no sense."""


@click.command(epilog="Example: lamina network create --subnet 10.1.0.0/24 --ipv6 lan")
@click.argument("name", metavar="NETWORK")
@click.option("-d", "--driver", default="bridge", show_default=True, help="Only bridge is there.")
@click.option("--subnet", multiple=True, metavar="SUBNET", help="Its addresses: 10.1.0.0/24.")
@click.option("--gateway", multiple=True, metavar="ADDRESS", help="The host's address in it.")
@click.option("--ip-range", multiple=True, metavar="SUBNET", help="Which of them containers get.")
@click.option(
    "--aux-address", multiple=True, metavar="NAME=ADDRESS", help="Which of them nobody gets."
)
@click.option("--ipv6", is_flag=True, help="With IPv6; without a subnet one is found (fd00::/8).")
@click.option("--internal", is_flag=True, help="Without a way out of it.")
@click.option("--label", multiple=True, metavar="NAME[=VALUE]", help="Label it.")
@click.option(
    "-o",
    "--opt",
    multiple=True,
    metavar="NAME=VALUE",
    help="com.docker.network.bridge.name, …enable_icc, …enable_ip_masquerade,"
    " …host_binding_ipv4, com.docker.network.driver.mtu.",
)
@click.option("--attachable", is_flag=True, hidden=True)
@click.option("--scope", hidden=True)
@click.option("--ipam-driver", default="default", hidden=True)
@click.option("--ipam-opt", multiple=True, hidden=True)
@click.pass_obj
def create(app: App, /, name: str, **options: Any) -> None:
    """Make a network and print its id.

    Containers in it find each other by name, and reach others by published ports alone.
    """
    from lamina.network.manage import create as create_network

    if options["driver"] != "bridge":
        raise BadNetworkField(
            f"no network driver {options['driver']!r}", hint="bridge is what there is"
        )
    network = create_network(
        app.engine.store.root,
        name,
        now=timestamp(),
        subnets=options["subnet"],
        gateways=options["gateway"],
        ranges=options["ip_range"],
        auxiliary=pairs(options["aux_address"], "--aux-address"),
        ipv6=options["ipv6"],
        internal=options["internal"],
        attachable=options["attachable"],
        labels={key: value for key, _, value in (x.partition("=") for x in options["label"])},
        options=pairs(options["opt"], "--opt"),
    )
    tell(app, "create", network)
    emit(network.id)


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """`NAME=VALUE` by name.  Raises BadNetworkField."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise BadNetworkField(f"not NAME=VALUE: {option} {text}")
        found[name] = value
    return found


def tell(app: App, action: str, network: Network, **attributes: str) -> None:
    """Note what happened to a network."""
    about = {"name": network.name, "type": "bridge", **attributes}
    app.engine.store.events.append("network", action, network.id, about, timestamp())
