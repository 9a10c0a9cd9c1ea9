"""A bundle made ready for another runtime, in a mount namespace that ends with the container."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import msgspec

from lamina.linux import capability, container_init, devices, syscall
from lamina.linux.initial import is_initial
from lamina.linux.rooted import make_in, open_in, resolve_in
from lamina.linux.userns import files_of, has_ids
from lamina.run import steps, sysctl
from lamina.run.become import Failure
from lamina.run.bundle import Document, Found, Node, NotInBundle, bundle, with_init
from lamina.run.identity import lookup
from lamina.run.layout import mount_root
from lamina.run.orders import Orders
from lamina.run.plan import is_anothers
from lamina.run.spec import ContainerSpec, Process
from lamina.run.volumes import fill_from_image

_LARGEST_PASSWD = 16 << 20
_EXECUTABLE = 0o111


def private_mounts() -> None:
    """Leave the host's mount namespace: what is mounted from here on nobody else sees."""
    syscall.unshare(syscall.CLONE_NEWNS)
    # Not private: a bind that is to follow the host's mounts still does.
    syscall.mount("", "/", "", syscall.MS_REC | syscall.MS_SLAVE)


def prepare(orders: Orders, cgroups_path: str) -> Document:
    """Mount the root file system, fill new volumes, and say all of the container.

    In a mount namespace of its own (`private_mounts`).  Raises OSError, EngineError, and
    Failure when the program is not there or is none.
    """
    if (ids := orders.spec.ids) is not None:
        from lamina.run import mapped

        _, orders = mapped.open_user(orders)
        root = mapped.mount_root(orders)
        place, sources = mapped.show(root, orders)
    else:
        root, place, sources = mount_root(orders), "", {}
    try:
        with nullcontext() if ids is None else files_of(*ids.root):
            for step in orders.steps:
                if (
                    isinstance(step, steps.BindMount)
                    and step.populate
                    and step.target not in sources
                ):
                    fill_from_image(root, step.target, step.source)
            os.close(make_in(root, orders.spec.process.cwd, directory=True))
        document = describe(orders, root, cgroups_path, place, sources)
        env: list[str] = document["process"]["env"]
        program = find_program(root, orders.spec.process, env)
        if orders.spec.init:
            init = _write_init(bundle_of(orders.spec))
            document = with_init(document, program, str(init))
        return document
    finally:
        os.close(root)


def describe(
    orders: Orders,
    root: int,
    cgroups_path: str,
    place: str = "",
    sources: Mapping[str, str] | None = None,
) -> Document:
    """The document of a container whose root file system is at `root`; `place` is the path
    that the document gives for it, and `sources` those of what is bound, by target, where they
    are others than the steps have."""
    spec = orders.spec
    passwd, group = _read(root, "/etc/passwd"), _read(root, "/etc/group")
    identity, home = lookup(spec.process.user, passwd, group, further=spec.process.groups)
    found = Found(
        root=place or str(spec.directory / "merged" / "root"),
        identity=identity,
        home=home,
        capabilities=_given(orders.capabilities),
        machine=os.uname().machine,
        nodes=tuple(_nodes(orders)),
        device_rules=_device_rules(spec),
        lacking=frozenset(_lacking(orders.steps, spec)),
        bound=frozenset(_bound(spec)),
        cgroups_path=cgroups_path,
        kernel=os.uname().release,
        sources={**dict(_sources(orders)), **(sources or {})},
    )
    return bundle(spec, orders.steps, found)


def _given(wanted: frozenset[str]) -> frozenset[str]:
    held = syscall.capget()
    return frozenset(name for name in wanted if held >> capability.NAMES.index(name) & 1)


def _nodes(orders: Orders) -> Iterator[Node]:
    wanted = {device.container: device.permissions for device in orders.spec.devices}
    for step in orders.steps:
        if isinstance(step, steps.MakeDevices):
            for name in step.names:
                yield _node(f"/dev/{name}", f"{step.directory}/{name}", "rwm")
        elif isinstance(step, steps.BindDevice):
            yield _node(step.source, step.target, wanted.get(step.target, "rwm"))


def _node(source: str, target: str, permissions: str) -> Node:
    status = os.stat(source)
    return Node(
        target,
        "b" if stat.S_ISBLK(status.st_mode) else "c",
        os.major(status.st_rdev),
        os.minor(status.st_rdev),
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        permissions,
        "" if is_initial() else source,
    )


def _device_rules(spec: ContainerSpec) -> tuple[devices.DeviceRule, ...]:
    """What the container's group of version 1 allows already: a runtime sets it anew."""
    for group in spec.cgroups:
        try:
            lines = (group / "devices.list").read_text().splitlines()
        except OSError:
            continue
        return tuple(devices.parse_rule(line) for line in lines)
    return devices.DEFAULT


def _bound(spec: ContainerSpec) -> Iterator[str]:
    if not is_initial():
        if spec.namespaces.pid == "host":
            yield "proc"
        if spec.network == "host":
            yield "sysfs"


def _lacking(plan: Sequence[steps.Step], spec: ContainerSpec) -> Iterator[str]:
    if not is_initial() and spec.namespaces.ipc == "host":
        yield "mqueue"
    if not has_ids(0, int(sysctl.PINGING.split()[1])):
        yield "net.ipv4.ping_group_range"
    with open("/proc/filesystems", encoding="ascii") as stream:
        known = {line.split()[-1] for line in stream}
    for step in plan:
        if isinstance(step, steps.MountFilesystem):
            # With users of its own a container gets the host's, which may be mounted nowhere.
            bound = spec.ids is not None and is_anothers(step, spec)
            if step.fstype not in known or (bound and not os.path.exists(step.target)):
                yield step.fstype
        elif isinstance(step, steps.BindMount) and not os.path.exists(step.source):
            yield step.source
        elif isinstance(step, steps.SetParameter) and not os.path.exists(
            f"/proc/sys/{sysctl.path_of(step.name)}"
        ):
            yield step.name


def _sources(orders: Orders) -> Iterator[tuple[str, str]]:
    for step in orders.steps:
        if isinstance(step, steps.BindMount):
            if step.propagation.removeprefix("r") == "shared":
                raise NotInBundle(f"a shared mount ({step.target})")
            if step.subpath:
                yield step.target, _inside(step.source, step.subpath)


def _inside(source: str, subpath: str) -> str:
    root = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(open_in(root, subpath))
        return "/".join([source, *resolve_in(root, subpath)])
    finally:
        os.close(root)


def _read(root: int, path: str) -> bytes:
    try:
        fd = open_in(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return b""
    with open(fd, "rb") as stream:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b""
        return stream.read(_LARGEST_PASSWD)


# the program


def find_program(root: int, process: Process, env: Iterable[str]) -> str:
    """The path of the program in the container.

    Raises Failure, which says what the embedded runtime says of one that is not there or cannot
    be executed.
    """
    program = process.args[0]
    if "/" in program:
        path = os.path.join(process.cwd, program)
        _check_path(root, program, path)
        return path
    directories = next((line[5:] for line in env if line.startswith("PATH=")), "")
    denied = False
    for directory in directories.split(":"):
        path = os.path.join(process.cwd, directory, program)
        mode = _mode(root, path)
        if mode is not None and stat.S_ISREG(mode):
            if mode & _EXECUTABLE:
                return path
            denied = True
    if denied:
        raise Failure(f"exec: {program}: permission denied", 126)
    raise Failure(f"exec: {program}: not found in $PATH", 127)


def _check_path(root: int, program: str, path: str) -> None:
    mode = _mode(root, path)
    if mode is None:
        raise Failure(f"exec: {program}: {os.strerror(errno.ENOENT)}", 127)
    if not stat.S_ISREG(mode) or not mode & _EXECUTABLE:
        raise Failure(f"exec: {program}: {os.strerror(errno.EACCES)}", 126)


def _mode(root: int, path: str) -> int | None:
    try:
        fd = open_in(root, path)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            return None
        return stat.S_IFREG | _EXECUTABLE  # a link into /proc: the runtime sees where it leads
    try:
        return os.fstat(fd).st_mode
    finally:
        os.close(fd)


def _write_init(directory: Path) -> Path:
    path = directory / container_init.NAME
    path.write_bytes(container_init.program(os.uname().machine))
    path.chmod(0o755)
    return path


def write(document: Document, directory: Path) -> None:
    """Put `config.json` into a directory, readable by its owner alone: it has all variables."""
    path = os.open(
        directory / "config.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
    )
    with open(path, "wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(document), indent=2))


def bundle_of(spec: ContainerSpec) -> Path:
    """Where the bundle of a container is while it runs."""
    return spec.directory / "bundle"
