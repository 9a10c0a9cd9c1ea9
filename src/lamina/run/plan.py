"""From a container's specification to the steps that lay out its file system.  Pure.

The layout is Docker's (moby, `oci/defaults.go`), so that what programs in
images rely on is there and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lamina.run.spec import ContainerSpec, FileMount, Mount, TreeMount
from lamina.run.steps import (
    AttachTerminals,
    BindMount,
    MakeDevices,
    MakeDirectory,
    MakeLink,
    MakeReadOnly,
    Mask,
    MountFilesystem,
    PlaceFile,
    Step,
    TreeBind,
)

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


def plan(
    spec: ContainerSpec, *, devices: Sequence[str] = DEVICES, unified: bool = False
) -> list[Step]:
    """The steps in their order: each may rely on those before it.

    `devices` are the names of the host's device nodes that the container gets;
    `unified` says whether the host's cgroups are version 2 alone.
    """
    return [
        *_kernel(spec, unified=unified),
        *_devices(spec, devices),
        *_own_files(spec),
        *_chosen(spec),
        *([] if spec.privileged else _closed()),
        *([MakeReadOnly("/")] if spec.read_only else []),
    ]


def mount_points(steps: Sequence[Step]) -> list[str]:
    """The targets that must exist in the image, or be made, before the steps can run."""
    kinds = MountFilesystem | BindMount | TreeBind | PlaceFile
    mounted = [step.target for step in steps if isinstance(step, kinds)]
    made_by_us = ("/dev/", "/proc/", "/sys/")
    return [target for target in mounted if not target.startswith(made_by_us)]


def _kernel(spec: ContainerSpec, *, unified: bool) -> Iterator[Step]:
    yield MountFilesystem("proc", "/proc")
    flags = ("nosuid", "nodev", "noexec") + (() if spec.privileged else ("ro",))
    yield MountFilesystem("sysfs", "/sys", flags=flags)
    if unified:
        yield MountFilesystem("cgroup2", "/sys/fs/cgroup", flags=flags, optional=True)


def _devices(spec: ContainerSpec, devices: Sequence[str]) -> Iterator[Step]:
    yield MountFilesystem(
        "tmpfs", "/dev", (("mode", "755"), ("size", "65536k")), ("nosuid", "nodev")
    )
    for name in ("pts", "shm", "mqueue"):
        yield MakeDirectory(f"/dev/{name}")
    yield MakeDevices("/dev", tuple(devices))
    for name, text in _LINKS:
        yield MakeLink(f"/dev/{name}", text)
    yield AttachTerminals("/dev/pts", "/dev/console" if spec.process.terminal else "")
    size = str(spec.shm_size)
    yield MountFilesystem("tmpfs", "/dev/shm", (("mode", "1777"), ("size", size)))  # noqa: S108
    yield MountFilesystem("mqueue", "/dev/mqueue", optional=True)


def _own_files(spec: ContainerSpec) -> Iterator[Step]:
    flags = ("nodev", "ro") if spec.own_files_read_only else ("nodev",)
    for name in spec.own_files:
        yield BindMount(str(spec.directory / name), f"/etc/{name}", flags)


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
    return BindMount(str(mount.source), mount.target, flags, mount.populate)


def _tmpfs(mount: Mount) -> MountFilesystem:
    words = [word for word in mount.options.split(",") if word]
    lifted = {"exec": "noexec", "suid": "nosuid"}
    flags = [flag for flag in _TMPFS_FLAGS if flag not in {lifted.get(word) for word in words}]
    if mount.read_only or "ro" in words:
        flags.append("ro")
    pairs = [word.partition("=") for word in words if "=" in word]
    return MountFilesystem(
        "tmpfs",
        mount.target,
        tuple((key, value) for key, _, value in pairs),
        tuple(flags),
    )


def _closed() -> Iterator[Step]:
    for path in MASKED:
        yield Mask(path)
    for path in READ_ONLY:
        yield MakeReadOnly(path)
