"""A container's network, opened before it starts and closed after it has ended.

`open_sandbox` is called by the process whose end ends the container (its watcher).  That
process keeps `Sandbox.holders` and the sockets of `Sandbox.names` open as long as the
container runs; the namespace itself is kept by the container.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lamina.linux.netns import in_new_network, owns_network
from lamina.network import addresses, inside, ports, resolver, userspace
from lamina.network.errors import EACH_ITS_OWN, NoNetworks
from lamina.network.host import Host
from lamina.network.inside import Inside
from lamina.network.networks import default_network, find_network
from lamina.network.request import DEFAULT, Attachment, NetworkRequest, PortBinding
from lamina.network.resolv_conf import asked, host_resolver
from lamina.network.state import (
    Endpoint,
    Member,
    Network,
    State,
    boot_id,
    is_alive,
    started,
)
from lamina.network.traces import has_members, is_member
from lamina.network.wanted import bindings

_HIGH = 16


class Names(msgspec.Struct, frozen=True):
    """What `lamina.supervise.names` needs to answer a container's questions."""

    udp: int
    """Sockets in the container's namespace, bound to 127.0.0.11."""
    tcp: int
    directory: str
    """Where members' files are: `networks/members`."""
    container: str
    servers: tuple[str, ...]
    """Whom to ask what is nobody's name here; empty in internal networks."""


class Relay(msgspec.Struct, frozen=True):
    """What `lamina.supervise.relay` needs to carry what the kernel does not redirect."""

    listeners: tuple[tuple[int, int], ...]
    """Descriptors that listen, and the container's ports that they stand for."""
    directory: str
    container: str


class Sandbox(msgspec.Struct, frozen=True):
    """A container's network, ready to be joined."""

    namespace: int
    """The network namespace, open; close it when the container has joined it."""
    hosts: tuple[str, ...] = ()
    """The container's own lines for /etc/hosts: an address, a tab, its host name."""
    resolv_conf: str = ""
    names: Names | None = None
    relay: Relay | None = None
    holders: tuple[int, ...] = ()
    """Sockets that hold the published ports: open as long as the container runs."""
    member: Member | None = None
    """As it was allocated: addresses, ports."""

    @property
    def path(self) -> str:
        """The namespace, for a child of this process to join."""
        return f"/proc/self/fd/{self.namespace}"

    @property
    def kept(self) -> tuple[int, ...]:
        """The descriptors that the watcher keeps as long as the container runs."""
        names = (self.names.udp, self.names.tcp) if self.names else ()
        relayed = (fd for fd, _ in self.relay.listeners) if self.relay else ()
        return (*self.holders, *names, *relayed)

    def survive(self) -> None:
        """Let what is kept outlive an exec of this process.  The numbers are over 15."""
        for fd in self.kept:
            os.set_inheritable(fd, True)

    def close(self) -> None:
        """Close all descriptors, for a container that did not start."""
        for fd in (self.namespace, *self.kept):
            try:
                os.close(fd)
            except OSError:
                continue  # it was closed already


def open_sandbox(
    root: Path,
    request: NetworkRequest,
    *,
    container: str,
    name: str,
    hostname: str,
    exposed: Sequence[str] = (),
    now: str,
    pid: int = 0,
    owner: int = -1,
) -> Sandbox:
    """Make the network of a container that is about to start.

    `exposed` are the ports of the image and of `--expose`, for `-P`; `pid` is the watcher,
    this process by default; `now` dates the default network, if it is made here.  `owner` is
    the user namespace that the network is to belong to (a descriptor), if not ours.  Modes
    `host`, `none` and `container:` need no sandbox and are not for here.

    Raises NetworkNotFound, BadNetwork, AddressTaken, PortTaken, NoNetworks and what
    else network/errors.py has; nothing stays then.
    """
    state = State(root)
    host = host_resolver()
    if not owns_network():
        return _carried(state, request, host, container, name, hostname, exposed, pid, owner)
    asks = any(each.network != DEFAULT for each in request.attachments)
    # A resolver on this host's loopback is asked by the watcher, who reaches it.
    names = asks or not (request.dns or resolver.reachable(host.servers))
    namespace, furnished = _new_namespace(owner, names=names, six=_has_six(state, request))
    try:
        member = Member(*(container, name, hostname, pid or os.getpid(), 0, boot_id()), names=names)
        member = replace(member, pid_started=started(member.pid))
        with state.lock(), Host(state) as links:
            reclaim(state, links, container)
            default_network(state, links, request.attachments, now)
            member, held = _enter(state, links, member, request, exposed, namespace, furnished)
        return _sandbox(state, request, host, member, held, namespace, furnished)
    except BaseException:
        os.close(namespace)
        furnished.close()
        raise


def close_sandbox(root: Path, container: str) -> None:
    """Take away what `open_sandbox` made on the host; nothing happens when that is done."""
    if not is_member(str(root), container):
        return
    state = State(root)
    with state.lock(), Host(state) as host:
        member = state.member(container)
        if member is None:
            state.drop_member(container)
        else:
            _leave(state, host, member)


def reconcile(root: Path) -> None:
    """Take away what containers left whose watcher was killed, or which a reboot ended."""
    if not has_members(str(root)):
        return
    state = State(root)
    boot = boot_id()
    if all(is_alive(each, boot) for each in state.members()):
        return
    with state.lock(), Host(state) as host:
        reclaim(state, host, "")


def rename(root: Path, container: str, name: str) -> None:
    """Let a running container be found by another name in its networks."""
    state = State(root)
    if state.member(container) is None:
        return
    with state.lock():
        if member := state.member(container):
            state.keep_member(replace(member, name=name))


def reclaim(state: State, host: Host, container: str) -> None:
    """Drop dead members, and what `container` had before.  The lock is held."""
    boot = boot_id()
    for each in state.members():
        if each.container == container or not is_alive(each, boot):
            _leave(state, host, each)
    state.sweep()


# opening


def _new_namespace(owner: int, *, names: bool, six: bool) -> tuple[int, Inside]:
    try:
        return in_new_network(inside.furnish(names=names, six=six), owner)
    except OSError as error:
        raise NoNetworks("make a network namespace", error.strerror or "") from None


def _carried(
    state: State,
    request: NetworkRequest,
    host: resolver.Resolver,
    container: str,
    name: str,
    hostname: str,
    exposed: Sequence[str],
    pid: int,
    owner: int,
) -> Sandbox:
    """The network of a container that a program carries, since we may not change the host's."""
    for each in request.attachments:
        if each.network != DEFAULT:
            find_network(state, each.network)
        if each.network != DEFAULT or each.ip or each.ip6:
            raise NoNetworks(f"connect to network {each.network}", EACH_ITS_OWN)
    namespace, furnished = _new_namespace(owner, names=False, six=True)
    furnished.close()
    try:
        wanted = bindings(request, exposed)
        # They are only looked for: the program takes them itself.
        held = ports.hold(wanted, default="", four=True, six=False)
        held.close()
        with state.lock():
            carried = userspace.carry(namespace, held.ports, state.directory)
            watcher = pid or os.getpid()
            member = Member(
                *(container, name, hostname, watcher, started(watcher), boot_id()),
                ports=tuple(held.ports),
                program=carried.pid,
                program_started=carried.pid_started,
            )
            state.keep_member(member)
    except BaseException:
        os.close(namespace)
        raise
    asked = resolver.chosen(
        host, servers=request.dns, search=request.dns_search, options=request.dns_options
    )
    servers = request.dns or (*carried.servers, *resolver.reachable(asked.servers))
    return Sandbox(
        namespace=namespace,
        hosts=(f"{carried.address}\t{hostname}",) if carried.address else (),
        resolv_conf=resolver.write(replace(asked, servers=tuple(servers))),
        holders=tuple(map(_high, carried.kept)),
        member=member,
    )


def _has_six(state: State, request: NetworkRequest) -> bool:
    asked = {each.network for each in request.attachments}
    return any(
        each.ipv6
        for each in state.networks()
        if each.name in asked or any(each.id.startswith(text) for text in asked)
    )


def _enter(
    state: State,
    host: Host,
    member: Member,
    request: NetworkRequest,
    exposed: Sequence[str],
    namespace: int,
    furnished: Inside,
) -> tuple[Member, ports.Held]:
    others = state.members()
    bridges: dict[str, tuple[int, Network]] = {}
    held = ports.Held([], [], [])
    try:
        for place, each in enumerate(request.attachments):
            network = find_network(state, each.network)
            bridge, network = host.bridge(network)
            bridges[network.id] = bridge, network
            made = endpoint(network, each, [*others, member], f"eth{place}")
            member = replace(member, endpoints=(*member.endpoints, made))
        held = _hold(request, exposed, member, [network for _, network in bridges.values()])
        member = replace(member, ports=tuple(held.ports))
        state.keep_member(member)
        connect(host, member, bridges, namespace, furnished)
        active = {each.network for other in others for each in other.endpoints}
        new = [network for key, (_, network) in bridges.items() if key not in active]
        host.admit(member, new, first=not active)
        host.forget_flows(member)
    except BaseException:
        held.close()
        _leave(state, host, member, also=[network for _, network in bridges.values()])
        raise
    return member, held


def connect(
    host: Host,
    member: Member,
    bridges: dict[str, tuple[int, Network]],
    namespace: int,
    furnished: Inside,
) -> None:
    """Make the links of all endpoints of a new container."""
    four, six = default_routes(member)
    for each in member.endpoints:
        bridge, network = bridges[each.network]
        host.join(each, network, bridge, namespace)
        try:
            inside.connect(furnished.route, each, four=each is four, six=each is six)
        except OSError as error:
            raise NoNetworks(f"set up {each.interface}", error.strerror or "") from None


def default_routes(member: Member) -> tuple[Endpoint | None, Endpoint | None]:
    """By which endpoints a container reaches everything else: IPv4 and IPv6."""
    outward = [each for each in member.endpoints if not each.internal]
    four = next((each for each in outward if each.ip), None)
    return four, next((each for each in outward if each.ip6), None)


def endpoint(
    network: Network, asked: Attachment, members: Iterable[Member], interface: str
) -> Endpoint:
    """A new endpoint, with addresses that nobody has."""
    used = [
        address
        for member in members
        for each in member.endpoints
        if each.network == network.id
        for address in (each.ip, each.ip6)
    ]
    seed = os.urandom(32).hex()
    four = addresses.subnet_for(network, asked.ip, 4)
    six = addresses.subnet_for(network, asked.ip6, 6)
    ip = addresses.take_address(network, four, used, asked.ip) if four else ""
    ip6 = addresses.take_address(network, six, used, asked.ip6) if six else ""
    return Endpoint(
        network=network.id,
        network_name=network.name,
        id=seed,
        link=f"vl{seed[:12]}",
        interface=interface,
        mac=asked.mac or addresses.mac_of(ip, seed),
        ip=ip,
        prefix=addresses.parse_network(four.network).prefixlen if four else 0,
        gateway=four.gateway if four else "",
        ip6=ip6,
        prefix6=addresses.parse_network(six.network).prefixlen if six else 0,
        gateway6=six.gateway if six else "",
        aliases=asked.aliases,
        internal=network.internal,
        masquerade=network.masquerade,
    )


def _hold(
    request: NetworkRequest, exposed: Sequence[str], member: Member, networks: list[Network]
) -> ports.Held:
    wanted: tuple[PortBinding, ...] = bindings(request, exposed)
    outward = [each for each in member.endpoints if not each.internal]
    if not wanted or not outward:
        return ports.Held([], [], [])
    default = next((each.host_ip for each in networks if not each.internal), "")
    return ports.hold(
        wanted,
        default=default,
        four=any(each.ip for each in outward),
        six=any(each.ip6 for each in outward),
    )


def _sandbox(
    state: State,
    request: NetworkRequest,
    host: resolver.Resolver,
    member: Member,
    held: ports.Held,
    namespace: int,
    furnished: Inside,
) -> Sandbox:
    wanted, names = asked(request, host, own=member.names), None
    relayed = tuple((_high(each.detach()), port) for each, port in held.relayed)
    if member.names and furnished.udp is not None and furnished.tcp is not None:
        outward = any(not each.internal for each in member.endpoints)
        names = Names(
            _high(furnished.udp.detach()),
            _high(furnished.tcp.detach()),
            str(state.member_directory),
            member.container,
            wanted.servers if outward else (),
        )
        wanted = resolver.with_names(wanted)
    furnished.close()
    return Sandbox(
        namespace=namespace,
        hosts=host_lines(member),
        resolv_conf=resolver.write(wanted),
        names=names,
        relay=Relay(relayed, str(state.member_directory), member.container) if relayed else None,
        holders=tuple(_high(each.detach()) for each in held.sockets if each.fileno() >= 0),
        member=member,
    )


def _high(fd: int) -> int:
    """The descriptor under a number that no program expects for its own."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(fd)
    return moved


def host_lines(member: Member) -> tuple[str, ...]:
    """A container's own lines in its /etc/hosts: an address, a tab, its host name."""
    return tuple(
        f"{address}\t{member.hostname}"
        for each in member.endpoints
        for address in (each.ip, each.ip6)
        if address
    )


# closing


def _leave(state: State, host: Host, member: Member, also: Iterable[Network] = ()) -> None:
    """Take a member away; `also` are networks whose bridges may have been made for it."""
    if member.program:
        userspace.end(member.program, member.program_started)
        state.drop_member(member.container)
        return
    others = [each for each in state.members() if each.container != member.container]
    kept = {each.network for other in others for each in other.endpoints}
    mine = {each.network for each in member.endpoints} | {each.id for each in also}
    last = [each for each in state.networks() if each.id in mine - kept]
    if kept:
        host.dismiss(member, last)
    host.remove(member.endpoints, last)
    state.drop_member(member.container)
    if not kept:
        host.rewrite()
    host.forget_flows(member)
