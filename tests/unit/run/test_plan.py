"""The steps that lay out a container's file system, as values."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from lamina.linux.id_mapping import Extent
from lamina.run.plan import MASKED, READ_ONLY, is_anothers, mount_points, plan
from lamina.run.spec import OWN_FILES, ContainerSpec, Ids, Mount, Namespaces, Overlay, Process
from lamina.run.steps import (
    AttachTerminals,
    BindMount,
    MakeDevices,
    MakeLink,
    MakeReadOnly,
    Mask,
    MountFilesystem,
    SetParameter,
    ShareMemory,
)
from lamina.run.sysctl import SharedSysctl

SPEC = ContainerSpec(
    "ab" * 32,
    Path("/c"),
    Overlay((Path("/l"),), Path("/c/upper"), Path("/c/work")),
    Process(("true",), ()),
)


def test_the_default_plan_mounts_masks_and_closes() -> None:
    steps = plan(SPEC)
    assert [step.path for step in steps if isinstance(step, Mask)] == list(MASKED)
    assert [step.path for step in steps if isinstance(step, MakeReadOnly)] == list(READ_ONLY)
    mounted = {step.target: step for step in steps if isinstance(step, MountFilesystem)}
    assert list(mounted) == ["/proc", "/sys", "/dev", "/dev/shm", "/dev/mqueue"]
    assert "ro" in mounted["/sys"].flags
    for target, step in mounted.items():
        assert {"nosuid", "nodev"} <= set(step.flags), target
    assert next(step for step in steps if isinstance(step, MakeDevices)).names == (
        *("null", "zero", "full", "random", "urandom", "tty"),
    )


def test_the_containers_own_files_hide_the_images() -> None:
    binds = [step for step in plan(SPEC) if isinstance(step, BindMount)]
    assert binds == [BindMount(f"/c/{name}", f"/etc/{name}", ("nodev",)) for name in OWN_FILES]


def test_masking_comes_after_what_the_user_mounts() -> None:
    steps = plan(replace(SPEC, mounts=(Mount("bind", "/proc/acpi", Path("/x")),), read_only=True))
    kinds = [type(step) for step in steps]
    assert kinds.index(Mask) > max(i for i, kind in enumerate(kinds) if kind is BindMount)
    assert steps[-1] == MakeReadOnly("/")


def test_outer_mounts_come_before_inner_ones() -> None:
    mounts = (
        Mount("bind", "/a/b/c", Path("/1")),
        Mount("tmpfs", "/a"),
        Mount("bind", "/a/b", Path("/2"), read_only=True),
    )
    steps = plan(replace(SPEC, mounts=mounts))
    targets = [step.target for step in steps if isinstance(step, BindMount | MountFilesystem)]
    assert targets[-3:] == ["/a", "/a/b", "/a/b/c"]
    assert BindMount("/2", "/a/b", ("nodev", "ro")) in steps


def test_tmpfs_options() -> None:
    mounts = (Mount("tmpfs", "/t", options="size=1m,exec,mode=700,ro"),)
    assert MountFilesystem(
        "tmpfs", "/t", (("size", "1m"), ("mode", "700")), ("nosuid", "nodev", "ro")
    ) in plan(replace(SPEC, mounts=mounts))


def test_privileged_masks_nothing_and_may_write_sys() -> None:
    steps = plan(replace(SPEC, privileged=True), devices=["sda", "null"])
    assert not [step for step in steps if isinstance(step, Mask | MakeReadOnly)]
    sys = next(s for s in steps if isinstance(s, MountFilesystem) and s.target == "/sys")
    assert "ro" not in sys.flags
    assert MakeDevices("/dev", ("sda", "null")) in steps


def test_a_terminal_is_the_console() -> None:
    terminal = replace(SPEC, process=replace(SPEC.process, terminal=True))
    assert AttachTerminals("/dev/pts", "/dev/console") in plan(terminal)
    assert AttachTerminals("/dev/pts", "") in plan(SPEC)


def test_mount_points_are_those_that_the_image_must_have() -> None:
    mounts = (Mount("bind", "/data", Path("/x")), Mount("tmpfs", "/dev/own"))
    points = mount_points(plan(replace(SPEC, mounts=mounts)))
    assert points == ["/proc", "/sys", "/dev", *(f"/etc/{name}" for name in OWN_FILES), "/data"]


def test_cgroups_of_version_two_are_shown_read_only() -> None:
    (step,) = (s for s in plan(SPEC, unified=True)
               if isinstance(s, MountFilesystem) and s.fstype == "cgroup2")  # fmt: skip
    assert (step.target, "ro" in step.flags, step.optional) == ("/sys/fs/cgroup", True, True)


def test_the_plan_prints_in_full() -> None:
    assert "Mask(path='/proc/kcore')" in repr(plan(SPEC))


def test_a_bind_has_its_propagation_and_its_subpath() -> None:
    mount = Mount("bind", "/a", Path("/s"), subpath="x", propagation="rslave", recursive=False)
    (step,) = [step for step in plan(replace(SPEC, mounts=(mount,))) if _target(step) == "/a"]
    assert step == BindMount(
        "/s", "/a", ("nodev",), subpath="x", propagation="rslave", recursive=False
    )


def test_read_only_may_leave_out_what_is_mounted_below() -> None:
    mount = Mount("bind", "/a", Path("/s"), read_only=True, read_only_below=False)
    (step,) = [step for step in plan(replace(SPEC, mounts=(mount,))) if _target(step) == "/a"]
    assert step == BindMount("/s", "/a", ("nodev", "ro"), flags_below=False)


def test_shared_memory_follows_the_ipc_namespace() -> None:
    def of(ipc: str) -> list[type]:
        steps = plan(replace(SPEC, namespaces=Namespaces(ipc=ipc)))
        return [type(step) for step in steps if _target(step) == "/dev/shm"]

    assert of("private") == of("shareable") == [MountFilesystem]
    assert of("host") == [BindMount]
    assert of("none") == []
    assert of("/proc/7/ns/ipc") == [ShareMemory]


def test_hierarchies_of_version_1_are_read_only_and_below_a_read_only_directory() -> None:
    steps = plan(SPEC, hierarchies=("cpu,cpuacct", "name=systemd"))
    mounted = [step for step in steps if _target(step).startswith("/sys/fs/cgroup")]
    assert [_target(step) for step in mounted] == [
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/cpu,cpuacct",
        "/sys/fs/cgroup/systemd",
    ]
    assert all("ro" in step.flags for step in mounted[1:])  # type: ignore[union-attr]
    assert MakeReadOnly("/sys/fs/cgroup") in steps
    assert MakeLink("/sys/fs/cgroup/cpu", "cpu,cpuacct") in steps


def test_parameters_are_those_of_its_own_network() -> None:
    def of(**changes: object) -> dict[str, str]:
        steps = plan(replace(SPEC, **changes))
        return {step.name: step.value for step in steps if isinstance(step, SetParameter)}

    assert of(network="host") == {}
    port = "net.ipv4.ip_unprivileged_port_start"
    assert of(network="none")[port] == "0"
    assert of(network="none", sysctls={port: "99"})[port] == "99"
    with pytest.raises(SharedSysctl):
        of(network="host", sysctls={port: "99"})


def test_nothing_is_covered_when_that_is_not_wanted() -> None:
    steps = plan(replace(SPEC, unmasked=True))
    assert not [step for step in steps if isinstance(step, Mask)]


def _target(step: object) -> str:
    return str(getattr(step, "target", ""))


IDS = Ids((Extent(0, 2_000_000_000, 65536),), (Extent(0, 2_000_000_000, 65536),))


def test_with_users_of_its_own_what_lies_in_the_store_has_their_owners() -> None:
    mounts = (
        Mount("bind", "/kept", Path("/store/volumes/vol/_data"), volume="vol"),
        Mount("bind", "/device", Path("/srv/data"), volume="other"),
        Mount("bind", "/host", Path("/srv")),
    )
    spec = replace(SPEC, mounts=mounts, ids=IDS, volumes=Path("/store/volumes"))
    mapped = {step.target for step in plan(spec) if isinstance(step, BindMount) and step.owners}
    assert mapped == {"/kept", *(f"/etc/{name}" for name in OWN_FILES)}
    assert not any(step.owners for step in plan(SPEC) if isinstance(step, BindMount))


def test_only_groups_that_there_are_may_ping() -> None:
    spec = replace(SPEC, ids=IDS, network="none")
    set_ = {step.name: step.value for step in plan(spec) if isinstance(step, SetParameter)}
    assert set_["net.ipv4.ping_group_range"] == "0 65535"


def test_file_systems_that_show_a_namespace_of_somebody_elses() -> None:
    shared = replace(SPEC, network="/proc/1/ns/net", namespaces=Namespaces(pid="host", ipc="host"))

    def shown(spec: ContainerSpec) -> set[str]:
        return {
            step.fstype
            for step in plan(spec)
            if isinstance(step, MountFilesystem) and is_anothers(step, spec)
        }

    assert shown(shared) == {"proc", "sysfs", "mqueue"}
    assert shown(replace(SPEC, network="none")) == set()
