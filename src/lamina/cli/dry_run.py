"""`run --dry-run`: the mounts and the process of a container, told and not made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.cli.app import App
from lamina.cli.declared import Option

if TYPE_CHECKING:
    from lamina.cli.foreseen import Foreseen
    from lamina.linux.id_mapping import Map
    from lamina.run.spec import ContainerSpec
    from lamina.run.steps import Step

OPTIONS = (
    Option("--dry-run", kind="flag", help="Tell the mounts and the process; run none."),
    Option(
        "--format",
        name="form",
        choices=("text", "json"),
        default="text",
        help="With --dry-run: how it is told.",
    ),
)
_WIDTH = 12
_HIDDEN = "<hidden>"


def show(app: App, options: dict[str, Any]) -> None:
    """Print what `run` would do with these options.  Raises EngineError."""
    from lamina.cli.foreseen import foreseen
    from lamina.cli.format import to_json

    with foreseen(app, options, Path("/")) as found:
        if options["form"] == "json":
            print(to_json(document(found)))
        else:
            for line in lines(found):
                print(line)


def document(found: Foreseen) -> dict[str, Any]:
    """The same as `lines` for programs.  Values of variables are not in it."""
    import msgspec

    spec = found.orders.spec
    process = msgspec.to_builtins(spec.process)
    process["env"] = [_name(line) for line in spec.process.env]
    return {
        "image": str(found.image.config.digest),
        "runtime": found.runtime or "embedded",
        "network": found.network,
        "namespaces": msgspec.to_builtins(spec.namespaces),
        "ids": msgspec.to_builtins(spec.ids),
        "steps": [_as_document(step) for step in found.orders.steps],
        "process": process,
        "capabilities": sorted(found.orders.capabilities),
        "seccomp": _filter(spec),
        "no_new_privileges": spec.no_new_privileges,
        "limits": msgspec.to_builtins(spec.limits),
        "oom_score_adj": spec.oom_score_adj,
    }


def _as_document(step: Step) -> dict[str, Any]:
    import msgspec

    return {"do": type(step).__name__, **msgspec.to_builtins(step, enc_hook=lambda _: _HIDDEN)}


def lines(found: Foreseen) -> Iterator[str]:
    """The account for people: a group a paragraph, a step a line."""
    from lamina.text import escape

    spec = found.orders.spec
    layers = len(spec.rootfs.lowers)
    yield _line("image", escape(str(found.image.config.digest)))
    yield _line("runtime", escape(found.runtime or "embedded"))
    yield _line("root", f"overlay of {layers} layer{'s' * (layers != 1)} and a writable one")
    yield _line("network", escape(found.network))
    yield _line("namespaces", escape(" ".join(_namespaces(spec))))
    if spec.ids is not None:
        yield _line("users", *_map(spec.ids.uids))
        yield _line("groups", *_map(spec.ids.gids))
    yield ""
    for step in found.orders.steps:
        yield _line(*(escape(word) for word in told(step)))
    yield ""
    yield from (_line(name, escape(value)) for name, value in _process(found))


def _line(name: str, *words: str) -> str:
    return f"{name:<{_WIDTH}} {'  '.join(word for word in words if word)}".rstrip()


def _map(extents: Map) -> Iterator[str]:
    for each in extents:
        inside, there = each.inside + each.count - 1, each.outside + each.count - 1
        yield f"{each.inside}-{inside} are {each.outside}-{there}"


def _namespaces(spec: ContainerSpec) -> Iterator[str]:
    import msgspec

    for kind, where in msgspec.structs.asdict(spec.namespaces).items():
        yield f"{kind}={where}"


def told(step: Step) -> tuple[str, ...]:
    """What a step does, on what, and how."""
    from lamina.run import steps

    match step:
        case steps.MountFilesystem():
            sizes = [f"{key}={value}" if value else key for key, value in step.options]
            optional = "if the kernel has it" if step.optional else ""
            return step.fstype, step.target, ",".join((*step.flags, *sizes)), optional
        case steps.BindMount():
            source = f"{step.source}/{step.subpath}" if step.subpath else step.source
            flags = [*step.flags, *(["idmapped"] if step.owners else [])]
            flags += [] if step.propagation == "rprivate" else [step.propagation]
            filled = "filled from the image if empty" if step.populate else ""
            return "bind", f"{source} → {step.target}", ",".join(flags), filled
        case steps.AttachTerminals():
            return "devpts", step.target, f"console at {step.console}" if step.console else ""
        case steps.MakeDevices():
            return "devices", step.directory, " ".join(step.names)
        case steps.BindDevice():
            return "device", f"{step.source} → {step.target}"
        case steps.MakeLink():
            return "link", f"{step.path} → {step.text}"
        case steps.MakeDirectory():
            return "directory", step.path
        case steps.SetParameter():
            return "parameter", f"{step.name} = {step.value}"
        case steps.ShareMemory():
            return "shared", step.target
        case steps.Mask():
            return "hide", step.path
        case steps.MakeReadOnly():
            return "read-only", step.path
        case _:
            return "mount", step.target


def _process(found: Foreseen) -> Iterator[tuple[str, str]]:
    import shlex

    spec = found.orders.spec
    yield "command", shlex.join(spec.process.args)
    yield "directory", spec.process.cwd
    yield "user", spec.process.user or "root"
    if spec.process.groups:
        yield "groups", " ".join(spec.process.groups)
    yield "variables", " ".join(_name(line) for line in spec.process.env)
    yield "host name", spec.hostname
    yield "can", " ".join(sorted(found.orders.capabilities)) or "nothing"
    yield "calls", _filter(spec)
    if spec.no_new_privileges:
        yield "privileges", "no new ones"
    for limit in spec.limits:
        yield "limit", f"{limit.name} {limit.soft}:{limit.hard}"


def _name(line: str) -> str:
    """Of a variable: what it is set to may be a secret."""
    return line.partition("=")[0]


def _filter(spec: ContainerSpec) -> str:
    if not spec.seccomp or spec.privileged:
        return "unconfined"
    return "a profile of your own" if spec.seccomp_profile else "the built-in profile"
