"""What may go wrong with networks, in Docker's words where it has some."""

from __future__ import annotations

from lamina.errors import Conflict, Denied, Exists, Invalid, NotFound, Unavailable, Unsupported


class BadNetwork(Invalid):
    """What is asked of a network cannot be so."""


class NetworkNotFound(NotFound):
    """No network goes by that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"network {name} not found", hint="lamina network ls   (to see them)")


class NetworkExists(Exists):
    """A network of that name is there."""

    def __init__(self, name: str) -> None:
        super().__init__(f"network with name {name} already exists")


class NetworkInUse(Conflict):
    """Containers are in the network."""

    def __init__(self, name: str, containers: list[str]) -> None:
        super().__init__(
            f"network {name} has active endpoints: {', '.join(containers)}",
            hint="stop these containers, or: lamina network disconnect",
        )


class Predefined(Denied):
    """bridge, host and none are always there."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is a pre-defined network and cannot be removed")


class AddressTaken(Conflict):
    """Another container, or the gateway, has the address."""

    def __init__(self, address: str) -> None:
        super().__init__(f"address {address} is already in use in its network")


class NoAddressLeft(Unavailable):
    """All addresses of the network are in use."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no address is left in network {name}")


class SubnetTaken(Conflict):
    """The host has a route into the subnet."""

    def __init__(self, subnet: str, other: str) -> None:
        super().__init__(
            f"subnet {subnet} overlaps with {other}, which this host has a route to",
            hint="choose another one: lamina network create --subnet …",
        )


class NoSubnetLeft(Unavailable):
    """Every subnet that Lamina would choose overlaps with one of this host's."""

    def __init__(self) -> None:
        super().__init__(
            "all subnets that networks are made of overlap with networks of this host",
            hint="choose one: lamina network create --subnet …",
        )


class PortTaken(Conflict):
    """Another container, or a program of the host, has the port."""

    def __init__(self, address: str, port: str) -> None:
        shown = f"[{address}]" if ":" in address else address
        super().__init__(
            f"Bind for {shown}:{port} failed: port is already allocated",
            hint="publish another port: -p HOST:CONTAINER",
        )


class PrivilegedPort(Denied):
    """The user may not listen there."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"cannot expose privileged port {port}",
            hint=f"publish one from 1024 on, or: sysctl net.ipv4.ip_unprivileged_port_start={port}",
        )


class NotConnected(NotFound):
    """The container is not in the network."""

    def __init__(self, container: str, network: str) -> None:
        super().__init__(f"container {container} is not connected to network {network}")


class AlreadyConnected(Exists):
    """The container is in the network."""

    def __init__(self, container: str, network: str) -> None:
        super().__init__(f"container {container} is already connected to network {network}")


EACH_ITS_OWN = "an ordinary user's containers have a network each of their own"


class NoNetworks(Unsupported):
    """This kernel, or whoever confines us, does not let us make networks."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"cannot {what}: {why}", hint="run with --network host or --network none")
