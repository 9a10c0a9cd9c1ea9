"""What was decided of a container when it was created, kept in its record.

Image and options are resolved into this once; every start makes its
`ContainerSpec` of it, so a container that is started again is the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from lamina.errors import Conflict
from lamina.linux.cgroup_limits import NONE, Limits
from lamina.linux.devices import Device, DeviceRule
from lamina.network.request import NetworkRequest
from lamina.oci.config import Healthcheck
from lamina.run.spec import Limit, Mount, Namespaces, Process

_SECOND = 1e9
"""In nanoseconds, which an image's configuration counts in."""


class OlderContainer(Conflict):
    """The record was written by a version that knew less."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"container {name} was made by another version of Lamina",
            hint=f"its files are there: lamina commit {name}, lamina cp; then make it anew",
        )


class Restart(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a container is started again when it ends."""

    policy: Literal["no", "on-failure", "always", "unless-stopped"] = "no"
    retries: int = 0
    """`on-failure`: at most so often in a row; 0 for without end."""


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a container is asked whether it does its work (`HEALTHCHECK`); seconds."""

    test: tuple[str, ...] = ()
    """`CMD` and arguments, or `CMD-SHELL` and a line; `NONE` for no check."""
    interval: float = 30
    timeout: float = 30
    start_period: float = 0
    start_interval: float = 5
    retries: int = 3


def health_of(check: Healthcheck | None) -> Health:
    """An image's check, what it leaves open as Docker has it."""
    given = check or Healthcheck()
    default = Health()
    return Health(
        given.test,
        given.interval / _SECOND or default.interval,
        given.timeout / _SECOND or default.timeout,
        given.start_period / _SECOND or default.start_period,
        given.start_interval / _SECOND or default.start_interval,
        given.retries or default.retries,
    )


class LogSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of what a container prints."""

    driver: Literal["json-file", "local", "none"] = "json-file"
    max_size: int = 0
    """Bytes after which a new file is begun; 0 for never."""
    max_file: int = 1


class Security(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a container may do."""

    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    privileged: bool = False
    seccomp: str = ""
    """Empty for Docker's default profile, `unconfined`, or the text of a profile."""
    no_new_privileges: bool = False
    apparmor: str = ""
    unmasked: bool = False
    """Whether the paths of /proc and /sys that are hidden by default are not."""


class IdRange(msgspec.Struct, frozen=True):
    """Which ids of the host the users and groups of a container are."""

    uid: int
    """The container's root."""
    gid: int
    count: int


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that a start needs besides the layers and the directory."""

    process: Process
    stdin: bool = False
    """`-i`: what is written to the container is its input."""
    stdin_once: bool = False
    """Whether its input ends when the first who attached goes away."""
    hostname: str = ""
    domainname: str = ""
    mounts: tuple[Mount, ...] = ()
    network: NetworkRequest = NetworkRequest()
    namespaces: Namespaces = Namespaces()
    user_ids: IdRange | None = None
    """Of its own user namespace, for as long as it is there; None where it has the ids of the
    namespace that it is made in."""
    security: Security = Security()
    extra_hosts: tuple[str, ...] = ()
    read_only: bool = False
    init: bool = False
    shm_size: int = 64 << 20
    sysctls: dict[str, str] = {}
    ulimits: tuple[Limit, ...] = ()
    devices: tuple[Device, ...] = ()
    """As asked for; every start looks for their nodes anew."""
    device_rules: tuple[DeviceRule, ...] = ()
    """What it may use beside its devices and the default ones."""
    limits: Limits = NONE
    cgroup_parent: str = ""
    """The control group to make its own in; empty for Lamina's."""
    oom_score_adj: int | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None
    """Seconds; None for Docker's 10."""
    restart: Restart = Restart()
    health: Health = Health()
    log: LogSettings = LogSettings()
    remove: bool = False
    """`--rm`."""
    exposed: tuple[str, ...] = ()
    """`80/tcp`: the image's EXPOSE and `--expose`."""
    runtime: str = ""
    """Empty for the embedded one, else a program that takes runtime-spec bundles."""


def to_json(settings: Settings) -> dict[str, Any]:
    """As `ContainerRecord.settings` has it."""
    found: dict[str, Any] = msgspec.to_builtins(settings, enc_hook=str)
    return found


def settings_of(name: str, kept: dict[str, Any]) -> Settings:
    """What `to_json` gave.  Raises OlderContainer."""
    try:
        return msgspec.convert(kept, Settings, dec_hook=_path)
    except msgspec.ValidationError:
        raise OlderContainer(name) from None


def _path(kind: type, value: Any) -> Any:
    return Path(value) if kind is Path else value
