"""The container's first process, from the fork to the program it becomes.

Runs in a process forked from ours, alone in a new pid namespace, and ends in
`os.execve` or `os._exit`: it returns to nobody.  Everything in here is `os` and system
calls, since the process it was forked from may have had other threads.
"""

from __future__ import annotations

import os
from typing import NoReturn

from lamina.linux import cgroup, fanotify, syscall
from lamina.run.become import Progress, Role, be_alone, become
from lamina.run.layout import carry_out, mount_root, name_of
from lamina.run.orders import Orders
from lamina.run.spec import ContainerSpec


def main(orders: Orders) -> NoReturn:
    """Become the container's program, or report why not and exit with 125, 126 or 127."""
    progress = Progress(orders.status)
    try:
        _enter(orders, progress)
        become(_role(orders), progress)
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of our parent
        progress.fail(error)
    finally:
        os._exit(125)


def _role(orders: Orders) -> Role:
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
    )


def _enter(orders: Orders, progress: Progress) -> None:
    spec = orders.spec
    be_alone(orders.status)
    progress.doing = "join a control group"
    for group in spec.cgroups:
        cgroup.join(group)
    progress.doing = "make namespaces"
    _unshare(spec)
    progress.doing = "mount the root file system"
    root = mount_root(orders)
    for step in orders.steps:
        progress.doing = name_of(step)
        carry_out(root, step, orders)
    progress.doing = "enter the root file system"
    _pivot(root)
    if orders.watch >= 0:
        progress.doing = "watch which files are opened"
        fanotify.mark(orders.watch, "/")
    progress.doing = "set the host name"
    syscall.sethostname(spec.hostname or spec.identity[:12])
    if spec.network == "none":
        progress.doing = "set up the loopback interface"
        syscall.raise_interface("lo")


def _unshare(spec: ContainerSpec) -> None:
    flags = (
        syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWCGROUP
    )
    if spec.network == "none":
        flags |= syscall.CLONE_NEWNET
    elif spec.network != "host":
        there = os.open(spec.network, os.O_RDONLY | os.O_CLOEXEC)
        syscall.setns(there, syscall.CLONE_NEWNET)
        os.close(there)
    syscall.unshare(flags)
    # Nothing that is mounted from here on may be seen by the host, nor the reverse.
    syscall.mount("", "/", "", syscall.MS_REC | syscall.MS_PRIVATE)
    try:
        syscall.join_session_keyring(spec.identity)
    except OSError:
        pass  # no keyrings in this kernel, or the user's quota of keys is used up


def _pivot(root: int) -> None:
    os.fchdir(root)
    # The old root is mounted over the new one and then taken off it (pivot_root(2), NOTES).
    syscall.pivot_root(".", ".")
    syscall.umount2(".", syscall.MNT_DETACH)
    os.chdir("/")
    os.close(root)
