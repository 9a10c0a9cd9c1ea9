"""Start a container's process and wait for it: from a specification to an exit status."""

from __future__ import annotations

# Not `signal`: it makes an enumeration of each of the signals that a mask was of.
import _signal as signal  # type: ignore[import-not-found]
import os
import stat
import threading
from collections.abc import Callable

import msgspec

from lamina.errors import Denied, EngineError
from lamina.linux import (
    apparmor,
    capability,
    cgroup,
    id_mapping,
    mounts,
    seccomp,
    syscall,
    trampoline,
    userns,
)
from lamina.linux.devices import found
from lamina.linux.pidns import fork_first, fork_into, fork_quietly
from lamina.run import become, init, network
from lamina.run.orders import Orders
from lamina.run.plan import DEVICES, plan
from lamina.run.propagation import check_propagation
from lamina.run.running import Running as Running
from lamina.run.running import started
from lamina.run.score import born_with
from lamina.run.spec import ContainerSpec, Mount, Streams
from lamina.run.steps import Step

_TERMINALS = (("ptmxmode", "0666"), ("mode", "0620"))
_TERMINALS_GROUP = 5


class NotRoot(Denied):
    """Containers need root in this version."""

    def __init__(self) -> None:
        super().__init__("running containers needs root", hint="run it with sudo")


def launch(spec: ContainerSpec, streams: Streams) -> int:
    """Run the container to its end; returns its exit status as Docker has it.

    126: the program cannot be executed; 127: there is none (a line on `streams.stderr`
    says so); 128 + n: signal n ended it.  Nothing of it is left mounted or running,
    and `spec.rootfs.upper` holds its changes and nothing of ours.

    Raises EngineError when no container could be made (Docker's 125).  An exception
    while it runs (KeyboardInterrupt) kills it.
    """
    running = start(spec, streams)
    try:
        if running.refused:
            os.write(streams.stderr, f"lamina: {running.refused}\n".encode())
        return running.wait()
    except BaseException:
        running.kill()
        running.wait()
        raise
    finally:
        if running.terminal >= 0:
            os.close(running.terminal)


def start(
    spec: ContainerSpec,
    streams: Streams,
    *,
    watch: int = -1,
    meanwhile: Callable[[], None] | None = None,
) -> Running:
    """Start the container: returns once its program runs, or was refused by the kernel.

    `meanwhile` is called while the container's first process mounts its file systems.
    `watch` is a fanotify group (linux/fanotify.py) that hears of every file which is opened
    in its root file system, from the program itself on.

    Safe to call beside other threads.  Raises EngineError when no container could be made.
    """
    if os.geteuid() != 0:
        raise NotRoot
    trampoline.program(os.uname().machine)
    spec, steps, granted = foresee(spec)
    program = b""
    if spec.seccomp and not spec.privileged:
        program = seccomp.filter_for(granted, spec.cache, spec.seccomp_profile)
    write_own_files(spec)
    terminals, master = _make_terminals(spec)
    reader, writer = os.pipe()
    trees: dict[str, int] = {}
    try:
        _clone_propagating(spec, trees)
        pid = _fork(
            Orders(
                spec,
                steps,
                *(granted, program, _first_program(spec), writer, streams),
                terminals=terminals,
                trees=trees,
                watch=watch,
            )
        )
    except BaseException:
        os.close(reader)
        if master >= 0:
            os.close(master)
        raise
    finally:
        for fd in (writer, terminals, *trees.values()):
            os.close(fd)
    running = Running(pid, master)
    try:
        return started(running, reader, spec.process.args[0], meanwhile)
    except BaseException:
        if master >= 0:
            os.close(master)
        raise


def foresee(spec: ContainerSpec) -> tuple[ContainerSpec, list[Step], frozenset[str]]:
    """What is about to be done on this host: the specification with the device nodes that are
    found, the steps, and the capabilities that are granted.

    Raises NoDevice, BadCapability, SharedSysctl.
    """
    granted = _capabilities(spec)
    if spec.apparmor:
        spec = msgspec.structs.replace(spec, apparmor=apparmor.applicable(spec.apparmor))
    if spec.devices:
        nodes = tuple(node for device in spec.devices for node in found(device))
        spec = msgspec.structs.replace(spec, devices=nodes)
    steps = plan(
        spec,
        devices=_host_devices() if spec.privileged else DEVICES,
        unified=cgroup.detect() == "v2",
        hierarchies=_hierarchies(),
    )
    return spec, steps, granted


def _first_program(spec: ContainerSpec) -> int:
    if not spec.init:
        return trampoline.descriptor()
    from lamina.linux import container_init

    return container_init.descriptor()


def _capabilities(spec: ContainerSpec) -> frozenset[str]:
    if spec.privileged:
        return capability.ALL
    return capability.granted(spec.capabilities_add, spec.capabilities_drop)


def _hierarchies() -> list[str]:
    """The host's cgroup hierarchies of version 1, as /proc/self/cgroup names them."""
    lines = (line.split(":", 2) for line in _host_file("/proc/self/cgroup").splitlines())
    return [words[1] for words in sorted(lines, key=lambda words: int(words[0])) if words[1]]


def _clone_propagating(spec: ContainerSpec, trees: dict[str, int]) -> None:
    """Clones of what is bound with a propagation, by target, put into `trees`."""
    for mount in spec.mounts:
        if not isinstance(mount, Mount) or mount.kind != "bind" or mount.source is None:
            continue
        kind = mount.propagation.removeprefix("r")
        if kind == "private":
            continue
        source = str(mount.source)
        check_propagation(source, kind)
        tree = mounts.clone(syscall.AT_FDCWD, source, recursive=mount.recursive)
        trees[mount.target] = tree
        mounts.propagate(tree, kind)


def _host_devices() -> list[str]:
    """The names of the host's device nodes, as a privileged container gets them."""
    ours = {"console", "ptmx"}
    kinds = (stat.S_IFCHR, stat.S_IFBLK)
    with os.scandir("/dev") as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name not in ours
            and stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode) in kinds
        )


def write_own_files(spec: ContainerSpec) -> None:
    """Make the container's directories, and its own files of /etc that are not there yet."""
    (spec.directory / "merged").mkdir(parents=True, exist_ok=True)
    spec.rootfs.upper.mkdir(parents=True, exist_ok=True)
    spec.rootfs.work.mkdir(parents=True, exist_ok=True)
    for name, text in own_texts(spec).items():
        path = spec.directory / name
        if not path.exists():  # a container that is started again keeps its own
            _write(str(path), text.encode("utf-8", "surrogateescape"))


def _write(path: str, data: bytes) -> None:
    new = f"{path}.{threading.get_native_id()}"
    with open(new, "wb", 0) as stream:
        stream.write(data)
        os.fchmod(stream.fileno(), 0o644)
    os.rename(new, path)


def own_texts(spec: ContainerSpec) -> dict[str, str]:
    """The container's own files of /etc, by name.  Raises BadHost."""
    hostname = spec.hostname or spec.identity[:12]
    host_hosts = _host_file("/etc/hosts") if spec.network == "host" else ""
    texts = {
        "hosts": network.hosts(
            host_hosts,
            hostname,
            spec.extra_hosts,
            domainname=spec.domainname,
            gateway=spec.host_gateway,
        ),
        "resolv.conf": (
            _host_file("/etc/resolv.conf") if spec.resolv_conf is None else spec.resolv_conf
        ),
        "hostname": hostname + "\n",
    }
    return {name: texts[name] for name in spec.own_files}


def _host_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read(1 << 20)
    except OSError:
        return ""


def _make_terminals(spec: ContainerSpec) -> tuple[int, int]:
    """The container's devpts, and the master of its first terminal or -1.

    Made here, so that the master need not be passed out of the container.
    """
    try:
        terminals = mounts.new_filesystem("devpts", _terminal_options(spec), ("nosuid", "noexec"))
    except PermissionError:
        raise _not_here() from None
    if not spec.process.terminal:
        return terminals, -1
    try:
        master = os.open("ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=terminals)
        syscall.unlock_terminal(master)
        if spec.ids is not None:
            os.chown("0", spec.ids.root[0], -1, dir_fd=terminals)
    except OSError:
        os.close(terminals)
        raise
    return terminals, master


def _terminal_options(spec: ContainerSpec) -> tuple[tuple[str, str], ...]:
    group: int | None = _TERMINALS_GROUP
    if spec.ids is not None:
        group = id_mapping.outside(spec.ids.gids, _TERMINALS_GROUP)
    if group is None or not userns.has_ids(0, group):
        return _TERMINALS
    return (*_TERMINALS, ("gid", str(group)))


def _not_here() -> EngineError:
    """Why no container can be made by this process."""
    from lamina.linux.ability import no_namespaces
    from lamina.run.isolation import NotAContainer

    return NotAContainer(no_namespaces() or "this process may not mount")


def _fork(orders: Orders) -> int:
    """Fork the container's first process; returns its pid here."""
    where = orders.spec.namespaces.pid

    def fork() -> int:
        if orders.spec.ids is not None:
            from lamina.run.mapped import fork_mapped

            return fork_mapped(orders)
        pid = fork_first() if where == "private" else _fork_among_others(where)
        if pid == 0:
            init.main(orders)
        return pid

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, become.SIGNALS)
    try:
        return born_with(orders.spec.oom_score_adj, fork)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _fork_among_others(where: str) -> int:
    """Fork into a pid namespace that has other processes: the path of one, or `host`.

    The child is born without the right of anybody in there to look into it (CVE-2016-9962).
    """
    namespace = -1 if where == "host" else os.open(where, os.O_RDONLY | os.O_CLOEXEC)
    syscall.prctl(syscall.PR_SET_DUMPABLE, 0)
    try:
        if namespace >= 0:
            return fork_into(namespace)
        return fork_quietly()
    finally:
        syscall.prctl(syscall.PR_SET_DUMPABLE, 1)
        if namespace >= 0:
            os.close(namespace)
