"""What becomes of a process of ours in a container, up to the program that it executes.

Shared by the container's first process (`init`) and by those that enter it later: whoever
calls `become` is in the container's namespaces and root file system already.  It takes
nothing of the host with it but its three streams.  Everything in here is `os` and system
calls, since the process was forked from one that may have had other threads; and it is
as light to load as it can be (see `process`).
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import errno
import fcntl
import os
import select
import stat
import sys

from lamina.errors import EngineError
from lamina.linux import apparmor, capability, rlimit, syscall
from lamina.linux.container_init import NAME
from lamina.linux.initial import is_initial
from lamina.linux.rooted import make_in, open_in
from lamina.linux.trampoline import STATUS_FD
from lamina.run.identity import lookup
from lamina.run.process import Identity, Role, Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import NoReturn

    from lamina.run.process import Limit

SIGNALS = tuple(map(int, signal.valid_signals()))
"""All of them, as plain numbers: asking for them takes as long as a mount."""
_LIBC_SIGNALS = (32, 33)
"""glibc's own, which Python cannot set: the container must not begin with them ignored."""
_LARGEST_PASSWD = 16 << 20
_NULL = os.makedev(1, 3)
_PRIVATE_FDS = 16
"""Descriptors that are needed until the end are kept from here on."""


class Failure(Exception):
    """The program cannot be executed; `status` is the exit status that says so."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Progress:
    """What a process is about, for the report of its failure."""

    def __init__(self, status: int, doing: str = "start a process") -> None:
        self.status = status
        """Where the status pipe is by now; the kernel closes it when the program runs."""
        self.doing = doing

    def fail(self, error: BaseException) -> None:
        """Write to the status pipe why the process ends: exit status, kind, message, hint,
        with NUL between them."""
        report = _report(error, self.doing)
        os.write(self.status, "\0".join(report).encode("utf-8", "surrogateescape"))


def _report(error: BaseException, doing: str) -> tuple[str, str, str, str]:
    if isinstance(error, Failure):
        return str(error.status), "exec", str(error), ""
    if isinstance(error, EngineError):
        return "125", error.kind, str(error), error.hint
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        kind = "denied" if error.errno in {errno.EPERM, errno.EACCES} else "unsupported"
        return "125", kind, f"cannot {doing}{where}: {error.strerror}", ""
    return "125", "unsupported", f"cannot {doing}: {error!r}", ""


def be_alone(status: int, *, lasting: bool = False) -> None:
    """The first thing after the fork: nothing of our parent's session, signals and rights to
    look into this process, which ends with its parent unless it is `lasting`.

    `status` is the writing end of the status pipe.  Must come before any namespace of the
    container's is joined: from then on its processes could trace this one (CVE-2016-9962).
    """
    if not lasting:
        syscall.prctl(syscall.PR_SET_PDEATHSIG, signal.SIGKILL)
        poll = select.poll()
        poll.register(status, 0)
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
    if not is_initial():
        # Here, where a path is the host's: see `import_nothing`.
        import lamina.linux.userns  # noqa: F401


def import_nothing() -> None:
    """From here on no module is loaded any more: the next path that is looked up is one of the
    container's, which would be glad to give us code of its own (as in CVE-2019-14271)."""
    sys.meta_path.clear()
    sys.path.clear()


def become(role: Role, progress: Progress) -> NoReturn:
    """Execute the program of `role`.  Raises Failure, OSError, EngineError when it cannot be."""
    import_nothing()
    process = role.process
    progress.doing = "give the process its streams"
    _take_streams(role, progress.status)
    progress.status = STATUS_FD
    progress.doing = "look up the user"
    identity, home = lookup(
        process.user, _read("/etc/passwd"), _read("/etc/group"), further=process.groups
    )
    hand_over(range(3), identity.uid)
    progress.doing = f"enter the working directory {process.cwd}"
    _enter(process.cwd)
    progress.doing = "give up privileges"
    _give_up(role, identity)
    env = _environment(process.env, home)
    progress.doing = "execute the program"
    path = _find(process.args[0], env)
    args = [NAME, "--", *process.args, path] if role.init else [path, *process.args]
    os.execve(STATUS_FD + 1, args, env)  # noqa: S606


def _take_streams(role: Role, status: int) -> None:
    """Leave open 0, 1, 2, the status pipe as 3 and the trampoline as 4, and nothing else."""
    if role.terminal:
        terminal = os.open(role.terminal, os.O_RDWR | os.O_NOCTTY)
        syscall.set_controlling_terminal(terminal)
        sources = [terminal] * 3
    else:
        sources = [role.streams.stdin, role.streams.stdout, role.streams.stderr]
        sources = [_own_null(fd) for fd in sources]
    sources += [status, role.trampoline]
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _PRIVATE_FDS) for fd in sources]
    for place, fd in enumerate(high):
        os.dup2(fd, place, inheritable=place <= STATUS_FD)
    syscall.close_range(len(high))


def _own_null(stream: int) -> int:
    """The container's own null device, for the host's: through that its node could be given
    another owner and mode for the whole host."""
    if not is_null(stream):
        return stream
    try:
        own = os.open("/dev/null", os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return stream
    if not is_null(own):
        return stream
    os.set_blocking(own, True)
    return own


def is_null(fd: int) -> bool:
    """Whether a descriptor is the null device."""
    status = os.fstat(fd)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == _NULL


def hand_over(fds: Iterable[int], uid: int, gid: int = -1) -> None:
    """Let a user open pipes and the terminal again by name: `> /dev/stderr`.  A terminal keeps
    its group."""
    for fd in fds:
        is_pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)
        if is_pipe or os.isatty(fd):
            try:
                os.fchown(fd, uid, gid if is_pipe else -1)
            except OSError:
                pass  # in a user namespace somebody else's, or no id for that user


def bequeath(streams: Streams, limits: Iterable[Limit], owner: tuple[int, int]) -> None:
    """Give this process what a process in another user namespace inherits, whose root is `owner`
    (user and group here), and could not give itself in there."""
    hand_over((streams.stdin, streams.stdout, streams.stderr), *owner)
    for limit in limits:
        rlimit.allow(limit.name, limit.hard)


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


def _give_up(role: Role, identity: Identity) -> None:
    if role.apparmor:
        apparmor.change_on_exec(role.apparmor)
    for limit in role.limits:
        rlimit.set_limit(limit.name, limit.soft, limit.hard)
    held = syscall.capget()
    mask = capability.mask(role.capabilities) & held
    for number in range(held.bit_length()):
        if held >> number & 1 and not mask >> number & 1:
            syscall.prctl(syscall.PR_CAPBSET_DROP, number)
    if role.no_new_privileges:
        syscall.prctl(syscall.PR_SET_NO_NEW_PRIVS, 1)
    elif role.filter:
        # Without it only a process with SYS_ADMIN may install a filter: do it while we may.
        syscall.set_seccomp_filter(role.filter)
    if is_initial() or _check_ids(identity):
        os.setgroups(identity.groups)
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    syscall.capset(0 if identity.uid else mask)
    if not role.lasting:
        # Changing ids clears it.
        syscall.prctl(syscall.PR_SET_PDEATHSIG, signal.SIGKILL)
    if role.no_new_privileges and role.filter:
        syscall.set_seccomp_filter(role.filter)


def _check_ids(identity: Identity) -> bool:
    """Whether groups may be given in this user namespace.  Raises Failure when it has not the
    ids that are wanted."""
    from lamina.linux.userns import has_ids, may_set_groups

    if not has_ids(identity.uid, identity.gid):
        raise Failure(f"no id {identity.uid}:{identity.gid} in this user namespace", 126)
    return may_set_groups()


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
