"""The container's first process, from the fork to the program it becomes.

Runs in a process forked from ours, alone in a new pid namespace, and ends in
`os.execve` or `os._exit`: it returns to nobody.  Everything in here is `os` and system
calls, since the process it was forked from may have had other threads.
"""

from __future__ import annotations

import os
from typing import NoReturn

import msgspec

from lamina.linux import cgroup, fanotify, mounts, syscall
from lamina.linux.rooted import open_in
from lamina.run.become import Progress, be_alone, become, import_nothing
from lamina.run.layout import carry_out, mount_root, name_of
from lamina.run.orders import Orders
from lamina.run.process import Role


def main(orders: Orders) -> NoReturn:
    """Become the container's program, or report why not and exit with 125, 126 or 127."""
    progress = Progress(orders.status)
    try:
        _enter(orders, progress)
        become(role(orders), progress)
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of our parent
        progress.fail(error)
    finally:
        os._exit(125)


def role(orders: Orders) -> Role:
    """What the first process is to be."""
    spec = orders.spec
    return Role(
        spec.process,
        orders.capabilities,
        orders.trampoline,
        orders.streams,
        "/dev/pts/0" if spec.process.terminal else "",
        orders.filter,
        spec.no_new_privileges,
        spec.limits,
        apparmor=spec.apparmor,
        init=spec.init,
    )


def _enter(orders: Orders, progress: Progress) -> None:
    spec = orders.spec
    be_alone(orders.status)
    progress.doing = "join a control group"
    for group in spec.cgroups:
        cgroup.join(group)
    progress.doing = "make namespaces"
    orders = _unshare(orders)
    progress.doing = "mount the root file system"
    settle(orders, mount_root(orders), progress)


def settle(orders: Orders, root: int, progress: Progress) -> None:
    """Carry out all steps in the root file system, which is mounted, and enter it."""
    spec = orders.spec
    for step in orders.steps:
        progress.doing = name_of(step)
        carry_out(root, step, orders)
    progress.doing = "enter the root file system"
    _pivot(root)
    if orders.watch >= 0:
        progress.doing = "watch which files are opened"
        fanotify.mark(orders.watch, "/")
    if spec.namespaces.uts == "private":
        progress.doing = "set the host name"
        syscall.sethostname(spec.hostname or spec.identity[:12])
        syscall.setdomainname(spec.domainname or "(none)")
    if spec.network == "none":
        progress.doing = "set up the loopback interface"
        syscall.raise_interface("lo")


def _unshare(orders: Orders) -> Orders:
    """Make or join namespaces; the pid namespace is there already."""
    orders, flags = join_others(orders)
    be_apart(flags, orders.spec.identity)
    return orders


def join_others(orders: Orders) -> tuple[Orders, int]:
    """Join namespaces that are there; returns as CLONE_NEW… flags those that are to be made."""
    spec, shared = orders.spec, -1
    namespaces = spec.namespaces
    network = "private" if spec.network == "none" else spec.network
    if namespaces.ipc.startswith("/"):
        # Its /dev/shm is a mount of that container.
        shared = clone_of_other(namespaces.ipc, "ipc", "/dev/shm")  # noqa: S108
    flags = syscall.CLONE_NEWNS
    for where, flag in (
        (network, syscall.CLONE_NEWNET),
        (namespaces.uts, syscall.CLONE_NEWUTS),
        (namespaces.ipc, syscall.CLONE_NEWIPC),
        (namespaces.cgroup, syscall.CLONE_NEWCGROUP),
    ):
        if where.startswith("/"):
            _join(where, flag)
        elif where != "host":
            flags |= flag
    return msgspec.structs.replace(orders, shared_memory=shared), flags


def be_apart(flags: int, identity: str) -> None:
    """Make namespaces: of mounts at least."""
    syscall.unshare(flags)
    # Nothing that is mounted from here on may be seen by the host, nor the reverse.
    syscall.mount("", "/", "", syscall.MS_REC | syscall.MS_PRIVATE)
    try:
        syscall.join_session_keyring(identity)
    except OSError:
        pass  # no keyrings in this kernel, or the user's quota of keys is used up


def _join(path: str, kind: int) -> None:
    there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscall.setns(there, kind)
    finally:
        os.close(there)


def clone_of_other(namespace: str, kind: str, path: str) -> int:
    """A clone of the mount at `path` in the container of which `namespace` is the path of a
    namespace of that kind."""
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _join(f"{namespace.removesuffix(f'/ns/{kind}')}/ns/mnt", syscall.CLONE_NEWNS)
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        place = open_in(root, path)
        return mounts.clone(place, "", recursive=False)
    finally:
        syscall.setns(own, syscall.CLONE_NEWNS)
        os.close(own)


def _pivot(root: int) -> None:
    import_nothing()
    os.fchdir(root)
    # The old root is mounted over the new one and then taken off it (pivot_root(2), NOTES).
    syscall.pivot_root(".", ".")
    syscall.umount2(".", syscall.MNT_DETACH)
    os.chdir("/")
    os.close(root)
