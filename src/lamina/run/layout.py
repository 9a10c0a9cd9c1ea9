"""The steps of `plan`, carried out: the container's file system, made in its mount namespace.

Runs in the container's first process, before it enters its root file system.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from lamina.errors import Invalid, NotFound
from lamina.linux import mounts, syscall
from lamina.linux.rooted import exists_in, make_in, open_in, resolve_in
from lamina.run import steps
from lamina.run.orders import Orders
from lamina.run.plan import mount_points, plan
from lamina.run.spec import ContainerSpec
from lamina.run.steps import Step
from lamina.run.stubs import make_stubs
from lamina.run.sysctl import path_of
from lamina.run.volumes import fill_from_image

_KERNELS = {"/proc", "/sys", "/dev"}
_DEVICE = ("ro", "nosuid", "noexec")
_COVERABLE = {
    *("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"),
    *("net/dev", "sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"),
}
"""What of /proc may be covered: figures that a container is told otherwise (lxcfs does)."""


MountOverlay = Callable[[Orders, str, list[str], str], None]
"""Mounts at a path the layers given, the topmost first, with those mount points on top of them
that the image lacks (empty for none)."""


class LinkedMountPoint(Invalid):
    """The image has a link where the kernel's own file systems belong.

    What is masked under that name would otherwise be reachable under the other.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"the image has a link at {path}, where a directory belongs")


class InsideProc(Invalid):
    """A mount over the kernel's own files, with which a process is governed."""

    def __init__(self, target: str) -> None:
        super().__init__(f"{target} cannot be mounted because it is inside /proc")


class NoSuchSubpath(NotFound):
    """The volume has nothing at the subpath."""

    def __init__(self, source: str, subpath: str, why: str) -> None:
        super().__init__(f"cannot access path {subpath} in the volume at {source}: {why}")


class BadValue(Invalid):
    """The kernel does not take the value of a parameter."""

    def __init__(self, name: str, value: str, why: str) -> None:
        super().__init__(f"sysctl {name}={value}: {why}")


def mount_root(orders: Orders, overlay: MountOverlay | None = None) -> int:
    """Mount the container's root file system; returns its root directory (O_PATH).

    What is only needed to lay it out is in a tmpfs at `merged`, which nobody else sees.
    `overlay` mounts the layers when that takes more than to mount them.
    """
    spec = orders.spec
    private = str(spec.directory / "merged")
    place = os.open(private, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mounts.attach(mounts.new_filesystem("tmpfs", (("mode", "755"),)), place)
    os.close(place)
    merged = f"{private}/root"
    os.mkdir(merged)
    rootfs = spec.rootfs
    if rootfs.whole is not None:
        return _mount_whole(str(rootfs.whole), merged, privileged=spec.privileged)
    lowers = [str(path) for path in reversed(rootfs.lowers)]
    upper, work = str(rootfs.upper), str(rootfs.work)
    image = _open_image(lowers, upper, merged)
    stubs = _make_stubs(image, orders, private)
    if image >= 0:
        os.close(image)
    if overlay is not None:
        overlay(orders, merged, lowers, stubs)
        return os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if stubs:
        lowers.insert(0, stubs)
    flags = () if spec.privileged else ("nodev",)
    mounts.mount_overlay(merged, lowers, upper, work, volatile=rootfs.volatile, flags=flags)
    return os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _mount_whole(root: str, merged: str, *, privileged: bool) -> int:
    flags = () if privileged else ("nodev",)
    mount = mounts.clone(syscall.AT_FDCWD, root, flags=flags, recursive=False)
    place = os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mounts.attach(mount, place)
    finally:
        os.close(place)
    return os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _open_image(lowers: list[str], upper: str, merged: str) -> int:
    """The image's merged tree, and what the container changed in it before; -1 if empty."""
    layers = [upper, *lowers] if os.listdir(upper) else lowers
    if not layers:
        return -1
    if len(layers) == 1:  # overlayfs without an upper directory wants two
        return os.open(layers[0], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mounts.mount_overlay(merged, layers, flags=("ro",))
    fd = os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    syscall.umount2(merged, syscall.MNT_DETACH)
    return fd


def missing_mount_points(root: Path, spec: ContainerSpec) -> list[tuple[str, bool]]:
    """What `spec` mounts onto and a whole root file system does not have: paths, and whether
    each is a directory."""
    steps_ = plan(spec)
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        targets = dict.fromkeys(mount_points(steps_))
        missing = [target for target in targets if not exists_in(fd, target)]
    finally:
        os.close(fd)
    return [(target, _is_directory(steps_, target)) for target in missing]


def _make_stubs(image: int, orders: Orders, private: str) -> str:
    """A directory with the mount points that the image lacks; empty when it lacks none."""
    targets = [
        (target, _is_directory(orders.steps, target)) for target in mount_points(orders.steps)
    ]
    stubs, root = f"{private}/stubs", image
    if image < 0:
        os.mkdir(stubs, 0o755)
        root = os.open(stubs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    new = _new_temporary(root, orders.steps)
    try:
        made = make_stubs(root, targets, stubs) or image < 0
        for path in new:
            os.chmod(f"{stubs}/{path}", 0o1777)  # noqa: S103 - as /tmp has it
        return stubs if made else ""
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        # Before Linux 6.6 a tmpfs does not take every attribute that a directory may have.
        stubs = str(orders.spec.rootfs.work.with_name("stubs"))
        make_stubs(root, targets, stubs)
        return stubs
    finally:
        if image < 0:
            os.close(root)


def _new_temporary(root: int, plan: Sequence[Step]) -> list[str]:
    """Where a tmpfs goes that takes its mode from its place, and there is none."""
    places = mount_points(
        [step for step in plan if isinstance(step, steps.MountFilesystem) and step.keep_mode]
    )
    return ["/".join(resolve_in(root, each)) for each in places if not exists_in(root, each)]


def _is_directory(plan: Sequence[Step], target: str) -> bool:
    for step in plan:
        if isinstance(step, steps.BindMount) and step.target == target:
            return os.path.isdir(_inside(step))
        if isinstance(step, steps.BindDevice) and step.target == target:
            return False
        if isinstance(step, steps.TreeBind) and step.target == target:
            return step.directory
        if isinstance(step, steps.PlaceFile) and step.target == target:
            return False
    return True


def _filesystem(root: int, step: steps.MountFilesystem, orders: Orders) -> None:
    try:
        if step.target in orders.trees:
            mount = os.dup(orders.trees[step.target])
        else:
            mount = new_filesystem(root, step, orders)
    except OSError:
        if step.optional:
            return
        raise
    if step.target in _KERNELS and "/" + "/".join(resolve_in(root, step.target)) != step.target:
        os.close(mount)
        raise LinkedMountPoint(step.target)
    _attach(root, mount, step.target, directory=True)


def new_filesystem(root: int, step: steps.MountFilesystem, orders: Orders) -> int:
    """The file system of a step, mounted nowhere yet.  Raises OSError."""
    options = step.options
    if step.keep_mode:
        options = (*options, ("mode", _mode_in(root, step.target)))
    try:
        return mounts.new_filesystem(step.fstype, options, step.flags)
    except PermissionError:
        # They show a namespace, and who does not own that may not make one: the host's, which
        # is what sysfs shows of a network here, and proc if the processes are to be the host's.
        hosts = step.fstype == "proc" and orders.spec.namespaces.pid == "host"
        if step.fstype != "sysfs" and not hosts:
            raise
        return mounts.clone(syscall.AT_FDCWD, step.target, flags=step.flags)


def _mode_in(root: int, target: str) -> str:
    place = _open_if_there(root, target)
    if place is None:
        return "1777"
    try:
        return f"{stat.S_IMODE(os.fstat(place).st_mode):o}"
    finally:
        os.close(place)


def _bind(root: int, step: steps.BindMount, orders: Orders) -> None:
    prepared = step.target in orders.trees
    if step.optional and not prepared and not os.path.exists(step.source):
        return
    if step.populate and not prepared:
        fill_from_image(root, step.target, step.source)
    mount = os.dup(orders.trees[step.target]) if prepared else tree_of(step)
    try:
        mounts.restrict(mount, step.flags, recursive=step.recursive and step.flags_below)
    except OSError:
        os.close(mount)
        raise
    _attach(root, mount, step.target, directory=stat.S_ISDIR(os.fstat(mount).st_mode))


def tree_of(step: steps.BindMount) -> int:
    """A clone of what is bound, mounted nowhere yet.  Raises OSError, NoSuchSubpath."""
    if not step.subpath:
        return mounts.clone(syscall.AT_FDCWD, step.source, recursive=step.recursive)
    source = os.open(step.source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        place = open_in(source, step.subpath)
    except OSError as error:
        raise NoSuchSubpath(step.source, step.subpath, error.strerror or "") from None
    finally:
        os.close(source)
    try:
        return mounts.clone(place, "", recursive=step.recursive)
    finally:
        os.close(place)


def _inside(step: steps.BindMount) -> str:
    """The path of a source, to ask for its kind alone: links in it lead anywhere."""
    return f"{step.source}/{step.subpath}" if step.subpath else step.source


def _tree(root: int, step: steps.TreeBind, orders: Orders) -> None:
    merged, empty, nothing = (_private(orders) for _ in range(3))
    lowers = [*step.lowers, empty]
    if step.read_only:
        # Without a writable layer overlayfs wants two; there may be none.
        mounts.mount_overlay(merged, [*lowers, nothing], flags=("ro", "nodev"))
    else:
        upper, work = f"{step.scratch}/upper", f"{step.scratch}/work"
        os.mkdir(upper)
        os.mkdir(work)
        top = os.stat(lowers[0])
        os.chown(upper, top.st_uid, top.st_gid)
        os.chmod(upper, stat.S_IMODE(top.st_mode))
        mounts.mount_overlay(merged, lowers, upper, work, volatile=True, flags=("nodev",))
    directory = os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    place = open_in(directory, step.path)
    mount = mounts.clone(place, "", recursive=False)
    os.close(place)
    os.close(directory)
    _attach(root, mount, step.target, directory=step.directory)


def _file(root: int, step: steps.PlaceFile, orders: Orders) -> None:
    path = f"{_private(orders)}/file"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as stream:
        stream.write(step.content.content)
        os.fchown(fd, step.uid, step.gid)
        os.fchmod(fd, step.mode)
    mount = mounts.clone(syscall.AT_FDCWD, path, flags=step.flags, recursive=False)
    _attach(root, mount, step.target, directory=False)


def _private(orders: Orders) -> str:
    """A new directory in memory that nobody sees but this process."""
    place = str(orders.spec.directory / "merged")
    path = f"{place}/{len(os.listdir(place))}"
    os.mkdir(path)
    return path


def _attach(root: int, mount: int, target: str, *, directory: bool) -> None:
    try:
        place = make_in(root, target, directory=directory)
    except OSError:
        os.close(mount)
        raise
    try:
        if os.fstat(place).st_dev == os.stat("proc", dir_fd=root).st_dev:
            _check_in_proc(root, place, target)
    except BaseException:
        os.close(mount)
        os.close(place)
        raise
    try:
        mounts.attach(mount, place)
    finally:
        os.close(place)


def _check_in_proc(root: int, place: int, target: str) -> None:
    """That what is covered of the kernel's own files is none that a process is governed by.

    Asked of the place itself: the names that led there may lead elsewhere by now.
    """
    if not _is_mount_root(root, "proc"):
        return  # it is the image's directory, on which /proc is mounted at this moment
    top, found = (os.readlink(f"/proc/self/fd/{fd}") for fd in (root, place))
    if found.removeprefix(f"{top.rstrip('/')}/proc/") not in _COVERABLE:
        raise InsideProc(target)


def _is_mount_root(directory: int, name: str) -> bool:
    return os.stat(name, dir_fd=directory).st_dev != os.fstat(directory).st_dev


def _terminals(root: int, step: steps.AttachTerminals, orders: Orders) -> None:
    _attach(root, os.dup(orders.terminals), step.target, directory=True)
    if step.console:
        place = open_in(root, step.target + "/0")
        try:
            console = mounts.clone(place, "", recursive=False)
        finally:
            os.close(place)
        _attach(root, console, step.console, directory=False)


def _directory(root: int, step: steps.MakeDirectory, orders: Orders) -> None:
    # In a file system of ours, that nobody else has seen yet: there is nothing to be followed.
    above, _, name = step.path.rpartition("/")
    parent = open_in(root, above, os.O_PATH | os.O_DIRECTORY)
    try:
        os.mkdir(name, step.mode, dir_fd=parent)
    finally:
        os.close(parent)


def _devices(root: int, step: steps.MakeDevices, orders: Orders) -> None:
    for name in step.names:
        # Bound, not made: on a mount without `nodev` of its own, while everything else is
        # `nodev`, so that a device node the container makes opens nothing.
        source, target = f"/dev/{name}", f"{step.directory}/{name}"
        _device(root, steps.BindDevice(source, target), orders)


def _device(root: int, step: steps.BindDevice, orders: Orders) -> None:
    prepared = orders.trees.get(step.target)
    device = clone_device(step) if prepared is None else os.dup(prepared)
    _attach(root, device, step.target, directory=False)


def clone_device(step: steps.BindDevice) -> int:
    """The node, mounted nowhere yet.  Raises OSError."""
    # Read-only is its owner and mode, which are the host's; what is written to it still goes.
    return mounts.clone(syscall.AT_FDCWD, step.source, flags=_DEVICE, recursive=False)


def _shared_memory(root: int, step: steps.ShareMemory, orders: Orders) -> None:
    _attach(root, os.dup(orders.shared_memory), step.target, directory=True)


def _parameter(root: int, step: steps.SetParameter, orders: Orders) -> None:
    try:
        fd = open_in(root, f"/proc/sys/{path_of(step.name)}", os.O_WRONLY)
    except OSError:
        if step.optional:
            return
        raise
    try:
        os.write(fd, step.value.encode())
    except OSError as error:
        if not step.optional:
            raise BadValue(step.name, step.value, error.strerror or "") from None
    finally:
        os.close(fd)


def _link(root: int, step: steps.MakeLink, orders: Orders) -> None:
    parent, _, name = step.path.rpartition("/")
    directory = open_in(root, parent, os.O_PATH | os.O_DIRECTORY)
    try:
        os.symlink(step.text, name, dir_fd=directory)
    except FileExistsError:
        pass
    finally:
        os.close(directory)


def _mask(root: int, step: steps.Mask, orders: Orders) -> None:
    place = _open_if_there(root, step.path)
    if place is None:
        return
    try:
        if stat.S_ISDIR(os.fstat(place).st_mode):
            empty = mounts.new_filesystem("tmpfs", flags=("ro", "nosuid", "nodev", "noexec"))
        else:
            empty = mounts.clone(syscall.AT_FDCWD, "/dev/null", flags=_DEVICE, recursive=False)
        mounts.attach(empty, place)
    finally:
        os.close(place)


def _read_only(root: int, step: steps.MakeReadOnly, orders: Orders) -> None:
    if step.path == "/":
        mounts.restrict(root, ("ro",))
        return
    place = _open_if_there(root, step.path)
    if place is None:
        return
    flags = ("ro", "nosuid", "nodev", "noexec")
    try:
        mounts.restrict(place, flags)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        mounts.attach(mounts.clone(place, "", flags=flags), place)  # it is no mount yet
    finally:
        os.close(place)


def _open_if_there(root: int, path: str) -> int | None:
    try:
        return open_in(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def name_of(step: Step) -> str:
    """What a step does, to go after "cannot"."""
    match step:
        case steps.MountFilesystem():
            return f"mount {step.fstype} at {step.target}"
        case steps.TreeBind():
            return f"mount {step.path} at {step.target}"
        case steps.PlaceFile():
            return f"put a file at {step.target}"
        case steps.BindMount():
            return f"mount {step.source} at {step.target}"
        case steps.BindDevice():
            return f"bind the device {step.source} at {step.target}"
        case steps.ShareMemory():
            return f"share {step.target}"
        case steps.SetParameter():
            return f"set {step.name}"
        case _:
            return f"set up {getattr(step, 'path', '/dev')}"


_STEPS: dict[type, Callable[[int, object, Orders], None]] = {
    steps.MountFilesystem: _filesystem,  # type: ignore[dict-item]
    steps.BindMount: _bind,  # type: ignore[dict-item]
    steps.TreeBind: _tree,  # type: ignore[dict-item]
    steps.PlaceFile: _file,  # type: ignore[dict-item]
    steps.AttachTerminals: _terminals,  # type: ignore[dict-item]
    steps.MakeDirectory: _directory,  # type: ignore[dict-item]
    steps.MakeDevices: _devices,  # type: ignore[dict-item]
    steps.BindDevice: _device,  # type: ignore[dict-item]
    steps.ShareMemory: _shared_memory,  # type: ignore[dict-item]
    steps.SetParameter: _parameter,  # type: ignore[dict-item]
    steps.MakeLink: _link,  # type: ignore[dict-item]
    steps.Mask: _mask,  # type: ignore[dict-item]
    steps.MakeReadOnly: _read_only,  # type: ignore[dict-item]
}


def carry_out(root: int, step: Step, orders: Orders) -> None:
    """Do one step below `root`.  Raises OSError, LinkedMountPoint."""
    _STEPS[type(step)](root, step, orders)
