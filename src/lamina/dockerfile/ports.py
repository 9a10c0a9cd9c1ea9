"""The ports of EXPOSE: `80`, `53/udp`, `8000-8003`; mappings pass, as with BuildKit.  Pure."""

from __future__ import annotations

import msgspec

from lamina.errors import Invalid

_PROTOCOLS = ("tcp", "udp", "sctp")


class BadPort(Invalid):
    """A word of EXPOSE that is no port."""

    def __init__(self, word: str) -> None:
        super().__init__(f"not a port: {word}", hint="as in 80, 53/udp, 8000-8003")


class Ports(msgspec.Struct, frozen=True):
    """One word of EXPOSE."""

    first: int
    last: int
    protocol: str
    """As it is written; tcp when it is not."""
    mapped: bool
    """Whether it names an address or a port of the host, which mean nothing here."""

    def exposed(self) -> list[str]:
        """Each port with its protocol, as a configuration has it."""
        protocol = self.protocol.lower()
        return [f"{port}/{protocol}" for port in range(self.first, self.last + 1)]


def read_ports(word: str) -> Ports:
    """Read `[address:][host port:]port[-port][/protocol]`.  Raises BadPort."""
    rest, _, ours = word.rpartition(":")
    port, _, protocol = ours.partition("/")
    span = _range(port)
    if span is None or (protocol or "tcp").lower() not in _PROTOCOLS:
        raise BadPort(word)
    address, _, host = rest.rpartition(":")
    if host:
        theirs = _range(host)
        if theirs is None or (span[0] < span[1] and theirs[1] - theirs[0] != span[1] - span[0]):
            raise BadPort(word)
    if address and not _is_address(address):
        raise BadPort(word)
    return Ports(*span, protocol or "tcp", bool(address or host))


def _range(text: str) -> tuple[int, int] | None:
    first, dash, last = text.partition("-")
    if not dash:
        last = first
    if not all(port.isascii() and port.isdecimal() and len(port) <= 5 for port in (first, last)):
        return None
    return (int(first), int(last)) if int(first) <= int(last) <= 65535 else None


def _is_address(text: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    except ValueError:
        return False
    return True
