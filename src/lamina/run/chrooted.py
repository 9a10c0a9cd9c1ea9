"""A command in a plain root file system, set apart by chroot(2) alone.

For where no namespace can be made.  This is no sandbox: the command sees the processes and
the network of whoever runs it, and as root it can leave its root.  A process of ours, the
keeper, stands between: it takes over whatever the command leaves running, and kills that.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from lamina.errors import Unsupported
from lamina.linux import capability, cgroup, syscall, trampoline
from lamina.linux.adoption import adopting
from lamina.linux.pidns import fork_quietly
from lamina.run.become import SIGNALS, Progress, be_alone, become
from lamina.run.furnish import Furnishing
from lamina.run.kernel_files import KernelFiles
from lamina.run.launch import own_texts
from lamina.run.process import Role
from lamina.run.running import Running, begin
from lamina.run.spec import ContainerSpec, FileMount, Mount, Streams

_KILLED = 137


class NotInChroot(Unsupported):
    """An option that wants what chroot cannot give."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"{what} is not possible here: {why}",
            hint="give this container more: docker run --privileged, or --cap-add SYS_ADMIN"
            " --security-opt seccomp=unconfined",
        )


class Kept(Running):
    """A command with its keeper, whose pid is `pid`."""

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the command and whatever it started."""
        super().kill(signal.SIGTERM)  # the keeper must live to see to that


@contextmanager
def furnished(
    root: Path, spec: ContainerSpec, scratch: Path, output: Callable[[bytes], None]
) -> Iterator[None]:
    """Put what `spec` mounts, and /dev, /proc and /sys, into `root` for the length of a block.

    Sources of binds are moved there, and back.  `scratch` is an empty directory of the same
    file system.  `output` hears, in another thread, what the command writes to /dev/stdout.
    Raises OSError, NotInChroot.
    """
    (scratch / "kernel").mkdir()
    with ExitStack() as stack:
        kernel = stack.enter_context(KernelFiles(scratch / "kernel", output))
        furnishing = Furnishing(root, scratch)
        stack.callback(furnishing.clear)
        for target in ("dev", "proc", "sys"):
            furnishing.put(scratch / "kernel" / target, f"/{target}")
        for number, (name, text) in enumerate(own_texts(spec).items()):
            place = scratch / f"own-{number}"
            place.write_text(text, encoding="utf-8", errors="surrogateescape")
            place.chmod(0o644)
            furnishing.put(place, f"/etc/{name}")
        _put_mounts(furnishing, spec, scratch)
        furnishing.complete()
        assert kernel is not None
        yield


def _put_mounts(furnishing: Furnishing, spec: ContainerSpec, scratch: Path) -> None:
    targets: dict[Path, str] = {}
    depth = {id(each): each.target.rstrip("/").count("/") for each in spec.mounts}
    for number, mount in enumerate(sorted(spec.mounts, key=lambda each: depth[id(each)])):
        place = scratch / f"mount-{number}"
        if isinstance(mount, FileMount):
            _write(place, mount)
            furnishing.put(place, mount.target)
        elif not isinstance(mount, Mount):
            raise NotInChroot(f"a mount of layers at {mount.target}", "nothing can be mounted")
        elif mount.kind == "tmpfs":
            place.mkdir()
            place.chmod(_tmpfs_mode(mount.options))
            furnishing.put(place, mount.target)
        elif mount.source is not None and mount.source in targets:
            # One directory cannot be in two places: the second leads to the first.
            place.symlink_to(targets[mount.source])
            furnishing.put(place, mount.target)
        elif mount.source is not None:
            targets[mount.source] = mount.target
            furnishing.put(mount.source, mount.target, keep=True)


def _write(place: Path, mount: FileMount) -> None:
    fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as stream:
        stream.write(mount.content.content)
        os.fchown(fd, mount.uid, mount.gid)
        os.fchmod(fd, mount.mode)


def _tmpfs_mode(options: str) -> int:
    for word in options.split(","):
        name, _, value = word.partition("=")
        if name == "mode" and value:
            return int(value, 8)
    return 0o1777


def start(root: Path, spec: ContainerSpec, streams: Streams) -> Running:
    """Start the command of `spec` in `root`: returns once its program runs, or was refused.

    Safe to call beside other threads.  Raises NotInChroot, EngineError.
    """
    if spec.network != "host":
        raise NotInChroot("a network of its own", "no network namespace can be made")
    if spec.privileged:
        raise NotInChroot("lifting restrictions", "this process has them itself")
    trampoline.program(os.uname().machine)
    role = Role(
        spec.process,
        capability.granted(spec.capabilities_add, spec.capabilities_drop),
        trampoline.descriptor(),
        streams,
        limits=spec.limits,
    )
    return begin(lambda writer: _fork(root, spec, role, writer), spec.process.args[0], Kept)


def _fork(root: Path, spec: ContainerSpec, role: Role, status: int) -> int:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        pid = fork_quietly()  # the keeper needs none of the locks of other threads
        if pid == 0:
            _keep(root, spec, role, status)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return pid


def _keep(root: Path, spec: ContainerSpec, role: Role, status: int) -> NoReturn:
    """Be the keeper: every signal stays blocked, and is asked for."""
    try:
        syscall.prctl(syscall.PR_SET_PDEATHSIG, signal.SIGTERM)
        streams = (role.streams.stdin, role.streams.stdout, role.streams.stderr)
        _close_all_but(status, role.trampoline, *streams)
        with adopting():
            pid = os.fork()
            if pid == 0:
                _enter(root, spec, role, status)
            _close_all_but()
            os._exit(_tend(pid))
    finally:
        os._exit(125)


def _close_all_but(*kept: int) -> None:
    """Hold nothing that others wait for: pipes, locks."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                pass  # the descriptor of the listing itself


def _tend(pid: int) -> int:
    """Wait for the command's end, or for the order to end it; nothing of it is left then."""
    ended = None
    while ended is None:
        if signal.sigwait({signal.SIGCHLD, signal.SIGTERM}) == signal.SIGTERM:
            break
        ended = _reap(pid)
    found = _kill_all(pid)
    ended = found if ended is None else ended
    code = _KILLED if ended is None else os.waitstatus_to_exitcode(ended)
    return code if code >= 0 else 128 - code


def _reap(pid: int) -> int | None:
    """Take leave of all children that have ended; the status of `pid` if it is one of them."""
    found = None
    while True:
        try:
            who, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not who:
            return found
        if who == pid:
            found = status


def _kill_all(pid: int) -> int | None:
    """Kill our children, and what becomes ours by that, until there is none."""
    found = None
    while children := _children():
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except PermissionError:
                return found  # without CAP_KILL another user's process stays
        who, status = os.waitpid(-1, 0)
        if who == pid:
            found = status
    return found


def _children() -> list[int]:
    ours = os.getpid()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stream:
                    fields = stream.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == ours:
                found.append(int(name))
    return found


def _enter(root: Path, spec: ContainerSpec, role: Role, status: int) -> NoReturn:
    progress = Progress(status)
    try:
        be_alone(status)
        progress.doing = "join a control group"
        for group in spec.cgroups:
            cgroup.join(group)
        progress.doing = "enter the root file system"
        os.chroot(root)
        os.chdir("/")
        become(role, progress)
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of our parent
        progress.fail(error)
    finally:
        os._exit(125)
