"""One more process in a container that runs: into its namespaces, its control groups, its root.

The process is born in the container's pid namespace, where others may see it before it is
one of theirs: it cannot be looked into from the moment it is forked (CVE-2016-9962), leaves
every descriptor of the host behind and executes through a sealed program (CVE-2019-5736),
all of which `become` does for the first process as well.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import os
import stat

from lamina.errors import Conflict, Unsupported
from lamina.linux import syscall
from lamina.linux.joining import join
from lamina.linux.pidns import fork_into, fork_quietly
from lamina.linux.processes import lives
from lamina.linux.rooted import open_in
from lamina.run.become import (
    SIGNALS,
    Failure,
    Progress,
    be_alone,
    become,
    bequeath,
)
from lamina.run.process import Role, Streams
from lamina.run.running import Refusal, Running, begin, refusal
from lamina.run.score import born_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_SPACES = (
    ("mnt", syscall.CLONE_NEWNS),
    ("uts", syscall.CLONE_NEWUTS),
    ("ipc", syscall.CLONE_NEWIPC),
    ("net", syscall.CLONE_NEWNET),
    ("cgroup", syscall.CLONE_NEWCGROUP),
    ("user", syscall.CLONE_NEWUSER),
)
_DESCRIPTORS = 1 << 16
_PTMX = os.makedev(5, 2)


class EndedJustNow(Conflict):
    """The container ended while we were about to enter it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} ended just now", hint=f"lamina start {name}")


class NoTerminals(Unsupported):
    """The container has no terminals to give."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} has no /dev/pts/ptmx, and so no terminal")


class Door:
    """Where a container is entered."""

    def __init__(
        self,
        name: str,
        identity: str,
        process: int,
        root: int,
        spaces: int,
        groups: Sequence[str],
        owner: tuple[int, int] | None = None,
    ) -> None:
        self.name = name
        self.identity = identity
        self.process = process
        """Descriptor of its first process (pidfd)."""
        self.root = root
        """Descriptor of the root directory of that."""
        self.spaces = spaces
        """Which namespaces of it are not ours, but for its pid namespace: CLONE_NEW… flags."""
        self.groups = groups
        """Its control groups."""
        self.owner = owner
        """User and group here of its root, when it has a user namespace of its own."""


class door:  # noqa: N801 - it reads as what it opens: `with door(…) as entry`
    """The container whose first process is `pid`, started at `since` (linux/processes.py), for
    the length of a block.

    Raises EndedJustNow.
    """

    def __init__(
        self, name: str, identity: str, pid: int, since: int, *, groups: Sequence[str] = ()
    ) -> None:
        self._name = name
        self._identity = identity
        self._pid = pid
        self._since = since
        self._groups = groups
        self._open: list[int] = []

    def __enter__(self) -> Door:
        try:
            process = os.pidfd_open(self._pid)
            self._open.append(process)
            flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
            root = os.open(f"/proc/{self._pid}/root", flags)
            self._open.append(root)
            spaces = _foreign(self._pid)
            owner = _root_of(self._pid) if spaces & syscall.CLONE_NEWUSER else None
            # All of these are the container's only if its process had the number until now.
            if not lives(self._pid, self._since):
                raise EndedJustNow(self._name)
        except (ProcessLookupError, FileNotFoundError):
            self.__exit__()
            raise EndedJustNow(self._name) from None
        except BaseException:
            self.__exit__()
            raise
        return Door(self._name, self._identity, process, root, spaces, self._groups, owner)

    def __exit__(self, *_: object) -> None:
        while self._open:
            os.close(self._open.pop())


def _foreign(pid: int) -> int:
    flags = 0
    for name, flag in _SPACES:
        theirs, ours = os.stat(f"/proc/{pid}/ns/{name}"), os.stat(f"/proc/self/ns/{name}")
        if not os.path.samestat(theirs, ours):
            flags |= flag
    return flags


def _root_of(pid: int) -> tuple[int, int]:
    return _outside(f"/proc/{pid}/uid_map"), _outside(f"/proc/{pid}/gid_map")


def _outside(path: str) -> int:
    """Whom 0 stands for in a map (linux/id_mapping.py, which is slow to load)."""
    with open(path, encoding="ascii") as stream:
        for line in stream:
            first, outside, _ = map(int, line.split())
            if first == 0:
                return outside
    return 0


def open_terminal(door: Door) -> tuple[int, int]:
    """A new terminal of the container's: our end and its end.  Raises NoTerminals."""
    flags = os.O_RDWR | os.O_NOCTTY
    try:
        ours = open_in(door.root, "/dev/pts/ptmx", flags | os.O_NONBLOCK)
    except OSError:
        raise NoTerminals(door.name) from None
    try:
        os.set_blocking(ours, True)
        status = os.fstat(ours)
        if not stat.S_ISCHR(status.st_mode) or status.st_rdev != _PTMX:
            raise NoTerminals(door.name)
        syscall.unlock_terminal(ours)
        # By the descriptor and not by name: what is at /dev/pts is the container's business.
        return ours, syscall.open_terminal_peer(ours, flags | os.O_CLOEXEC)
    except BaseException:
        os.close(ours)
        raise


def enter(door: Door, role: Role, *, terminal: int = -1) -> Running:
    """Start a process in the container, as a child of ours that ends with us.

    `terminal` is its end of a terminal, which then is its three streams.  Returns once its
    program runs, or was refused by the kernel; raises EngineError when it could not begin.
    """
    role = _with_terminal(role, terminal)
    return begin(
        lambda writer: _fork_inside(door, role, writer, terminal), role.process.args[0], Running
    )


def enter_and_leave(door: Door, role: Role, parent: Sequence[str], task: int) -> Refusal | None:
    """Start a process in the container that goes on after us; as `enter` for the rest.

    Its parent becomes the program `parent`, a command line to which its pid is added, with the
    descriptor `task` as 3 and nothing else of ours.
    """
    role = role.left_alone()
    reader, writer = os.pipe()
    try:
        between = fork_quietly()
        if between == 0:
            # What is to outlive us is nobody's child that has to be waited for.
            if fork_quietly() == 0:
                _be_parent(door, role, writer, parent, task)
            os._exit(0)
        os.waitpid(between, 0)
    finally:
        os.close(writer)
    try:
        return refusal(reader, role.process.args[0])
    finally:
        os.close(reader)


def _be_parent(door: Door, role: Role, writer: int, parent: Sequence[str], task: int) -> NoReturn:
    try:
        os.setsid()
        pid = _fork_inside(door, role, writer, -1)
        os.chdir("/")
        task = os.dup(task)  # out of the way of the streams
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        os.dup2(task, 3)
        os.closerange(4, _DESCRIPTORS)
        os.execv(parent[0], [*parent, str(pid)])  # noqa: S606
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of our parent
        Progress(writer, "enter the container").fail(error)
    finally:
        os._exit(0)


def _with_terminal(role: Role, terminal: int) -> Role:
    if terminal < 0:
        return role
    return role.on(Streams(terminal, terminal, terminal))


def _fork_inside(door: Door, role: Role, status: int, terminal: int) -> int:
    """Fork into the container's pid namespace; returns the child's pid in ours."""

    def fork() -> int:
        syscall.prctl(syscall.PR_SET_DUMPABLE, 0)  # the child is born with it
        try:
            pid = fork_into(door.process)
            if pid == 0:
                _main(door, role, status, terminal)
            return pid
        finally:
            syscall.prctl(syscall.PR_SET_DUMPABLE, 1)

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        return born_with(role.oom_score_adj, fork)
    except ProcessLookupError:
        raise EndedJustNow(door.name) from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _main(door: Door, role: Role, status: int, terminal: int) -> NoReturn:
    progress = Progress(status)
    try:
        if door.owner is not None:
            _prepare(door.owner, role)
        _go_inside(door, role, progress, terminal)
        become(role, progress)
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of our parent
        progress.fail(error)
    finally:
        os._exit(125)


def _prepare(owner: tuple[int, int], role: Role) -> None:
    """What root of another user namespace could not do any more."""
    import lamina.linux.userns  # noqa: F401 - `become` asks it when there is no path to it

    bequeath(role.streams, role.limits, owner)


def _go_inside(door: Door, role: Role, progress: Progress, terminal: int) -> None:
    be_alone(progress.status, lasting=role.lasting)
    progress.doing = "join a control group of the container's"
    for group in door.groups:
        join(group)
    progress.doing = "enter the container's namespaces"
    if door.spaces:
        syscall.setns(door.process, door.spaces)
    if door.owner is not None:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    os.fchdir(door.root)
    os.chroot(".")
    try:
        syscall.join_session_keyring(door.identity)
    except OSError:
        pass  # no keyrings in this kernel, or the user's quota of keys is used up
    if terminal >= 0:
        syscall.set_controlling_terminal(terminal)
    _need_directory(role.process.cwd)


def _need_directory(cwd: str) -> None:
    """Unlike the first process, one that enters makes no working directory."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(open_in(root, cwd, os.O_PATH | os.O_DIRECTORY))
    except OSError as error:
        text = f"exec: working directory {cwd}: {os.strerror(error.errno or 0).lower()}"
        raise Failure(text, 126) from None
    finally:
        os.close(root)
