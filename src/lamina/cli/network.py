"""`lamina network`: the networks that containers are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lamina.cli import network_connect, network_create
from lamina.cli.app import App
from lamina.cli.documents import print_documents, renderer
from lamina.cli.filters import BadFilter, flag, has_labels, parse_filters
from lamina.cli.format import emit, listing_options, render, short_id
from lamina.cli.named import for_each
from lamina.cli.pruning import Wanted, agreed, clear_host, prune_options

if TYPE_CHECKING:
    from lamina.network.state import Network, State

_COLUMNS = {"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE"}
_HEADERS = {
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
    "Subnets": "SUBNETS",
}
_WARNING = "WARNING! This will remove all custom networks not used by at least one container.\n"
_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")


@click.group(epilog="Example: lamina network create lan && lamina run --network lan IMAGE")
def command() -> None:
    """Make, list and remove networks; connect containers to them."""


def _state(app: App) -> State:
    from lamina.network.sandbox import reconcile
    from lamina.network.state import State

    root = app.engine.store.root
    reconcile(root)
    return State(root)


@command.command("ls", epilog="Example: lamina network ls --filter type=custom -q")
@listing_options
@click.pass_obj
def list_(app: App, fmt: str, quiet: bool, no_trunc: bool, filters: tuple[str, ...]) -> None:
    """List networks.

    Filters: name=TEXT, id=TEXT, driver=bridge|host|null, type=custom|builtin, scope=local,
    dangling=true|false (whether no container is in it), label=KEY[=VALUE].
    """
    from lamina.network.networks import all_networks

    wanted = parse_filters(filters, _FILTERS)
    for kind in wanted.get("type", ()):
        if kind not in {"custom", "builtin"}:
            raise BadFilter(f"type is custom or builtin, not {kind!r}")
    state = _state(app)
    used = {each.network for member in state.members() for each in member.endpoints}
    found = sorted(all_networks(state), key=lambda each: each.name)
    found = [each for each in found if _passes(each, wanted, used)]
    if quiet:
        emit("".join(f"{each.id if no_trunc else short_id(each.id)}\n" for each in found))
        return
    emit(render([_row(each, whole=no_trunc) for each in found], fmt, _COLUMNS, headers=_HEADERS))


def _passes(network: Network, wanted: dict[str, list[str]], used: set[str]) -> bool:
    from lamina.network.describe import driver
    from lamina.network.networks import PREDEFINED

    builtin = network.name in PREDEFINED
    dangling = flag("dangling", wanted.get("dangling", ()))
    return (
        any(text in network.name for text in wanted.get("name", [""]))
        and any(network.id.startswith(text) for text in wanted.get("id", [""]))
        and driver(network) in wanted.get("driver", [driver(network)])
        and ("builtin" if builtin else "custom") in wanted.get("type", ["builtin", "custom"])
        and "local" in wanted.get("scope", ["local"])
        and has_labels(network.labels, wanted.get("label", ()))
        and (dangling is None or dangling == (not builtin and network.id not in used))
    )


def _row(network: Network, *, whole: bool) -> dict[str, Any]:
    from lamina.network.describe import driver

    return {
        "ID": network.id if whole else short_id(network.id),
        "Name": network.name,
        "Driver": driver(network),
        "Scope": "local",
        "IPv6": str(network.ipv6).lower(),
        "Internal": str(network.internal).lower(),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(network.labels.items())),
        "CreatedAt": network.created,
        "Subnets": ", ".join(each.network for each in network.subnets),
    }


@command.command(epilog="Example: lamina network inspect -f '{{json .Containers}}' bridge")
@click.argument("names", metavar="NETWORK...", nargs=-1, required=True)
@click.option(
    "-f", "--format", "fmt", default="", metavar="TEMPLATE", help="json or a Go template."
)
@click.option("-v", "--verbose", is_flag=True, hidden=True)
@click.pass_obj
def inspect(app: App, names: tuple[str, ...], fmt: str, verbose: bool) -> int:
    """Show everything known of networks, as a JSON array."""
    from lamina.network.describe import describe
    from lamina.network.networks import all_networks, pick

    state = _state(app)
    networks, members = all_networks(state), state.members()
    render = renderer(fmt)
    found: list[dict[str, Any]] = []
    status = for_each(names, lambda name: found.append(describe(pick(networks, name), members)))
    print_documents(found, fmt, render)
    return status


@command.command(epilog="Example: lamina network rm lan")
@click.argument("names", metavar="NETWORK...", nargs=-1, required=True)
@click.option("-f", "--force", is_flag=True, help="Do not complain of networks that are not there.")
@click.pass_obj
def rm(app: App, names: tuple[str, ...], force: bool) -> int:
    """Remove networks."""
    from lamina.network.errors import NetworkNotFound
    from lamina.network.manage import remove

    store = app.engine.store

    def act(name: str) -> None:
        gone = remove(store.root, name)
        network_create.tell(app, "destroy", gone)
        emit(name)

    return for_each(names, act, forgive=(NetworkNotFound,) if force else ())


@command.command(epilog="Example: lamina network prune --force --filter label!=keep")
@prune_options
@click.pass_obj
def prune(app: App, force: bool, filters: tuple[str, ...]) -> None:
    """Remove all networks that no container is in."""
    from lamina.network.manage import prune as prune_networks

    state = _state(app)
    wanted = Wanted(filters)
    chosen = {each.id for each in state.networks() if wanted.fits(each.created, each.labels)}
    if not (force or agreed(_WARNING)):
        return
    clear_host()
    removed = prune_networks(state.root, network_connect.asked(app), only=chosen)
    for network in removed:
        network_create.tell(app, "destroy", network)
    if removed:
        emit("Deleted Networks:\n" + "".join(f"{each.name}\n" for each in removed) + "\n")


command.add_command(network_create.create)
command.add_command(network_connect.connect)
command.add_command(network_connect.disconnect)
