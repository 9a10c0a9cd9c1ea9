"""`lamina port`: where a container's ports are published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.errors import Invalid, NotFound

if TYPE_CHECKING:
    from lamina.network.state import Port

_PROTOCOLS = ("tcp", "udp", "sctp")
_LARGEST = 65535


class BadPrivatePort(Invalid):
    """The text is no port of a container."""

    def __init__(self, text: str) -> None:
        super().__init__(f"Invalid port: {text}", hint="write 80 or 80/udp")


class NotPublished(NotFound):
    """The port is nowhere to be found on the host."""

    def __init__(self, port: str, name: str) -> None:
        super().__init__(
            f"no public port '{port}' published for {name}", hint=f"lamina port {name}   (all)"
        )


@click.command(epilog="Example: lamina port web 80/tcp")
@click.argument("container")
@click.argument("port", metavar="[PORT[/PROTOCOL]]", required=False)
@click.pass_obj
def command(app: App, container: str, port: str | None) -> None:
    """Show where the ports of a running container are published, or one of them."""
    from lamina.cli.format import emit
    from lamina.lifecycle.seen import seen

    store = app.containers
    look = seen(store, store.containers.find(container))
    if port is None:
        ports = sorted(look.ports, key=lambda each: (each.container_port, each.protocol))
        emit("".join(f"{each.container_port}/{each.protocol} -> {_at(each)}\n" for each in ports))
        return
    number, protocol = _parse(port)
    found = [p for p in look.ports if (p.container_port, p.protocol) == (number, protocol)]
    if not found:
        raise NotPublished(f"{number}/{protocol}" if "/" in port else port, container)
    emit("".join(f"{_at(each)}\n" for each in found))


def _parse(text: str) -> tuple[int, str]:
    number, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if not number.isdigit() or int(number) > _LARGEST or protocol not in _PROTOCOLS:
        raise BadPrivatePort(text)
    return int(number), protocol


def _at(port: Port) -> str:
    address = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    return f"{address}:{port.host_port}"
