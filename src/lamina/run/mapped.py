"""A container in a user namespace of its own, made half outside of it and half inside.

What only root of the namespace around it may do (the overlay over its layers, clones of what
is bound, file systems of namespaces that are not the container's) is done by a process
between: it then becomes root of the container's user namespace and starts the container's
first process, so that every other namespace belongs to that one, and ends.  The first process
lays out the rest and goes on as any other (`init`).
"""

from __future__ import annotations

import os
import stat
from typing import NoReturn

import msgspec

from lamina.linux import cgroup, id_mapping, mounts, syscall, userns
from lamina.linux.pidns import fork_prepared
from lamina.run import become, init, layout, steps
from lamina.run.orders import Orders
from lamina.run.plan import is_anothers
from lamina.run.spec import Ids
from lamina.run.volumes import fill_from_image

_TAKING_PLACES = (steps.BindMount, steps.BindDevice, steps.MountFilesystem)
_PLACE = "/run/lamina"
_HERE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class _Half(msgspec.Struct):
    """What the process between hands on."""

    orders: Orders
    root: int
    """The root file system, a mount that is nowhere yet."""
    namespaces: int
    """Those to make, as CLONE_NEW… flags."""


def fork_mapped(orders: Orders) -> int:
    """Fork the container's first process; returns its pid here.

    `orders.spec` has the path of its user namespace.
    """
    where = orders.spec.namespaces.pid
    space = os.open(where, os.O_RDONLY | os.O_CLOEXEC) if where.startswith("/") else None
    made: list[_Half] = []

    def prepare() -> None:
        progress = become.Progress(orders.status)
        try:
            made.append(_outside(orders, progress))
        except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of our parent
            progress.fail(error)
            os._exit(125)

    try:
        pid = fork_prepared(space, prepare, new=where == "private")
    finally:
        if space is not None:
            os.close(space)
    if pid == 0:
        _inside(made[0])
    return pid


def _outside(orders: Orders, progress: become.Progress) -> _Half:
    """Until this process is root of the container's user namespace, and no more than that."""
    spec, ids = orders.spec, orders.spec.ids
    assert ids is not None
    become.be_alone(orders.status)
    progress.doing = "join a control group"
    for group in spec.cgroups:
        cgroup.join(group)
    progress.doing = "prepare its process"
    become.bequeath(orders.streams, spec.limits, ids.root)
    progress.doing = "make namespaces"
    user, orders = open_user(orders)
    orders, flags = init.join_others(orders)
    init.be_apart(syscall.CLONE_NEWNS, spec.identity)
    progress.doing = "mount the root file system"
    root = mount_root(orders)
    trees = dict(orders.trees)
    for step in orders.steps:
        progress.doing = layout.name_of(step)
        if isinstance(step, _TAKING_PLACES) and step.target not in trees:
            mount = _prepare_step(root, step, orders)
            if mount is not None:
                trees[step.target] = mount
    progress.doing = "become root of a user namespace"
    whole = mounts.clone(root, "", recursive=False)
    userns.become_root(user)
    return _Half(msgspec.structs.replace(orders, trees=trees), whole, flags)


def open_user(orders: Orders) -> tuple[int, Orders]:
    """The container's user namespace, and orders that know whether it maps owners of files."""
    user = os.open(orders.spec.namespaces.user, os.O_RDONLY | os.O_CLOEXEC)
    # Only root of the machine may say whose its file systems are; below it, ids are the same.
    owners = user if userns.is_initial() else -1
    return user, msgspec.structs.replace(orders, owners=owners)


def mount_root(orders: Orders) -> int:
    """As layout.py's, with the owners of the container."""
    return layout.mount_root(orders, _mount_layers if orders.owners >= 0 else None)


# file systems


def _mount_layers(orders: Orders, place: str, lowers: list[str], stubs: str) -> None:
    """Mount the overlay over layers, each file shown with whom its owner on disk stands for,
    and written with that owner.  Raises OSError, OwnersNotMapped.
    """
    spec, ids = orders.spec, orders.spec.ids
    assert ids is not None
    private = f"{spec.directory}/merged"
    mapped = [
        _mapped(lower, f"{private}/layer{number}", orders.owners)
        for number, lower in enumerate(lowers)
    ]
    writable = _mapped(str(spec.rootfs.upper.parent), f"{private}/writable", orders.owners)
    if stubs:
        _give_away(stubs, ids)
        mapped.insert(0, stubs)
    # The kernel makes files in the layer as whoever mounts it, and that must be somebody there.
    with userns.files_of(*ids.root):
        mounts.mount_overlay(
            place,
            mapped,
            f"{writable}/{spec.rootfs.upper.name}",
            f"{writable}/{spec.rootfs.work.name}",
            volatile=spec.rootfs.volatile,
            flags=("nodev",),
        )


def _mapped(source: str, place: str, namespace: int) -> str:
    mount = mounts.clone(syscall.AT_FDCWD, source, recursive=False)
    try:
        mounts.map_owners(mount, namespace, source)
        os.mkdir(place)
        target = os.open(place, _HERE)
    except BaseException:
        os.close(mount)
        raise
    mounts.attach(mount, target)
    os.close(target)
    return place


def _give_away(stubs: str, ids: Ids) -> None:
    """Let files in memory belong to whom their owners stand for: not every kernel maps those."""
    for directory, _, files in os.walk(stubs):
        for path in (directory, *(f"{directory}/{name}" for name in files)):
            status = os.lstat(path)
            uid = id_mapping.outside(ids.uids, status.st_uid)
            gid = id_mapping.outside(ids.gids, status.st_gid)
            os.lchown(path, -1 if uid is None else uid, -1 if gid is None else gid)


def _prepare_step(
    root: int, step: steps.BindMount | steps.BindDevice | steps.MountFilesystem, orders: Orders
) -> int | None:
    """The mount of a step that root of the container could not make, mounted nowhere yet."""
    if isinstance(step, steps.BindDevice):
        return layout.clone_device(step)
    if isinstance(step, steps.MountFilesystem):
        return _of_another(root, step, orders) if is_anothers(step, orders.spec) else None
    if step.optional and not os.path.exists(step.source):
        return None
    return bind(root, step, orders)


def bind(root: int, step: steps.BindMount, orders: Orders) -> int:
    """What a step binds, mounted nowhere yet, with the container's owners, and filled from the
    image if that is to be.  `root` is the image as the container sees it."""
    ids = orders.spec.ids
    assert ids is not None
    mount = layout.tree_of(step)
    try:
        if step.owners and orders.owners >= 0:
            mounts.map_owners(mount, orders.owners, step.source)
        if step.populate:
            # By way of the mount: its owners are those that the image's files are shown with.
            with userns.files_of(*ids.root):
                fill_from_image(root, step.target, f"/proc/self/fd/{mount}")
    except BaseException:
        os.close(mount)
        raise
    return mount


def _of_another(root: int, step: steps.MountFilesystem, orders: Orders) -> int | None:
    processes = orders.spec.namespaces.pid
    if step.fstype == "proc" and processes != "host":
        return init.clone_of_other(processes, "pid", step.target)
    try:
        return layout.new_filesystem(root, step, orders)
    except OSError:
        if step.optional:
            return None
        raise


def show(root: int, orders: Orders) -> tuple[str, dict[str, str]]:
    """Put the root file system, and what is bound with the container's owners, where root of
    the container finds them by name: the store is closed to it.  Returns the path of the root
    file system and those of the others by target.

    In a mount namespace of ours, which nobody else is in but the container.
    """
    os.makedirs(_PLACE, exist_ok=True)
    place = os.open(_PLACE, _HERE)
    mounts.attach(mounts.new_filesystem("tmpfs", (("mode", "755"),)), place)
    os.close(place)
    sources: dict[str, str] = {}
    for step in orders.steps:
        if isinstance(step, steps.BindMount) and step.owners and orders.owners >= 0:
            sources[step.target] = f"{_PLACE}/{len(sources)}"
            _put(bind(root, step, orders), sources[step.target])
    _put(mounts.clone(root, "", recursive=False), f"{_PLACE}/root")
    return f"{_PLACE}/root", sources


def _put(mount: int, path: str) -> None:
    if stat.S_ISDIR(os.fstat(mount).st_mode):
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
    target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    mounts.attach(mount, target)
    os.close(target)


# inside


def _inside(half: _Half) -> NoReturn:
    """The first process, whose memory is that of the process between."""
    orders = half.orders
    progress = become.Progress(orders.status, "make namespaces")
    try:
        become.be_alone(orders.status)
        init.be_apart(half.namespaces, orders.spec.identity)
        # Over what everybody may reach; nobody looks there any more.
        place = os.open("/", _HERE)
        mounts.attach(os.dup(half.root), place)
        os.close(place)
        init.settle(orders, half.root, progress)
        become.become(init.role(orders), progress)
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of our parent
        progress.fail(error)
    finally:
        os._exit(125)
