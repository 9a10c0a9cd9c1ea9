"""nftables as netlink messages: tables, chains, sets, rules, and one transaction of them.

A rule is a list of expressions that hand values on in registers; the words here make
one expression each, in the order in which the kernel evaluates them.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable, Sequence

import msgspec

from lamina.linux.netlink import (
    CREATE,
    EXCL,
    NETFILTER,
    Message,
    Netlink,
    attribute,
    attributes,
    nested,
    text,
)

INET, IPV4, IPV6 = 1, 2, 10
PREROUTING, FORWARD, OUTPUT, POSTROUTING = 0, 2, 3, 4
RAW, DSTNAT, FILTER, SRCNAT = -300, -100, 0, 100
ACCEPT, DROP = 1, 0

_SUBSYSTEM = 10 << 8
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE = 0, 1, 2, 3, 6
_NEWSET, _NEWSETELEM, _GETSETELEM, _DELSETELEM = 9, 12, 13, 14
_BEGIN, _END = 0x10, 0x11
_MAP = 8
_LIST_ELEMENT = 1
_USERDATA, _COMMENT, _LONGEST_COMMENT = 6, 0, 254
REGISTER = 8
"""The first of sixteen registers of four bytes."""
_JUMP, _VERDICT = -3, 0
_HOST_ORDER = struct.pack("=BBI", 0, 4, 1)
"""For nft(8), which shows names of interfaces rightly only when it is told their order."""
_TYPES = {
    # what nft(8) calls them: number and bytes
    "ipv4_addr": (7, 4),
    "ipv6_addr": (8, 16),
    "inet_proto": (12, 4),
    "inet_service": (13, 4),
    "ifname": (41, 16),
}

Key = tuple[str, ...]
"""The types of the fields of a key or value: `("inet_proto", "inet_service")`."""


class Set(msgspec.Struct, frozen=True):
    """A set, or a map when it has `data`."""

    name: str
    key: Key
    data: Key = ()


class Chain(msgspec.Struct, frozen=True):
    """A chain of rules; one without a hook is jumped to."""

    name: str
    rules: tuple[bytes, ...]
    kind: str = ""
    """`filter` or `nat`, of a chain with a hook."""
    hook: int = 0
    priority: int = 0


# expressions


def _expression(name: str, *data: bytes) -> bytes:
    return nested(_LIST_ELEMENT, text(1, name), nested(2, *data))


def _big(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!i" if value < 0 else "!I", value))


def meta(key: int, register: int = REGISTER) -> bytes:
    return _expression("meta", _big(1, register), _big(2, key))


def equals(value: bytes, register: int = REGISTER, *, negated: bool = False) -> bytes:
    """Go on only when the register has (or, negated, has not) the value."""
    return _expression("cmp", _big(1, register), _big(2, negated), nested(3, attribute(1, value)))


def payload(base: int, offset: int, length: int, register: int = REGISTER) -> bytes:
    return _expression(
        "payload", _big(1, register), _big(2, base), _big(3, offset), _big(4, length)
    )


def has_bits(mask: int, register: int = REGISTER) -> bytes:
    """Go on only when the register, a number of this host, has one of these bits."""
    none, bits = struct.pack("=I", 0), struct.pack("=I", mask)
    masked = _expression(
        *("bitwise", _big(1, register), _big(2, register), _big(3, 4)),
        *(nested(4, attribute(1, bits)), nested(5, attribute(1, none))),
    )
    return masked + equals(none, register, negated=True)


def interface(*, incoming: bool, register: int = REGISTER) -> bytes:
    """The name of the interface that the packet came by, or goes by."""
    return meta(6 if incoming else 7, register)


def is_family(family: int) -> bytes:
    """Go on only with packets of IPV4 or IPV6."""
    return meta(15) + equals(bytes([family]))


def protocol(register: int = REGISTER) -> bytes:
    """The number of the transport's protocol."""
    return meta(16, register)


def is_protocol(number: int) -> bytes:
    return protocol() + equals(bytes([number]))


def source(family: int, register: int = REGISTER) -> bytes:
    return payload(1, *((12, 4) if family == IPV4 else (8, 16)), register)


def destination(family: int, register: int = REGISTER) -> bytes:
    return payload(1, *((16, 4) if family == IPV4 else (24, 16)), register)


def port(register: int = REGISTER) -> bytes:
    """The destination's port, of TCP, UDP, SCTP."""
    return payload(2, 2, 2, register)


def is_destination(address: bytes) -> bytes:
    family = IPV4 if len(address) == 4 else IPV6
    return is_family(family) + destination(family) + equals(address)


def is_port(number: int) -> bytes:
    return port() + equals(struct.pack("!H", number))


def for_this_host() -> bytes:
    """Go on only with packets to an address of this host."""
    local = struct.pack("=I", 2)  # RTN_LOCAL
    return _expression("fib", _big(1, REGISTER), _big(2, 3), _big(3, 2)) + equals(local)


def connection(key: int) -> bytes:
    return _expression("ct", _big(1, REGISTER), _big(2, key))


def is_loopback(family: int, *, source: bool) -> bytes:
    """Go on only with packets of that family whose source, or destination, is a loopback's."""
    if family == IPV4:
        return is_family(family) + payload(1, 12 if source else 16, 1) + equals(b"\x7f")
    return is_family(family) + payload(1, 8 if source else 24, 16) + equals(bytes(15) + b"\1")


def is_known() -> bytes:
    """Go on only with packets of a connection that was let through before, or belong to one."""
    return connection(0) + has_bits(2 | 4)


def was_redirected() -> bytes:
    """Go on only with packets of a connection whose destination was changed."""
    return connection(2) + has_bits(32)


def among(name: str, *, into: int | None = None, negated: bool = False) -> bytes:
    """Go on only when what begins in the first register is in a set; of a map, put its value
    into the register `into`."""
    parts = [text(1, name), _big(2, REGISTER)]
    if into is not None:
        parts.append(_big(3, into))
    if negated:
        parts.append(_big(5, 1))
    return _expression("lookup", *parts)


def verdict(code: int, chain: str = "") -> bytes:
    parts = [_big(1, code)]
    if chain:
        parts.append(text(2, chain))
    return _expression("immediate", _big(1, _VERDICT), nested(2, nested(2, *parts)))


def jump(chain: str) -> bytes:
    return verdict(_JUMP, chain)


def redirect(family: int, address: int, port: int) -> bytes:
    """Send the connection on to the address and port in these registers."""
    return _expression("nat", _big(1, 1), _big(2, family), _big(3, address), _big(5, port))


def redirect_port(family: int, port: int) -> bytes:
    """Send the connection on to another port of its address."""
    value = nested(2, attribute(1, struct.pack("!H", port)))
    chosen = _expression("immediate", _big(1, REGISTER), value)
    return chosen + _expression("nat", _big(1, 1), _big(2, family), _big(5, REGISTER))


def masquerade() -> bytes:
    """Let the connection come from this host."""
    return _expression("masq")


# messages


def new_table(name: str, *, only: bool = False, comment: str = "") -> Message:
    """Make a table, or leave it as it is; `only`: EEXIST when there is one.

    nft(8) shows the comment; one that is too long for the kernel is left out.
    """
    said = b""
    words = os.fsencode(comment) + b"\0"
    if comment and len(words) <= _LONGEST_COMMENT:
        said = attribute(_USERDATA, bytes([_COMMENT, len(words)]) + words)
    return _message(_NEWTABLE, CREATE | (EXCL if only else 0), text(1, name) + said)


def tables(netlink: Netlink) -> list[tuple[str, str]]:
    """The names of all tables (of this family), with their comments."""
    found = []
    for body in netlink.dump(_message(_GETTABLE, 0)):
        values = attributes(body[4:])
        name = os.fsdecode(values.get(1, b"").rstrip(b"\0"))
        found.append((name, _comment(values.get(_USERDATA, b""))))
    return found


def _comment(data: bytes) -> str:
    place = 0
    while place + 2 <= len(data):
        kind, length = data[place], data[place + 1]
        if kind == _COMMENT:
            return os.fsdecode(data[place + 2 : place + 2 + length].rstrip(b"\0"))
        place += 2 + length
    return ""


def delete_table(name: str) -> Message:
    """Take a table away with all that is in it; ENOENT when there is none."""
    return _message(_DELTABLE, 0, text(1, name))


def new_set(table: str, each: Set, number: int) -> Message:
    """Make a set or map; `number` tells it from others of the transaction."""
    key = [text(1, table), text(2, each.name), _big(3, _MAP if each.data else 0)]
    key += [_big(4, _type(each.key)), _big(5, _length(each.key))]
    if each.data:
        key += [_big(6, _type(each.data)), _big(7, _length(each.data))]
    if "ifname" in each.key:
        key.append(attribute(13, _HOST_ORDER))
    return _message(_NEWSET, CREATE, *key, _big(10, number))


def new_chain(table: str, chain: Chain) -> Message:
    parts = [text(1, table), text(3, chain.name)]
    if chain.kind:
        parts.append(nested(4, _big(1, chain.hook), _big(2, chain.priority)))
        parts += [_big(5, ACCEPT), text(7, chain.kind)]
    return _message(_NEWCHAIN, CREATE, *parts)


def new_rules(table: str, chain: Chain) -> list[Message]:
    return [
        _message(_NEWRULE, CREATE | 0x800, text(1, table), text(2, chain.name), nested(4, rule))
        for rule in chain.rules
    ]


def add_elements(table: str, name: str, elements: Iterable[tuple[bytes, bytes]]) -> Message:
    """Put keys, with their values in a map, into a set."""
    return _elements(_NEWSETELEM, CREATE, table, name, elements)


def delete_elements(table: str, name: str, elements: Iterable[tuple[bytes, bytes]]) -> Message:
    """Take keys out of a set; ENOENT when one is not there."""
    return _elements(_DELSETELEM, 0, table, name, elements)


def commit(netlink: Netlink, messages: Sequence[Message]) -> None:
    """Have all of it done, or nothing.  Raises OSError."""
    subsystem = struct.pack("!BBH", 0, 0, 10)
    batch = [Message(_BEGIN, 0, subsystem), *messages, Message(_END, 0, subsystem)]
    netlink.ask_whole(batch)


def has_table(netlink: Netlink, name: str) -> bool:
    try:
        netlink.get(_message(_GETTABLE, 0, text(1, name)))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def open_netfilter() -> Netlink:
    """A socket for these messages, of this thread's namespace."""
    return Netlink(NETFILTER)


def _message(kind: int, flags: int, *attributes: bytes) -> Message:
    return Message(_SUBSYSTEM | kind, flags, bytes([INET, 0, 0, 0]) + b"".join(attributes))


def _elements(
    kind: int, flags: int, table: str, name: str, elements: Iterable[tuple[bytes, bytes]]
) -> Message:
    listed = []
    for key, value in elements:
        parts = [nested(1, attribute(1, key))]
        if value:
            parts.append(nested(2, attribute(1, value)))
        listed.append(nested(_LIST_ELEMENT, *parts))
    return _message(kind, flags, text(1, table), text(2, name), nested(3, *listed))


def _type(fields: Key) -> int:
    number = 0
    for each in fields:
        number = number << 6 | _TYPES[each][0]
    return number


def _length(fields: Key) -> int:
    return sum(_TYPES[each][1] for each in fields)
