"""What to run, as values: printable, comparable, made by pure functions, executed by `launch`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from lamina.linux.devices import Device
from lamina.linux.id_mapping import Map, outside
from lamina.run.process import Identity as Identity
from lamina.run.process import Streams as Streams

Network = str
"""`host`, `none` (loopback alone), or the path of a network namespace to join."""
OWN_FILES = ("hosts", "resolv.conf", "hostname")
"""Files of /etc that belong to a container and not to its image."""


class Hidden(msgspec.Struct, frozen=True):
    """Bytes that are not shown when a value is printed."""

    content: bytes

    def __repr__(self) -> str:
        return f"<{len(self.content)} bytes>"


class Overlay(msgspec.Struct, frozen=True):
    """The root file system: read-only layers, the lowest first, under a writable directory."""

    lowers: tuple[Path, ...]
    upper: Path
    work: Path
    volatile: bool = False
    """Skip every sync: for what is thrown away or hashed at once (build steps, `--rm`)."""
    whole: Path | None = None
    """A root file system that is complete in one directory, taken as it is: then nothing is
    mounted over layers, and it has all mount points already."""


Propagation = Literal["rprivate", "private", "rslave", "slave", "rshared", "shared"]
"""As in mount(8)."""


class Mount(msgspec.Struct, frozen=True):
    """A bind, tmpfs or volume inside the container."""

    kind: Literal["bind", "tmpfs"]
    target: str
    """Absolute, inside the container; made if missing; never followed out of it."""
    source: Path | None = None
    read_only: bool = False
    options: str = ""
    """tmpfs: `size=…,mode=…`, and the flags `exec`, `suid`, `dev`, `ro`."""
    populate: bool = False
    """An empty source gets what the image has at the target (a new volume)."""
    volume: str = ""
    """The name of the volume that this is; empty for what is none."""
    anonymous: bool = False
    """Whether that volume was made for this container alone."""
    subpath: str = ""
    """What is shown of the source: a path in it, whose links do not lead out of it."""
    propagation: Propagation = "rprivate"
    """Whether what is mounted below it later, outside or inside, is seen on the other side."""
    recursive: bool = True
    """Whether what is mounted below the source is shown, too."""
    read_only_below: bool = True
    """Whether `read_only` goes for what is mounted below the source, too."""


class TreeMount(msgspec.Struct, frozen=True):
    """A file or directory in a stack of layers, merged inside the container's own mounts."""

    target: str
    lowers: tuple[Path, ...]
    """The lowest first."""
    path: str
    """Where it is in the stack, absolute; links are followed inside the stack."""
    directory: bool
    """Whether that is a directory."""
    scratch: Path
    """An empty directory of the host's that is needed while the container runs: what the
    container writes goes there."""
    read_only: bool = True


class FileMount(msgspec.Struct, frozen=True):
    """A file that is nowhere but in memory, and seen by nobody but the container."""

    target: str
    content: Hidden
    mode: int = 0o400
    uid: int = 0
    gid: int = 0
    executable: bool = False
    """Whether it may be executed at all, whatever its mode says."""


class Limit(msgspec.Struct, frozen=True):
    """A resource limit of the process (setrlimit(2)), -1 for none."""

    name: str
    """As in linux/rlimit.py: `nofile`."""
    soft: int
    hard: int


class Process(msgspec.Struct, frozen=True):
    """What is executed: found on PATH inside the container."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    """`NAME=value` lines."""
    cwd: str = "/"
    """Made if missing, as Docker does."""
    user: str = ""
    """As in `USER` and `-u`: `name`, `uid`, `name:group`…; looked up in the container's
    own /etc/passwd and /etc/group, where HOME comes from too when it is not in `env`."""
    terminal: bool = False
    groups: tuple[str, ...] = ()
    """Further groups, by name or number."""


class Namespaces(msgspec.Struct, frozen=True, omit_defaults=True):
    """Each `private`, `host`, or the path of a namespace to join (/proc/PID/ns/…).

    `ipc` may be `shareable`, which is private and open to others, or `none`: private, and
    no /dev/shm.  `user` is ours unless it is said; what is launched has a path for it.
    """

    pid: str = "private"
    ipc: str = "private"
    uts: str = "private"
    cgroup: str = "private"
    user: str = "host"


class Ids(msgspec.Struct, frozen=True):
    """Whom the ids of a user namespace stand for, users and groups."""

    uids: Map
    gids: Map

    @property
    def root(self) -> tuple[int, int]:
        """The user and the group here that its root is."""
        return outside(self.uids, 0) or 0, outside(self.gids, 0) or 0


class ContainerSpec(msgspec.Struct, frozen=True):
    """Everything that `launch` needs; nothing is looked up elsewhere."""

    identity: str
    """The container's id; the hostname by default."""
    directory: Path
    """Where `merged/` and small files (hosts, resolv.conf) are; several containers may share
    it when they do not write these files and have the same hosts."""
    rootfs: Overlay
    process: Process
    hostname: str = ""
    network: Network = "host"
    mounts: tuple[Mount | TreeMount | FileMount, ...] = ()
    read_only: bool = False
    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    privileged: bool = False
    extra_hosts: tuple[str, ...] = ()
    """`name:address` lines for /etc/hosts."""
    host_gateway: str = "127.0.0.1"
    """The address that the host has for the container."""
    labels: dict[str, str] = {}
    seccomp: bool = True
    """Whether a system call filter is installed."""
    seccomp_profile: str = ""
    """The text of its profile (linux/seccomp_json.py); empty for Docker's default."""
    no_new_privileges: bool = False
    """Whether setuid programs and file capabilities are without effect."""
    apparmor: str = ""
    """The AppArmor profile that the program is executed under; empty for our own."""
    unmasked: bool = False
    """Whether the paths of /proc and /sys that are hidden or read-only by default are not."""
    cache: Path | None = None
    """Where compiled system call filters are kept between processes."""
    shm_size: int = 64 << 20
    """Bytes of /dev/shm."""
    own_files: tuple[str, ...] = OWN_FILES
    """Which files of /etc are the container's own."""
    own_files_read_only: bool = False
    limits: tuple[Limit, ...] = ()
    cgroups: tuple[Path, ...] = ()
    """Control groups that the first process joins: one, or one for each controller."""
    namespaces: Namespaces = Namespaces()
    ids: Ids | None = None
    """Those of its user namespace, when it has not ours."""
    volumes: Path | None = None
    """The directory of volumes, whose files belong to ids of containers, not to ours."""
    resolv_conf: str | None = None
    """The text of /etc/resolv.conf; None for the host's."""
    domainname: str = ""
    sysctls: dict[str, str] = {}
    """Of its own namespaces: `net.ipv4.ip_forward`."""
    devices: tuple[Device, ...] = ()
    """Nodes of the host's, or directories of them."""
    init: bool = False
    """Whether a small program of ours is the first process, starts the container's, hands
    on signals and waits for orphans."""
    oom_score_adj: int | None = None
