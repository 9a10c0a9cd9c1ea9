"""The container's first process, from the fork to the program it becomes.

Runs in a process forked from ours, alone in a new pid namespace, and ends in
`os.execve` or `os._exit`: it returns to nobody.  It takes nothing of the host
with it but its three streams.  Everything in here is `os` and system calls, since
the process it was forked from may have had other threads.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import stat
from collections.abc import Sequence
from typing import NoReturn

import msgspec

from lamina.errors import EngineError
from lamina.linux import capability, cgroup, fanotify, rlimit, syscall
from lamina.linux.rooted import make_in, open_in
from lamina.linux.trampoline import STATUS_FD
from lamina.run.identity import lookup
from lamina.run.layout import carry_out, mount_root, name_of
from lamina.run.orders import Orders
from lamina.run.spec import ContainerSpec, Identity

SIGNALS = tuple(map(int, signal.valid_signals()))
"""All of them, as plain numbers: asking for them takes as long as a mount."""
_LIBC_SIGNALS = (32, 33)
"""glibc's own, which Python cannot set: the container must not begin with them ignored."""
_LARGEST_PASSWD = 16 << 20
_PRIVATE_FDS = 16
"""Descriptors that are needed until the end are kept from here on."""


class Failure(Exception):
    """The program cannot be executed; `status` is the exit status that says so."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def main(orders: Orders) -> NoReturn:
    """Become the container's program, or report why not and exit with 125, 126 or 127."""
    progress = _Progress(orders.status)
    try:
        _become(orders, progress)
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of our parent
        report = _report(error, progress.doing)
        os.write(progress.status, "\0".join(report).encode("utf-8", "surrogateescape"))
    finally:
        os._exit(125)


class _Progress(msgspec.Struct):
    status: int
    """Where the status pipe is by now."""
    doing: str = "start a process"


def _report(error: BaseException, doing: str) -> tuple[str, str, str, str]:
    """Exit status, kind, message and hint."""
    if isinstance(error, Failure):
        return str(error.status), "exec", str(error), ""
    if isinstance(error, EngineError):
        return "125", error.kind, str(error), error.hint
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        kind = "denied" if error.errno in {errno.EPERM, errno.EACCES} else "unsupported"
        return "125", kind, f"cannot {doing}{where}: {error.strerror}", ""
    return "125", "unsupported", f"cannot {doing}: {error!r}", ""


def _become(orders: Orders, progress: _Progress) -> None:
    spec = orders.spec
    progress.doing = "start a process"
    _be_alone(orders)
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
    progress.doing = "give the process its streams"
    _take_streams(orders)
    progress.status = STATUS_FD
    progress.doing = "look up the user"
    identity, home = lookup(spec.process.user, _read("/etc/passwd"), _read("/etc/group"))
    _hand_over_streams(identity.uid)
    progress.doing = f"enter the working directory {spec.process.cwd}"
    _enter(spec.process.cwd)
    progress.doing = "give up privileges"
    _give_up(orders, identity)
    env = _environment(spec.process.env, home)
    progress.doing = "execute the program"
    path = _find(spec.process.args[0], env)
    os.execve(STATUS_FD + 1, [path, *spec.process.args], env)  # noqa: S606


# alone


def _be_alone(orders: Orders) -> None:
    syscall.prctl(syscall.PR_SET_PDEATHSIG, signal.SIGKILL)
    poll = select.poll()
    poll.register(orders.status, 0)
    if poll.poll(0):  # our parent died before the kernel knew to tell us
        os._exit(125)
    syscall.prctl(syscall.PR_SET_DUMPABLE, 0)
    os.setsid()
    for number in SIGNALS:
        if signal.getsignal(number) not in {signal.SIG_DFL, None} and number not in {
            signal.SIGKILL,
            signal.SIGSTOP,
        }:
            signal.signal(number, signal.SIG_DFL)
    for reserved in _LIBC_SIGNALS:
        syscall.default_signal(reserved)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)


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


# the process


def _pivot(root: int) -> None:
    os.fchdir(root)
    # The old root is mounted over the new one and then taken off it (pivot_root(2), NOTES).
    syscall.pivot_root(".", ".")
    syscall.umount2(".", syscall.MNT_DETACH)
    os.chdir("/")
    os.close(root)


def _take_streams(orders: Orders) -> None:
    """Leave open 0, 1, 2, the status pipe as 3 and the trampoline as 4, and nothing else."""
    if orders.spec.process.terminal:
        terminal = os.open("/dev/pts/0", os.O_RDWR | os.O_NOCTTY)
        syscall.set_controlling_terminal(terminal)
        sources = [terminal] * 3
    else:
        sources = [orders.streams.stdin, orders.streams.stdout, orders.streams.stderr]
    sources += [orders.status, orders.trampoline]
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _PRIVATE_FDS) for fd in sources]
    for place, fd in enumerate(high):
        os.dup2(fd, place, inheritable=place <= STATUS_FD)
    syscall.close_range(len(high))


def _hand_over_streams(uid: int) -> None:
    """Let the user open pipes and the terminal again by name: `> /dev/stderr`."""
    for fd in range(3):
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or os.isatty(fd):
            os.fchown(fd, uid, -1)


def _read(path: str) -> bytes:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = open_in(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    finally:
        os.close(root)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b""
        with open(fd, "rb", closefd=False) as stream:
            return stream.read(_LARGEST_PASSWD)
    except OSError:
        return b""  # a link to something in /proc that cannot be read
    finally:
        os.close(fd)


def _enter(cwd: str) -> None:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Through descriptors and no magic links: a working directory such as
        # /proc/self/fd/7 must not lead anywhere (CVE-2024-21626).
        directory = make_in(root, cwd, directory=True)
        os.fchdir(directory)
        os.close(directory)
    finally:
        os.close(root)


def _give_up(orders: Orders, identity: Identity) -> None:
    for limit in orders.spec.limits:
        rlimit.set_limit(limit.name, limit.soft, limit.hard)
    held = syscall.capget()
    mask = capability.mask(orders.capabilities) & held
    for number in range(held.bit_length()):
        if held >> number & 1 and not mask >> number & 1:
            syscall.prctl(syscall.PR_CAPBSET_DROP, number)
    if orders.spec.no_new_privileges:
        syscall.prctl(syscall.PR_SET_NO_NEW_PRIVS, 1)
    elif orders.filter:
        # Without it only a process with SYS_ADMIN may install a filter: do it while we may.
        syscall.set_seccomp_filter(orders.filter)
    os.setgroups(identity.groups)
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    syscall.capset(0 if identity.uid else mask)
    # Changing ids clears it.
    syscall.prctl(syscall.PR_SET_PDEATHSIG, signal.SIGKILL)
    if orders.spec.no_new_privileges and orders.filter:
        syscall.set_seccomp_filter(orders.filter)


def _environment(lines: Sequence[str], home: str) -> dict[str, str]:
    env: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition("=")
        env[name] = value
    env.setdefault("HOME", home)
    return env


def _find(program: str, env: dict[str, str]) -> str:
    if "/" in program:
        return program
    denied = False
    for directory in env.get("PATH", "").split(":"):
        candidate = f"{directory or '.'}/{program}"
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            denied = True
    if denied:
        raise Failure(f"exec: {program}: permission denied", 126)
    raise Failure(f"exec: {program}: not found in $PATH", 127)
