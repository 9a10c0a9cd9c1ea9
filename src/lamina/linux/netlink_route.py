"""Links, addresses and routes as netlink messages (rtnetlink(7)); what dumps say of them."""

from __future__ import annotations

import _socket
import struct
from collections.abc import Sequence

import msgspec

from lamina.linux.netlink import (
    CREATE,
    EXCL,
    Message,
    Netlink,
    attribute,
    attributes,
    nested,
    text,
)

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _GETADDR = 20, 22
_NEWROUTE, _GETROUTE = 24, 26
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER = 1, 3, 4, 10
_IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_GROUP, _IFLA_NET_NS_FD = 18, 20, 27, 28
_KIND, _DATA, _SLAVE_KIND, _SLAVE_DATA, _PEER = 1, 2, 4, 5, 1
_BRPORT_MODE, _BRPORT_ISOLATED = 4, 33
_UP = 1
_NO_DAD = 0x02
_MAIN = 254
_STATIC = 4
_UNIVERSE, _UNICAST = 0, 1


class Link(msgspec.Struct, frozen=True):
    """A network interface."""

    index: int
    name: str
    up: bool
    master: int
    alias: str
    kind: str
    address: str


def number(value: int) -> bytes:
    """A 32-bit number as the kernel has it here."""
    return struct.pack("=I", value)


def hardware(address: str) -> bytes:
    """The six bytes of `02:42:ac:11:00:02`."""
    return bytes.fromhex(address.replace(":", ""))


def family(packed: bytes) -> int:
    """Of an address of 4 or 16 bytes."""
    return _socket.AF_INET if len(packed) == 4 else _socket.AF_INET6


def new_bridge(name: str, *, mtu: int = 0, mac: str = "") -> Message:
    """Make a bridge, down.  EEXIST when there is a link of that name."""
    parts = [text(_IFLA_IFNAME, name), nested(_IFLA_LINKINFO, text(_KIND, "bridge"))]
    if mtu:
        parts.append(attribute(_IFLA_MTU, number(mtu)))
    if mac:
        parts.append(attribute(_IFLA_ADDRESS, hardware(mac)))
    return Message(_NEWLINK, CREATE | EXCL, _link() + b"".join(parts))


def set_alias(index: int, alias: str) -> Message:
    """Say in `ip link` whose a link is."""
    return Message(_NEWLINK, 0, _link(index) + text(_IFLA_IFALIAS, alias))


def new_veth(name: str, *, master: int, mtu: int, peer: str, mac: str, namespace: int) -> Message:
    """Make a pair: `name`, up, here in the bridge `master`; `peer`, down, in the namespace
    that is open as `namespace`."""
    mtus = attribute(_IFLA_MTU, number(mtu)) if mtu else b""
    there = (
        _link()
        + text(_IFLA_IFNAME, peer)
        + attribute(_IFLA_ADDRESS, hardware(mac))
        + attribute(_IFLA_NET_NS_FD, number(namespace))
        + mtus
    )
    info = nested(_IFLA_LINKINFO, text(_KIND, "veth"), nested(_DATA, attribute(_PEER, there)))
    body = _link(up=True) + text(_IFLA_IFNAME, name) + mtus + info
    return Message(_NEWLINK, CREATE | EXCL, body + attribute(_IFLA_MASTER, number(master)))


def bridge_port(name: str, *, hairpin: bool, isolated: bool) -> Message:
    """How a link behaves as a port of its bridge: whether it gets back what it sent, and
    whether it is kept from other isolated ports."""
    options = attribute(_BRPORT_MODE, bytes([hairpin]))
    options += attribute(_BRPORT_ISOLATED, bytes([isolated]))
    info = nested(_IFLA_LINKINFO, text(_SLAVE_KIND, "bridge"), nested(_SLAVE_DATA, options))
    return Message(_NEWLINK, 0, _link() + text(_IFLA_IFNAME, name) + info)


def set_up(index: int) -> Message:
    return Message(_NEWLINK, 0, _link(index, up=True))


def delete_link(index: int) -> Message:
    """Take a link away, and its peer if it has one."""
    return Message(_DELLINK, 0, _link(index))


def delete_links(indexes: Sequence[int], group: int) -> list[Message]:
    """Take several links away at once: the kernel waits for all processors each time.

    `group` is a number that no other link is in, not 0.
    """
    mark = attribute(_IFLA_GROUP, number(group))
    marked = [Message(_NEWLINK, 0, _link(each) + mark) for each in indexes]
    return [*marked, Message(_DELLINK, 0, _link() + mark)]


def new_address(index: int, address: bytes, prefix: int) -> Message:
    """Give a link an address, usable at once (no search for duplicates)."""
    flags = _NO_DAD if len(address) == 16 else 0
    body = _ADDRESS.pack(family(address), prefix, flags, _UNIVERSE, index)
    body += attribute(1, address) + attribute(2, address)
    if len(address) == 4:
        mask = (1 << (32 - prefix)) - 1
        broadcast = int.from_bytes(address) | mask
        body += attribute(4, broadcast.to_bytes(4))
    return Message(_NEWADDR, CREATE | EXCL, body)


def default_route(index: int, gateway: bytes) -> Message:
    """Everything that has no other route goes by `gateway`."""
    body = _ROUTE.pack(
        *(family(gateway), 0, 0, 0, _MAIN, _STATIC, _UNIVERSE, _UNICAST, 0),
    )
    body += attribute(5, gateway) + attribute(4, number(index))
    return Message(_NEWROUTE, CREATE | EXCL, body)


def links(netlink: Netlink) -> list[Link]:
    """All links of the socket's namespace."""
    return [_read_link(body) for body in netlink.dump(Message(_GETLINK, 0, _link()))]


def find_link(netlink: Netlink, name: str) -> Link | None:
    """The link of that name; None when there is none."""
    try:
        body = netlink.get(Message(_GETLINK, 0, _link() + text(_IFLA_IFNAME, name)))
    except OSError as error:
        if error.errno == 19:  # ENODEV
            return None
        raise
    return _read_link(body)


def addresses(netlink: Netlink) -> list[tuple[int, bytes, int]]:
    """Index of the link, address and length of its prefix, of all links."""
    found = []
    for body in netlink.dump(Message(_GETADDR, 0, _ADDRESS.pack(0, 0, 0, 0, 0))):
        _, prefix, _, _, index = _ADDRESS.unpack_from(body)
        values = attributes(body[_ADDRESS.size :])
        if address := values.get(2, values.get(1)):
            found.append((index, address, prefix))
    return found


def routes(netlink: Netlink) -> list[tuple[bytes, int, int]]:
    """Destination (empty for all), length of its prefix and index of the link, of every
    unicast route of the main table."""
    found = []
    for body in netlink.dump(Message(_GETROUTE, 0, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0))):
        _, prefix, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
        values = attributes(body[_ROUTE.size :])
        if table == _MAIN and kind == _UNICAST:
            (index,) = struct.unpack("=I", values.get(4, bytes(4)))
            found.append((values.get(1, b""), prefix, index))
    return found


def _link(index: int = 0, *, up: bool = False) -> bytes:
    return _LINK.pack(0, 0, index, _UP if up else 0, _UP if up else 0)


def _read_link(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    values = attributes(body[_LINK.size :])
    info = attributes(values.get(_IFLA_LINKINFO, b""))
    return Link(
        index,
        _text(values.get(_IFLA_IFNAME, b"")),
        bool(flags & _UP),
        int.from_bytes(values.get(_IFLA_MASTER, b""), "little"),
        _text(values.get(_IFLA_IFALIAS, b"")),
        _text(info.get(_KIND, b"")),
        ":".join(f"{byte:02x}" for byte in values.get(_IFLA_ADDRESS, b"")),
    )


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode(errors="surrogateescape")
