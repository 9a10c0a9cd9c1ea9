"""What RUN is given on `lamina build`: its network, names of hosts; secrets, agents, limits."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.build.means import Means

F = TypeVar("F", bound=Callable[..., Any])
_GRANTS = ("network.host", "security.insecure")
_HOST_GATEWAY = "host-gateway"


class BadRunOption(Invalid):
    """An option that says what RUN may use makes no sense."""


def run_options(command: F) -> F:
    """Options whose values are keyword arguments of `means` and `run_settings`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--secret",
        "secrets",
        multiple=True,
        metavar="id=ID[,src=FILE]",
        help="A secret for RUN --mount=type=secret; env=NAME takes a variable.",
    ),
    click.option(
        "--ssh",
        "agents",
        multiple=True,
        metavar="ID[=SOCKET|=KEY,…]",
        help="An agent for RUN --mount=type=ssh: default is $SSH_AUTH_SOCK.",
    ),
    click.option(
        "--network",
        type=click.Choice(["default", "host", "none"]),
        default="default",
        help="The network of RUN.",
    ),
    click.option(
        "--add-host",
        "hosts",
        multiple=True,
        metavar="NAME:ADDRESS",
        help="A line in /etc/hosts for RUN; host-gateway is this host.",
    ),
    click.option(
        "--allow",
        "grants",
        multiple=True,
        metavar="GRANT",
        help="Let RUN do more: security.insecure, network.host.",
    ),
    click.option("--shm-size", metavar="SIZE", help="The size of /dev/shm for RUN (64m)."),
    click.option(
        "--ulimit",
        "limits",
        multiple=True,
        metavar="NAME=SOFT[:HARD]",
        help="A resource limit for RUN: nofile=1024:4096.",
    ),
    click.option("-m", "--memory", metavar="SIZE", help="The memory that a RUN may use: 512m."),
    click.option(
        "--isolation",
        type=click.Choice(["auto", "chroot"]),
        default="auto",
        help="How RUN is set apart; auto: as this host can.",
    ),
)


def means(given: Mapping[str, Any]) -> Means:
    """What the options grant to RUN: contents of secrets, sockets, limits.

    An agent that is started for private keys ends with the command.  Raises BadRunOption,
    and what `cli.build_secrets` and `cli.build_agents` raise.
    """
    from lamina.build.means import Means
    from lamina.cli.run_limits import ulimits

    secrets, agents = {}, {}
    if given["secrets"]:
        from lamina.cli.build_secrets import secrets_of

        secrets = secrets_of(given["secrets"], os.environ)
    if given["agents"]:
        from lamina.cli.build_agents import agents_of

        agents = agents_of(given["agents"], os.environ)
    return Means(
        secrets,
        agents,
        _size(given["shm_size"]),
        ulimits(given["limits"]),
        _size(given["memory"]),
        given["isolation"] == "chroot",
    )


def run_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Settings` that these options say.  Raises BadRunOption."""
    grants = {grant.strip() for text in given["grants"] for grant in text.split(",")}
    if unknown := grants - set(_GRANTS):
        raise BadRunOption(
            f"nothing to allow is called {min(unknown)!r}", hint=" or ".join(_GRANTS)
        )
    return {
        "network": given["network"],
        "hosts": tuple(_host(text) for text in given["hosts"]),
        "insecure": "security.insecure" in grants,
    }


def _host(text: str) -> str:
    """`name:address` as /etc/hosts will have it; `host-gateway` is this host."""
    import ipaddress

    name, separator, address = text.partition("=" if "=" in text else ":")
    address = address.removeprefix("[").removesuffix("]")
    if address == _HOST_GATEWAY:
        # RUN has this host's network: the host is where it is for itself.
        address = "127.0.0.1"
    try:
        ipaddress.ip_address(address)
    except ValueError:
        separator = ""
    if not separator or not name or set(name) & set(" \t\n#"):
        raise BadRunOption(f"not a host: {text!r}", hint="write name:address, e.g. db:10.0.0.5")
    return f"{name}={address}"


def _size(text: str | None) -> int:
    from lamina.plan.sizes import size_in_bytes

    return size_in_bytes(text) if text else 0
