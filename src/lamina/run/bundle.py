"""From a container's specification and steps to a runtime-spec `config.json`.  Pure.

The document is what runc, crun and others take (opencontainers/runtime-spec,
1.0.2), and says of the container what the embedded runtime does: both are made
of the same values.  Nothing in it comes from the image's labels: some runtimes
take orders in annotations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from lamina.errors import Unsupported
from lamina.linux.devices import ANY, DeviceRule
from lamina.linux.id_mapping import Extent
from lamina.run.bundle_seccomp import built_in, of_profile
from lamina.run.plan import DEVICES, is_anothers
from lamina.run.spec import ContainerSpec, Identity
from lamina.run.steps import (
    AttachTerminals,
    BindMount,
    MakeReadOnly,
    Mask,
    MountFilesystem,
    PlaceFile,
    SetParameter,
    ShareMemory,
    Step,
    TreeBind,
)

VERSION = "1.0.2"
_MADE_BY_RUNTIMES = frozenset(f"/dev/{name}" for name in DEVICES)
_TERMINALS = ("newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
_DEVICES_USABLE = ("nosuid", "strictatime")
"""/dev itself: runtimes make the nodes in it, where the embedded one binds the host's."""
INIT = "/dev/lamina-init"
"""In a file system that is the container's alone: what is mounted elsewhere leaves an empty file
in the writable layer."""
_GROUPS = "/sys/fs/cgroup"
"""Runtimes know what belongs there, on either version."""

Document: TypeAlias = dict[str, Any]


class NotInBundle(Unsupported):
    """The container has something that the runtime specification has no words for."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} cannot be said in a runtime bundle", hint="leave out --runtime for it"
        )


class Node(msgspec.Struct, frozen=True):
    """A device node of the host."""

    path: str
    """Inside the container."""
    kind: Literal["c", "b"]
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    permissions: str = "rwm"
    source: str = ""
    """The host's node that is to be mounted there, where nobody may make one."""


class Found(msgspec.Struct, frozen=True):
    """What is only known once the root file system is there, and of this host."""

    root: str
    """The root file system."""
    identity: Identity
    """Of the user that the process runs as."""
    home: str
    capabilities: frozenset[str]
    """Those that are granted and that we have to give."""
    machine: str = "x86_64"
    """As uname(2) says."""
    nodes: tuple[Node, ...] = ()
    """Devices beside those of every container."""
    device_rules: tuple[DeviceRule, ...] = ()
    """What may be used beside the nodes."""
    lacking: frozenset[str] = frozenset()
    """Optional file systems, sources and parameters that this host does not have."""
    bound: frozenset[str] = frozenset()
    """File systems that show a namespace of the host's which is not ours: as the host has them."""
    cgroups_path: str = ""
    kernel: str = "6.0"
    """As uname(2) says."""
    sources: dict[str, str] = {}
    """What is really mounted, by target, where a step says it in other words."""


def bundle(spec: ContainerSpec, steps: Sequence[Step], found: Found) -> Document:
    """The document.  Raises NotInBundle."""
    document: Document = {
        "ociVersion": VERSION,
        "root": {"path": found.root, "readonly": spec.read_only},
        "hostname": spec.hostname or spec.identity[:12],
        "process": _process(spec, found),
        "mounts": list(_mounts(spec, steps, found)),
        "linux": _linux(spec, steps, found),
    }
    if spec.namespaces.uts != "private":
        del document["hostname"]
    return document


def with_init(document: Document, program: str, source: str) -> Document:
    """The same container, whose first process is the init of `--init` (linux/container_init.py),
    a file on the host at `source`; it starts `program`, the path of the container's own.

    The runtime is to hand it a descriptor 3.
    """
    options = ("bind", "rprivate", "ro", "nosuid", "nodev")
    args = [INIT, "--", *document["process"]["args"], program]
    return {
        **document,
        "process": {**document["process"], "args": args},
        "mounts": [*document["mounts"], _mount(INIT, "bind", source, options)],
    }


# the process


def _process(spec: ContainerSpec, found: Found) -> Document:
    identity = found.identity
    user: Document = {"uid": identity.uid, "gid": identity.gid, "umask": 0o022}
    if identity.groups:
        user["additionalGids"] = list(identity.groups)
    process: Document = {
        "terminal": spec.process.terminal,
        "user": user,
        "args": list(spec.process.args),
        "env": _environment(spec.process.env, found.home),
        "cwd": spec.process.cwd,
        "capabilities": _capabilities(found),
        "noNewPrivileges": spec.no_new_privileges,
    }
    if spec.apparmor:
        process["apparmorProfile"] = spec.apparmor
    if spec.oom_score_adj is not None:
        process["oomScoreAdj"] = spec.oom_score_adj
    if spec.limits:
        process["rlimits"] = [
            {
                "type": f"RLIMIT_{limit.name.upper()}",
                "soft": _unsigned(limit.soft),
                "hard": _unsigned(limit.hard),
            }
            for limit in spec.limits
        ]
    return process


def _unsigned(limit: int) -> int:
    return limit if limit >= 0 else (1 << 64) - 1


def _environment(lines: Iterable[str], home: str) -> list[str]:
    found: dict[str, str] = {}
    for line in lines:
        found[line.partition("=")[0]] = line
    found.setdefault("HOME", f"HOME={home}")
    return list(found.values())


def _capabilities(found: Found) -> Document:
    names = sorted(f"CAP_{name}" for name in found.capabilities)
    held = [] if found.identity.uid else names
    return {
        "bounding": names,
        "effective": held,
        "permitted": held,
        "inheritable": [],
        "ambient": [],
    }


# its file systems


def _mounts(spec: ContainerSpec, steps: Sequence[Step], found: Found) -> Iterator[Document]:
    for step in steps:
        match step:
            case MountFilesystem():
                yield from _filesystem(step, spec, found)
            case AttachTerminals():
                yield _mount(step.target, "devpts", "devpts", ("nosuid", "noexec", *_TERMINALS))
            case BindMount():
                if not (step.optional and step.source in found.lacking):
                    yield _bind(step, found)
            case ShareMemory() if spec.ids is not None:
                raise _somebody_elses(step.target)
            case ShareMemory():
                options = ("bind", "rprivate", "nosuid", "nodev", "noexec")
                shared = spec.namespaces.ipc.removesuffix("/ns/ipc") + "/root" + step.target
                yield _mount(step.target, "bind", shared, options)
            case TreeBind():
                raise NotInBundle(f"a mount of layers ({step.target})")
            case PlaceFile():
                raise NotInBundle(f"a file in memory ({step.target})")
            case _:
                pass
    for node in found.nodes:
        if node.source and node.path not in _MADE_BY_RUNTIMES:
            bound = ("bind", "rprivate", "nosuid", "noexec")
            yield _mount(node.path, "bind", node.source, bound)


def _filesystem(step: MountFilesystem, spec: ContainerSpec, found: Found) -> Iterator[Document]:
    if step.target.startswith(f"{_GROUPS}/") or (step.optional and step.fstype in found.lacking):
        return
    if step.target == _GROUPS:
        closed = ("nosuid", "nodev", "noexec", "relatime", "ro")
        yield _mount(_GROUPS, "cgroup", "cgroup", closed)
        return
    if spec.ids is not None and is_anothers(step, spec) and not _is_our_network(step, spec):
        yield _of_host(step, spec)
        return
    if step.fstype in found.bound:
        yield _mount(step.target, "bind", step.target, ("rbind", "rprivate", *step.flags))
        return
    flags = _DEVICES_USABLE if step.target == "/dev" else step.flags
    options = (f"{key}={value}" if value else key for key, value in step.options)
    yield _mount(step.target, step.fstype, step.fstype, (*flags, *options))


def _is_our_network(step: MountFilesystem, spec: ContainerSpec) -> bool:
    """Whether it shows a network that was made for the container, and belongs to its users."""
    return step.fstype == "sysfs" and "/fd/" in spec.network


def _of_host(step: MountFilesystem, spec: ContainerSpec) -> Document:
    """What root of a user namespace may not mount: it shows a namespace of somebody else's."""
    shown = {"proc": spec.namespaces.pid, "sysfs": spec.network}.get(
        step.fstype, spec.namespaces.ipc
    )
    if shown != "host":
        raise _somebody_elses(step.target)
    return _mount(step.target, "bind", step.target, ("rbind", "rprivate", *step.flags))


def _somebody_elses(target: str) -> NotInBundle:
    return NotInBundle(f"{target} of another container beside --userns")


def _bind(step: BindMount, found: Found) -> Document:
    how = "rbind" if step.recursive else "bind"
    # `ro` holds for the topmost mount alone, `rro` for what is mounted below it as well.
    deep = ("rro",) if "ro" in step.flags and step.recursive and step.flags_below else ()
    source = found.sources.get(step.target, step.source)
    return _mount(step.target, "bind", source, (how, step.propagation, *step.flags, *deep))


def _mount(target: str, fstype: str, source: str, options: Iterable[str]) -> Document:
    return {"destination": target, "type": fstype, "source": source, "options": list(options)}


# what Linux has beyond that


def _linux(spec: ContainerSpec, steps: Sequence[Step], found: Found) -> Document:
    nodes = [node for node in found.nodes if node.path not in _MADE_BY_RUNTIMES]
    closed = [step.path for step in steps if isinstance(step, MakeReadOnly)]
    linux: Document = {
        "namespaces": list(_namespaces(spec)),
        "maskedPaths": [step.path for step in steps if isinstance(step, Mask)],
        "readonlyPaths": [path for path in closed if path not in {"/", _GROUPS}],
        "resources": {"devices": list(_device_rules(spec, nodes, found.device_rules))},
    }
    if spec.ids is not None:
        linux["uidMappings"] = list(map(_mapping, spec.ids.uids))
        linux["gidMappings"] = list(map(_mapping, spec.ids.gids))
    if new := [node for node in nodes if not node.source]:
        linux["devices"] = [_device(node) for node in new]
    if found.cgroups_path:
        linux["cgroupsPath"] = found.cgroups_path
    if parameters := dict(_parameters(spec, steps, found)):
        linux["sysctl"] = parameters
    if spec.seccomp and not spec.privileged:
        linux["seccomp"] = _filter(spec, found)
    return linux


def _mapping(extent: Extent) -> Document:
    return {"containerID": extent.inside, "hostID": extent.outside, "size": extent.count}


def _parameters(
    spec: ContainerSpec, steps: Sequence[Step], found: Found
) -> Iterator[tuple[str, str]]:
    for step in steps:
        if isinstance(step, SetParameter) and not (step.optional and step.name in found.lacking):
            yield step.name, step.value
    if spec.domainname and spec.namespaces.uts == "private":
        yield "kernel.domainname", spec.domainname


def _filter(spec: ContainerSpec, found: Found) -> Document:
    if not spec.seccomp_profile:
        return built_in(found.capabilities, found.machine)
    return of_profile(spec.seccomp_profile, found.capabilities, found.machine, found.kernel)


def _namespaces(spec: ContainerSpec) -> Iterator[Document]:
    yield {"type": "mount"}
    chosen = spec.namespaces
    for kind, where in (
        ("pid", chosen.pid),
        ("ipc", chosen.ipc),
        ("uts", chosen.uts),
        ("cgroup", chosen.cgroup),
        ("network", spec.network),
        ("user", chosen.user),
    ):
        if where in {"private", "shareable", "none"}:
            yield {"type": kind}
        elif where != "host":
            yield {"type": kind, "path": where}


def _device_rules(
    spec: ContainerSpec, nodes: Iterable[Node], rules: Iterable[DeviceRule]
) -> Iterator[Document]:
    if spec.privileged:
        yield {"allow": True, "access": "rwm"}
        return
    yield {"allow": False, "access": "rwm"}
    for node in nodes:
        yield _allowed(DeviceRule(node.kind, node.major, node.minor, node.permissions))
    for rule in rules:
        yield _allowed(rule)


def _allowed(rule: DeviceRule) -> Document:
    allowed: Document = {"allow": True, "type": rule.kind, "access": rule.permissions}
    numbers = {"major": rule.major, "minor": rule.minor}
    return allowed | {name: number for name, number in numbers.items() if number != ANY}


def _device(node: Node) -> Document:
    return {
        "path": node.path,
        "type": node.kind,
        "major": node.major,
        "minor": node.minor,
        "fileMode": node.mode,
        "uid": node.uid,
        "gid": node.gid,
    }
