"""`HostConfig` of a container, in the shape of Docker's API: what was decided of it.  Pure but
for the paths of volumes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.lifecycle.seen import Seen
from lamina.linux.cgroup_limits import Rate
from lamina.network.request import PortBinding
from lamina.run.plan import MASKED, READ_ONLY
from lamina.run.settings import Security, Settings
from lamina.run.spec import Mount

_RUNTIME = "lamina"
"""What Docker calls a runtime is ours by default."""


def host_config(seen: Seen) -> dict[str, Any]:
    """Every option of Docker's, those that were not given with Docker's value for that."""
    settings = seen.settings
    security = settings.security
    visible = security.privileged or security.unmasked
    found: dict[str, Any] = {
        "Binds": [_bind(each) for each in settings.mounts if _is_asked(each)] or None,
        "ContainerIDFile": "",
        "LogConfig": {"Type": settings.log.driver, "Config": _log_options(settings)},
        "NetworkMode": "default" if seen.mode == "bridge" else seen.mode,
        "PortBindings": port_bindings(settings.network.publish),
        "RestartPolicy": {
            "Name": settings.restart.policy,
            "MaximumRetryCount": settings.restart.retries,
        },
        "AutoRemove": settings.remove,
        "VolumeDriver": "",
        "VolumesFrom": None,
        "CapAdd": _capabilities(security.capabilities_add) or None,
        "CapDrop": _capabilities(security.capabilities_drop) or None,
        "CgroupnsMode": settings.namespaces.cgroup,
        "Dns": list(settings.network.dns),
        "DnsOptions": list(settings.network.dns_options),
        "DnsSearch": list(settings.network.dns_search),
        "ExtraHosts": list(settings.extra_hosts) or None,
        "GroupAdd": list(settings.process.groups) or None,
        "IpcMode": settings.namespaces.ipc,
        "Cgroup": "",
        "Links": None,
        "OomScoreAdj": settings.oom_score_adj or 0,
        "PidMode": _mode(settings.namespaces.pid),
        "Privileged": security.privileged,
        "PublishAllPorts": settings.network.publish_all,
        "ReadonlyRootfs": settings.read_only,
        "SecurityOpt": _security_options(security) or None,
        "Tmpfs": {each.target: each.options for each in settings.mounts if each.kind == "tmpfs"},
        "UTSMode": _mode(settings.namespaces.uts),
        "UsernsMode": "" if settings.namespaces.user == "host" else settings.namespaces.user,
        "ShmSize": settings.shm_size,
        "Sysctls": settings.sysctls,
        "Runtime": settings.runtime or _RUNTIME,
        "ConsoleSize": [0, 0],
        "Isolation": "",
        **_resources(settings),
        "MaskedPaths": None if visible else list(MASKED),
        "ReadonlyPaths": None if visible else list(READ_ONLY),
    }
    if settings.init:
        found["Init"] = True
    if (ids := settings.user_ids) is not None:
        found["IDMappings"] = {  # as Podman tells it; Docker has one for all containers
            "UidMap": [f"0:{ids.uid}:{ids.count}"],
            "GidMap": [f"0:{ids.gid}:{ids.count}"],
        }
    for absent in ("Tmpfs", "Sysctls"):
        if not found[absent]:
            del found[absent]
    return found


def _resources(settings: Settings) -> dict[str, Any]:
    """What it may use of the machine: `Resources` in Docker's API."""
    limits = settings.limits
    return {
        "CpuShares": limits.cpu_shares,
        "Memory": limits.memory,
        "NanoCpus": limits.nano_cpus,
        "CgroupParent": settings.cgroup_parent,
        "BlkioWeight": limits.blkio_weight,
        "BlkioWeightDevice": _rates(limits.blkio_weight_device, "Weight"),
        "BlkioDeviceReadBps": _rates(limits.read_bps, "Rate"),
        "BlkioDeviceWriteBps": _rates(limits.write_bps, "Rate"),
        "BlkioDeviceReadIOps": _rates(limits.read_iops, "Rate"),
        "BlkioDeviceWriteIOps": _rates(limits.write_iops, "Rate"),
        "CpuPeriod": limits.cpu_period,
        "CpuQuota": limits.cpu_quota,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "Devices": [
            {
                "PathOnHost": each.host,
                "PathInContainer": each.container,
                "CgroupPermissions": each.permissions,
            }
            for each in settings.devices
        ],
        "DeviceCgroupRules": [str(each) for each in settings.device_rules] or None,
        "DeviceRequests": None,
        "KernelMemory": 0,
        "KernelMemoryTCP": 0,
        "MemoryReservation": limits.memory_reservation,
        "MemorySwap": limits.swap_and_memory if limits.memory else limits.memory_swap,
        "MemorySwappiness": limits.memory_swappiness,
        "OomKillDisable": limits.oom_kill_disable,
        "PidsLimit": limits.pids or None,
        "Ulimits": [
            {"Name": each.name, "Hard": each.hard, "Soft": each.soft} for each in settings.ulimits
        ],
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }


def _is_asked(mount: Mount) -> bool:
    return mount.kind == "bind" and not mount.anonymous


def _bind(mount: Mount) -> str:
    text = f"{mount.volume or mount.source}:{mount.target}"
    return f"{text}:{mode}" if (mode := mount_mode(mount)) else text


def mount_mode(mount: Mount) -> str:
    """What stands behind the target in `-v`: `ro`, `ro,rslave`."""
    words = ["ro"] if mount.read_only else []
    if mount.propagation != "rprivate":
        words.append(mount.propagation)
    return ",".join(words)


def _log_options(settings: Settings) -> dict[str, str]:
    found = {}
    if settings.log.max_size:
        found["max-size"] = str(settings.log.max_size)
    if settings.log.max_file != 1:
        found["max-file"] = str(settings.log.max_file)
    return found


def port_bindings(bindings: Iterable[PortBinding]) -> dict[str, list[dict[str, str]]]:
    """`{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}`."""
    found: dict[str, list[dict[str, str]]] = {}
    for each in bindings:
        port = str(each.host_port or "")
        if each.host_last:
            port = f"{each.host_port}-{each.host_last}"
        place = found.setdefault(f"{each.container_port}/{each.protocol}", [])
        place.append({"HostIp": each.host_ip, "HostPort": port})
    return found


def _mode(text: str) -> str:
    """Docker leaves empty what is the container's own."""
    return "" if text == "private" else text


def _capabilities(names: Iterable[str]) -> list[str]:
    """In Docker's spelling, in order."""
    bare = sorted(name.upper().removeprefix("CAP_") for name in names)
    return [name if name == "ALL" else f"CAP_{name}" for name in bare]


def _security_options(security: Security) -> list[str]:
    found = []
    if security.seccomp:
        found.append(f"seccomp={security.seccomp}")
    if security.no_new_privileges:
        found.append("no-new-privileges")
    if security.apparmor:
        found.append(f"apparmor={security.apparmor}")
    if security.unmasked:
        found.append("systempaths=unconfined")
    return found


def _rates(rates: Iterable[Rate], name: str) -> list[dict[str, Any]]:
    return [{"Path": each.path, name: each.value} for each in rates]
