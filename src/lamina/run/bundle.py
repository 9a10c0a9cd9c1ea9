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
from lamina.run.bundle_seccomp import built_in
from lamina.run.plan import DEVICES
from lamina.run.spec import ContainerSpec, Identity
from lamina.run.steps import (
    AttachTerminals,
    BindMount,
    MakeDevices,
    MakeReadOnly,
    Mask,
    MountFilesystem,
    PlaceFile,
    Step,
    TreeBind,
)

VERSION = "1.0.2"
_MADE_BY_RUNTIMES = frozenset(f"/dev/{name}" for name in DEVICES)
_TERMINALS = ("newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
_DEVICES_USABLE = ("nosuid", "strictatime")
"""/dev itself: runtimes make the nodes in it, where the embedded one binds the host's."""

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
    kind: Literal["c", "b"]
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0


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
    filesystems: frozenset[str] | None = None
    """Those that the kernel has; None for all."""
    cgroups_path: str = ""
    directories: frozenset[str] = frozenset()
    """Sources of bind mounts that are directories."""


def bundle(spec: ContainerSpec, steps: Sequence[Step], found: Found) -> Document:
    """The document.  Raises NotInBundle."""
    document: Document = {
        "ociVersion": VERSION,
        "root": {"path": found.root, "readonly": spec.read_only},
        "hostname": spec.hostname or spec.identity[:12],
        "process": _process(spec, found),
        "mounts": list(_mounts(steps, found)),
        "linux": _linux(spec, steps, found),
    }
    if spec.namespaces.uts == "host":
        del document["hostname"]
    return document


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


def _mounts(steps: Sequence[Step], found: Found) -> Iterator[Document]:
    for step in steps:
        match step:
            case MountFilesystem():
                if not step.optional or _has(found, step.fstype):
                    yield _filesystem(step)
            case AttachTerminals():
                yield _mount(step.target, "devpts", "devpts", ("nosuid", "noexec", *_TERMINALS))
            case BindMount():
                yield _bind(step, found)
            case TreeBind():
                raise NotInBundle(f"a mount of layers ({step.target})")
            case PlaceFile():
                raise NotInBundle(f"a file in memory ({step.target})")
            case _:
                pass


def _has(found: Found, fstype: str) -> bool:
    return found.filesystems is None or fstype in found.filesystems


def _filesystem(step: MountFilesystem) -> Document:
    flags = _DEVICES_USABLE if step.target == "/dev" else step.flags
    options = (*flags, *(f"{key}={value}" for key, value in step.options))
    return _mount(step.target, step.fstype, step.fstype, options)


def _bind(step: BindMount, found: Found) -> Document:
    how = "rbind" if step.source in found.directories else "bind"
    # `ro` holds for the topmost mount alone, `rro` for what is mounted below it as well.
    deep = ("rro",) if "ro" in step.flags and how == "rbind" else ()
    return _mount(step.target, "bind", step.source, (how, "rprivate", *step.flags, *deep))


def _mount(target: str, fstype: str, source: str, options: Iterable[str]) -> Document:
    return {"destination": target, "type": fstype, "source": source, "options": list(options)}


# what Linux has beyond that


def _linux(spec: ContainerSpec, steps: Sequence[Step], found: Found) -> Document:
    nodes = [node for node in found.nodes if node.path not in _MADE_BY_RUNTIMES]
    linux: Document = {
        "namespaces": list(_namespaces(spec)),
        "maskedPaths": [step.path for step in steps if isinstance(step, Mask)],
        "readonlyPaths": [
            step.path for step in steps if isinstance(step, MakeReadOnly) and step.path != "/"
        ],
        "resources": {"devices": list(_device_rules(spec, nodes))},
    }
    if nodes:
        linux["devices"] = [_device(node) for node in nodes]
    if found.cgroups_path:
        linux["cgroupsPath"] = found.cgroups_path
    if spec.seccomp and not spec.privileged:
        linux["seccomp"] = built_in(found.capabilities, found.machine)
    return linux


def _namespaces(spec: ContainerSpec) -> Iterator[Document]:
    yield {"type": "mount"}
    chosen = spec.namespaces
    for kind, where in (
        ("pid", chosen.pid),
        ("ipc", chosen.ipc),
        ("uts", chosen.uts),
        ("cgroup", chosen.cgroup),
        ("network", "private" if spec.network == "none" else spec.network),
    ):
        if where == "private":
            yield {"type": kind}
        elif where != "host":
            yield {"type": kind, "path": where}


def _device_rules(spec: ContainerSpec, nodes: Iterable[Node]) -> Iterator[Document]:
    if spec.privileged:
        yield {"allow": True, "access": "rwm"}
        return
    yield {"allow": False, "access": "rwm"}
    for node in nodes:
        yield {
            "allow": True,
            "type": node.kind,
            "major": node.major,
            "minor": node.minor,
            "access": "rwm",
        }


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


def device_names(steps: Iterable[Step]) -> list[str]:
    """The host's device nodes that the steps show in the container's /dev."""
    return [name for step in steps if isinstance(step, MakeDevices) for name in step.names]
