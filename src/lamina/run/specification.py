"""From what was decided of a container to what a start of it needs.  Pure but for paths."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lamina.run.settings import Settings
from lamina.run.spec import ContainerSpec, Ids, Namespaces, Overlay


class Surroundings(msgspec.Struct, frozen=True):
    """What is another one at every start of a container."""

    lowers: tuple[Path, ...]
    """The layers' directories, the lowest first."""
    network: str = "host"
    """As `ContainerSpec.network`."""
    namespaces: Namespaces = Namespaces()
    """As they are to be joined: `container:NAME` has become a path."""
    ids: Ids | None = None
    """As `ContainerSpec.ids`."""
    volumes: Path | None = None
    cgroups: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    """`name:address` lines for /etc/hosts."""
    resolv_conf: str | None = None
    cache: Path | None = None


def specification(
    identity: str, directory: Path, settings: Settings, labels: dict[str, str], around: Surroundings
) -> ContainerSpec:
    """The container `identity`, whose directory of the store is `directory`."""
    security = settings.security
    return ContainerSpec(
        identity=identity,
        directory=directory,
        rootfs=Overlay(
            around.lowers, directory / "upper", directory / "work", volatile=settings.remove
        ),
        process=settings.process,
        hostname=settings.hostname,
        network=around.network,
        mounts=settings.mounts,
        read_only=settings.read_only,
        own_files_read_only=settings.read_only,
        capabilities_add=security.capabilities_add,
        capabilities_drop=security.capabilities_drop,
        privileged=security.privileged,
        extra_hosts=(*around.hosts, *settings.extra_hosts),
        labels=labels,
        seccomp=security.seccomp != "unconfined",
        seccomp_profile="" if security.seccomp == "unconfined" else security.seccomp,
        no_new_privileges=security.no_new_privileges,
        apparmor=security.apparmor,
        unmasked=security.unmasked,
        cache=around.cache,
        shm_size=settings.shm_size,
        limits=settings.ulimits,
        cgroups=around.cgroups,
        namespaces=around.namespaces,
        ids=around.ids,
        volumes=around.volumes,
        resolv_conf=around.resolv_conf,
        domainname=settings.domainname,
        sysctls=settings.sysctls,
        devices=settings.devices,
        init=settings.init,
        oom_score_adj=settings.oom_score_adj,
    )
