"""Networks and who is in them, on disk: `networks/` of a store.

`<id>.json` is a network, `members/<container id>.json` what a running container has of
them.  Both are sealed; the first is on disk when it is made, the second is without meaning
after a reboot.  Whoever changes any of it, or of the kernel's side of it, holds the flock
on `lock`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from lamina.errors import Corrupt
from lamina.network.traces import MEMBERS, PLACE
from lamina.sha256 import sha256
from lamina.store import sealed
from lamina.store.atomic import locked, replace_file
from lamina.store.trash import delete_tree

S = TypeVar("S", bound=msgspec.Struct)
_SUFFIX = ".json"
_BOOT = "/proc/sys/kernel/random/boot_id"


class DamagedNetwork(Corrupt):
    """A network's file is not as it was written."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the network in {path} is damaged", hint="remove the file and make the network anew"
        )


class Subnet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Addresses of a network."""

    network: str
    """`172.17.0.0/16`."""
    gateway: str
    """The bridge's own address; where a network has none of its own, the first."""
    range: str = ""
    """Where containers' addresses are taken from; empty for the whole subnet."""
    auxiliary: dict[str, str] = {}
    """Addresses that no container gets, by name."""


class Network(msgspec.Struct, frozen=True, omit_defaults=True):
    """A network of bridge and addresses."""

    id: str
    name: str
    created: str
    bridge: str
    """The name of its link on the host."""
    subnets: tuple[Subnet, ...] = ()
    chosen: bool = False
    """Whether the subnets were found and not asked for: then others may be found later,
    when the host has taken to use these."""
    ipv6: bool = False
    internal: bool = False
    icc: bool = True
    """Whether its containers reach each other."""
    masquerade: bool = True
    mtu: int = 0
    host_ip: str = ""
    """Where ports are published when nobody says; empty for everywhere."""
    labels: dict[str, str] = {}
    options: dict[str, str] = {}
    attachable: bool = False
    own_bridge: bool = True
    """Whether the bridge is ours to make and to take away."""


class Endpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """A container's end of a network."""

    network: str
    """Its id."""
    network_name: str
    id: str
    link: str
    """The link on the host's side."""
    interface: str
    """... and inside."""
    mac: str
    ip: str = ""
    prefix: int = 0
    gateway: str = ""
    ip6: str = ""
    prefix6: int = 0
    gateway6: str = ""
    aliases: tuple[str, ...] = ()
    internal: bool = False
    masquerade: bool = True


class Port(msgspec.Struct, frozen=True, omit_defaults=True):
    """A published port as it was allocated."""

    container_port: int
    protocol: str
    host_ip: str
    """`0.0.0.0`, `::` or one address."""
    host_port: int


class Member(msgspec.Struct, frozen=True, omit_defaults=True):
    """A running container's part in networks."""

    container: str
    """Its id."""
    name: str
    hostname: str
    pid: int
    """The process whose end ends the container: its watcher."""
    pid_started: int
    boot: str
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[Port, ...] = ()
    names: bool = False
    """Whether it asks for names at 127.0.0.11."""
    program: int = 0
    """The process that carries its network (userspace.py), where that is not the kernel."""
    program_started: int = 0


class State:
    """What is under `networks/`.  Reading takes no lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / PLACE
        self.member_directory = self.directory / MEMBERS

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Alone with the networks of this store."""
        self.member_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.directory / "lock"):
            yield

    def networks(self) -> list[Network]:
        """All that were made, the oldest first.  Raises DamagedNetwork."""
        found = []
        for path in _files(self.directory):
            network = _read(path, Network)
            if network is None:
                raise DamagedNetwork(path)
            found.append(network)
        return sorted(found, key=lambda each: (each.created, each.name))

    def members(self) -> list[Member]:
        """All running containers in networks, and those that a crash left; a file that cannot
        be read is nobody's."""
        found = (_read(path, Member) for path in _files(self.member_directory))
        return [each for each in found if each is not None]

    def member(self, container: str) -> Member | None:
        return _read(self.member_directory / f"{container}{_SUFFIX}", Member)

    def keep_network(self, network: Network) -> None:
        replace_file(self.directory / f"{network.id}{_SUFFIX}", sealed.seal_struct(network))

    def drop_network(self, network: Network) -> None:
        (self.directory / f"{network.id}{_SUFFIX}").unlink(missing_ok=True)

    def keep_member(self, member: Member) -> None:
        path = self.member_directory / f"{member.container}{_SUFFIX}"
        replace_file(path, sealed.seal_struct(member), durable=False)

    def drop_member(self, container: str) -> None:
        (self.member_directory / f"{container}{_SUFFIX}").unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete members' files that cannot be read.  The lock is held."""
        for path in _files(self.member_directory):
            if _read(path, Member) is None:
                if path.is_dir():
                    delete_tree(path)
                else:
                    path.unlink(missing_ok=True)


def token(root: Path) -> str:
    """Twelve hexadecimal digits that are this store's alone on this host."""
    try:
        status = os.stat(root / "oci-layout")  # written once, when the store is made
    except FileNotFoundError:
        status = os.stat(root)
    text = f"{os.path.realpath(root)}\0{status.st_dev} {status.st_ino} {status.st_mtime_ns}"
    return sha256(os.fsencode(text)).hex()[:12]


def boot_id() -> str:
    """Which boot of this machine this is."""
    with open(_BOOT, encoding="ascii") as stream:
        return stream.read().strip()


def started(pid: int) -> int:
    """When a process started (field 22 of /proc/PID/stat); 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def is_alive(member: Member, boot: str) -> bool:
    """Whether the process that a member belongs to is still there."""
    return member.boot == boot and started(member.pid) == member.pid_started


def _files(directory: Path) -> list[Path]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return [directory / name for name in sorted(names) if name.endswith(_SUFFIX)]


def _read(path: Path, kind: type[S]) -> S | None:
    try:
        with open(path, "rb", buffering=0) as stream:
            raw = stream.read()
        sealed.check(raw)
        return msgspec.json.decode(raw, type=kind)
    except (FileNotFoundError, IsADirectoryError):
        return None
    except (sealed.BrokenSeal, msgspec.MsgspecError, UnicodeDecodeError):
        return None
