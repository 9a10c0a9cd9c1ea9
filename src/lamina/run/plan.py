"""From a container's specification to the steps that lay out its file system.  Pure.

The layout is Docker's (moby, `oci/defaults.go`), so that what programs in
images rely on is there and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lamina.linux.id_mapping import size
from lamina.run.spec import ContainerSpec, FileMount, Mount, TreeMount
from lamina.run.steps import (
    AttachTerminals,
    BindDevice,
    BindMount,
    MakeDevices,
    MakeDirectory,
    MakeLink,
    MakeReadOnly,
    Mask,
    MountFilesystem,
    PlaceFile,
    SetParameter,
    ShareMemory,
    Step,
    TreeBind,
)
from lamina.run.sysctl import FOR_EVERY_NETWORK, PING_GROUPS, check_namespaces

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
)
_TMPFS_FLAGS = ("nosuid", "nodev", "noexec")
_TMPFS_MODE = "mode"


def plan(
    spec: ContainerSpec,
    *,
    devices: Sequence[str] = DEVICES,
    unified: bool = False,
    hierarchies: Sequence[str] = (),
) -> list[Step]:
    """The steps in their order: each may rely on those before it.

    `devices` are the names of the host's device nodes that the container gets;
    `unified` says whether the host's cgroups are version 2 alone; `hierarchies` are those
    of version 1, as /proc/self/cgroup names them (`cpu,cpuacct`, `name=systemd`).
    Raises SharedSysctl.
    """
    return [
        *_kernel(spec, unified=unified, hierarchies=hierarchies),
        *_parameters(spec),
        *_devices(spec, devices),
        *_own_files(spec),
        *_chosen(spec),
        *([] if spec.privileged or spec.unmasked else _closed()),
        *([MakeReadOnly("/")] if spec.read_only else []),
    ]


def is_anothers(step: MountFilesystem, spec: ContainerSpec) -> bool:
    """Whether the file system shows a namespace that is not made for the container."""
    shown = {
        "proc": spec.namespaces.pid,
        "sysfs": spec.network,
        "mqueue": spec.namespaces.ipc,
        "cgroup": spec.namespaces.cgroup,
        "cgroup2": spec.namespaces.cgroup,
    }.get(step.fstype, "private")
    return shown == "host" or shown.startswith("/")


def mount_points(steps: Sequence[Step]) -> list[str]:
    """The targets that must exist in the image, or be made, before the steps can run."""
    kinds = MountFilesystem | BindMount | TreeBind | PlaceFile | BindDevice
    mounted = [step.target for step in steps if isinstance(step, kinds)]
    made_by_us = ("/dev/", "/proc/", "/sys/")
    return [target for target in mounted if not target.startswith(made_by_us)]


def _kernel(spec: ContainerSpec, *, unified: bool, hierarchies: Sequence[str]) -> Iterator[Step]:
    yield MountFilesystem("proc", "/proc")
    flags = ("nosuid", "nodev", "noexec") + (() if spec.privileged else ("ro",))
    yield MountFilesystem("sysfs", "/sys", flags=flags)
    if unified:
        yield MountFilesystem("cgroup2", "/sys/fs/cgroup", flags=flags, optional=True)
    elif hierarchies:
        yield from _hierarchies(hierarchies, flags)


def _hierarchies(names: Sequence[str], flags: tuple[str, ...]) -> Iterator[Step]:
    """Each shows the container's own groups alone, for it has a cgroup namespace."""
    top = "/sys/fs/cgroup"
    yield MountFilesystem("tmpfs", top, (("mode", "755"),), _TMPFS_FLAGS)
    for name in names:
        kind, equals, label = name.partition("=")
        place = f"{top}/{label or name}"
        yield MakeDirectory(place)
        options = ((kind, label),) if equals else tuple((word, "") for word in name.split(","))
        yield MountFilesystem("cgroup", place, options, flags, optional=True)
        for word in name.split(",") if "," in name else ():
            yield MakeLink(f"{top}/{word}", name)
    yield MakeReadOnly(top)


def _parameters(spec: ContainerSpec) -> Iterator[Step]:
    check_namespaces(spec.sysctls, network=spec.network, ipc=spec.namespaces.ipc)
    if spec.network != "host":
        for name, value in FOR_EVERY_NETWORK.items():
            if name == PING_GROUPS and spec.ids is not None:
                value = f"0 {size(spec.ids.gids) - 1}"  # the kernel takes groups that there are
            if name not in spec.sysctls:
                yield SetParameter(name, value, optional=True)
    for name, value in spec.sysctls.items():
        yield SetParameter(name, value)


def _devices(spec: ContainerSpec, devices: Sequence[str]) -> Iterator[Step]:
    yield MountFilesystem(
        "tmpfs", "/dev", (("mode", "755"), ("size", "65536k")), ("nosuid", "nodev")
    )
    for name in ("pts", "mqueue") if spec.namespaces.ipc == "none" else ("pts", "shm", "mqueue"):
        yield MakeDirectory(f"/dev/{name}")
    yield MakeDevices("/dev", tuple(devices))
    for name, text in _LINKS:
        yield MakeLink(f"/dev/{name}", text)
    yield AttachTerminals("/dev/pts", "/dev/console" if spec.process.terminal else "")
    yield from _memory(spec)
    for device in spec.devices:
        yield BindDevice(device.host, device.container)


def _memory(spec: ContainerSpec) -> Iterator[Step]:
    place, queues = "/dev/shm", "/dev/mqueue"  # noqa: S108
    if spec.namespaces.ipc == "host":
        yield BindMount(place, place, optional=True)
        yield MountFilesystem("mqueue", queues, optional=True)  # those of its ipc namespace
        return
    if spec.namespaces.ipc in {"private", "shareable"}:
        size = str(spec.shm_size)
        yield MountFilesystem("tmpfs", place, (("mode", "1777"), ("size", size)))
    elif spec.namespaces.ipc != "none":
        yield ShareMemory(place)
    yield MountFilesystem("mqueue", queues, optional=True)


def _own_files(spec: ContainerSpec) -> Iterator[Step]:
    flags = ("nodev", "ro") if spec.own_files_read_only else ("nodev",)
    for name in spec.own_files:
        yield BindMount(
            str(spec.directory / name), f"/etc/{name}", flags, owners=spec.ids is not None
        )


def _chosen(spec: ContainerSpec) -> Iterator[Step]:
    for mount in sorted(spec.mounts, key=lambda each: each.target.rstrip("/").count("/")):
        if isinstance(mount, TreeMount):
            yield _tree(mount)
        elif isinstance(mount, FileMount):
            yield _file(mount)
        else:
            yield _tmpfs(mount) if mount.kind == "tmpfs" else _bind(mount, spec)


def _tree(mount: TreeMount) -> TreeBind:
    return TreeBind(
        tuple(str(path) for path in reversed(mount.lowers)),
        mount.path,
        mount.target,
        mount.directory,
        str(mount.scratch),
        mount.read_only,
    )


def _file(mount: FileMount) -> PlaceFile:
    flags = ("ro", "nosuid", "nodev") + (() if mount.executable else ("noexec",))
    return PlaceFile(mount.content, mount.target, mount.mode, mount.uid, mount.gid, flags)


def _bind(mount: Mount, spec: ContainerSpec) -> BindMount:
    flags: tuple[str, ...] = () if spec.privileged else ("nodev",)
    flags += ("ro",) if mount.read_only else ()
    return BindMount(
        str(mount.source),
        mount.target,
        flags,
        mount.populate,
        mount.subpath,
        mount.propagation,
        mount.recursive,
        mount.read_only_below or not mount.read_only,
        owners=spec.ids is not None and _is_kept(mount, spec),
    )


def _is_kept(mount: Mount, spec: ContainerSpec) -> bool:
    """Whether its files lie where nobody of the host gets at them: another directory of the
    host could be given a program that is setuid to the host's root."""
    return mount.source is not None and spec.volumes in mount.source.parents


def _tmpfs(mount: Mount) -> MountFilesystem:
    words = [word for word in mount.options.split(",") if word]
    lifted = {"exec": "noexec", "suid": "nosuid", "dev": "nodev"}
    flags = [flag for flag in _TMPFS_FLAGS if flag not in {lifted.get(word) for word in words}]
    if mount.read_only or "ro" in words:
        flags.append("ro")
    pairs = tuple(word.partition("=")[::2] for word in words if "=" in word)
    keep_mode = all(key != _TMPFS_MODE for key, _ in pairs)
    return MountFilesystem("tmpfs", mount.target, pairs, tuple(flags), keep_mode=keep_mode)


def _closed() -> Iterator[Step]:
    for path in MASKED:
        yield Mask(path)
    for path in READ_ONLY:
        yield MakeReadOnly(path)
