"""The steps that lay out a container's file system, as values."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from lamina.run.plan import MASKED, READ_ONLY, mount_points, plan
from lamina.run.spec import OWN_FILES, ContainerSpec, Mount, Overlay, Process
from lamina.run.steps import (
    AttachTerminals,
    BindMount,
    MakeDevices,
    MakeReadOnly,
    Mask,
    MountFilesystem,
)

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
