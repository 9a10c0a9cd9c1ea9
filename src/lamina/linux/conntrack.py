"""Connections that the kernel has in mind (ctnetlink), as far as they must be forgotten.

A datagram has no connection of its own: the kernel makes one up, and decides with the first
packet alone where all that follow go.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable

from lamina.linux.netfilter import IPV4, IPV6
from lamina.linux.netlink import Message, Netlink, attribute, attributes, nested

UDP = 17
_SUBSYSTEM = 1 << 8
_GET, _DELETE = 1, 2
_ORIGINAL, _ZONE, _FILTER = 1, 18, 25
_IP, _PROTOCOL = 1, 2
_DESTINATIONS = (2, 4)
"""Of version 4 and of version 6."""
_NUMBER, _TO_PORT = 1, 3
_BY_PROTOCOL, _BY_PORT = 1 << 3, 1 << 5


def forget_datagrams(netlink: Netlink, port: int, is_meant: Callable[[bytes], bool]) -> int:
    """Forget where datagrams to a port go, of those to addresses (packed) that are meant.

    `netlink` is a socket for the packet filter.  Returns how many flows there were.  Raises
    OSError where this kernel does not tell.
    """
    forgotten = 0
    for family in (IPV4, IPV6):
        for body in netlink.dump(_message(family, _GET, _wanted(port))):
            values = attributes(body[4:])
            original = values.get(_ORIGINAL, b"")
            # A kernel before 5.8 tells of all, whatever is wanted.
            if _goes_to(original, port, is_meant):
                zone = attribute(_ZONE, values[_ZONE]) if _ZONE in values else b""
                forgotten += _delete(netlink, family, nested(_ORIGINAL, original) + zone)
    return forgotten


def _wanted(port: int) -> bytes:
    protocol = nested(
        _PROTOCOL, attribute(_NUMBER, bytes([UDP])), attribute(_TO_PORT, struct.pack("!H", port))
    )
    by = attribute(1, struct.pack("=I", _BY_PROTOCOL | _BY_PORT)) + attribute(2, bytes(4))
    return nested(_ORIGINAL, protocol) + nested(_FILTER, by)


def _goes_to(original: bytes, port: int, is_meant: Callable[[bytes], bool]) -> bool:
    parts = attributes(original)
    protocol = attributes(parts.get(_PROTOCOL, b""))
    if protocol.get(_NUMBER) != bytes([UDP]) or protocol.get(_TO_PORT) != struct.pack("!H", port):
        return False
    addresses = attributes(parts.get(_IP, b""))
    return any(is_meant(addresses[each]) for each in _DESTINATIONS if each in addresses)


def _delete(netlink: Netlink, family: int, which: bytes) -> bool:
    try:
        netlink.ask(_message(family, _DELETE, which))
    except OSError as error:
        if error.errno != errno.ENOENT:  # it has just run out
            raise
        return False
    return True


def _message(family: int, kind: int, body: bytes) -> Message:
    return Message(_SUBSYSTEM | kind, 0, bytes([family, 0, 0, 0]) + body)
