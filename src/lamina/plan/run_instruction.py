"""RUN as a vertex of the graph.  Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lamina.dockerfile.instruction import Flag, Instruction
from lamina.dockerfile.source import DockerfileError
from lamina.plan.graph import RunOp, Vertex
from lamina.plan.run_mounts import Mounts
from lamina.plan.stage import Stage

_ALSO = frozenset({("amd64", "386"), ("arm64", "arm")})
"""Processors that run the programs of an older one as well."""
SCRIPTS = "/dev/pipes"
"""Where RUN finds a heredoc that begins with `#!`."""
PROXIES = tuple(
    name
    for stem in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    for name in (stem.upper(), stem)
)
"""Arguments that every RUN sees without ARG, and that neither cache nor history knows."""


def run(stage: Stage, line: Instruction, find: Callable[[str], Vertex]) -> None:
    """RUN in shell or JSON form, or with heredocs; `find` gives what a mount is `from`."""
    flags = _flags(stage, line)
    args, script = _command(stage, line)
    mounts = Mounts(stage, line, find)
    for flag in line.flags:
        if flag.name == "mount":
            mounts.add(flag)
    env = tuple(f"{name}={value}" for name, value in stage.variables.items())
    op = RunOp(
        args,
        (*env, *mounts.environment(env)),
        stage.execution.user,
        stage.cwd,
        _network(stage, flags.get("network")),
        script,
        tuple(mounts.found),
        insecure=_insecure(stage, flags.get("security")),
        hosts=stage.settings.hosts,
        platform=_foreign(stage),
    )
    vertex = stage.graph.add(
        op,
        parent=stage.tip,
        origins=tuple(mounts.origins),
        instruction=line,
        title="RUN " + " ".join(line.text.split()),
        stage=stage.label,
        proxies=_proxies(stage),
    )
    used = [f"{name}={stage.variables.get(name, '')}" for name in stage.declared]
    counted = [f"|{len(used)}", *used] if used else []
    stage.record(f"RUN {' '.join([*counted, *args])} # buildkit", vertex)


def _flags(stage: Stage, line: Instruction) -> dict[str, Flag]:
    """The flags that may be given once, by name."""
    for flag in line.flags:
        if flag.name == "device":
            problem = "RUN --device is not supported"
            raise DockerfileError(
                stage.source, flag.span, problem, note="the stable Dockerfile syntax has no devices"
            )
    once = tuple(flag for flag in line.flags if flag.name != "mount")
    known = ("network", "security", "mount")
    return stage.flags(msgspec.structs.replace(line, flags=once), known)


def _network(stage: Stage, flag: Flag | None) -> str:
    """`default`, `none` or `host`: the instruction's, else the build's."""
    if flag is None:
        return stage.settings.network
    network = flag.value or ""
    if network not in ("default", "none", "host"):
        problem = f"not a network: {network}"
        raise DockerfileError(stage.source, flag.span, problem, note="default, none or host")
    return network


def _insecure(stage: Stage, flag: Flag | None) -> bool:
    """Whether the command runs with all privileges; only when the build grants that."""
    if flag is None:
        return False
    mode = flag.value or ""
    if mode not in ("sandbox", "insecure"):
        problem = f"not a security mode: {mode}"
        raise DockerfileError(stage.source, flag.span, problem, note="sandbox or insecure")
    if mode == "insecure" and not stage.settings.insecure:
        problem = "RUN --security=insecure is not allowed in this build"
        raise DockerfileError(
            stage.source, flag.span, problem, note="build with --allow security.insecure"
        )
    return mode == "insecure"


def _proxies(stage: Stage) -> tuple[str, ...]:
    given = stage.settings.build_args
    return tuple(f"{name}={given[name]}" for name in PROXIES if name in given)


def _foreign(stage: Stage) -> str:
    """The platform of the stage's programs; empty when this host runs them itself."""
    host, platform = stage.settings.host, stage.platform or stage.settings.platform
    same = host.architecture == platform.architecture
    if platform.os == host.os and (same or (host.architecture, platform.architecture) in _ALSO):
        return ""
    return str(platform)


def _command(stage: Stage, line: Instruction) -> tuple[tuple[str, ...], str]:
    """What RUN executes, and the script to mount for it when there is one."""
    if line.json is not None:
        if not line.json:
            raise stage.error(line, "RUN needs a command", line.text)
        return line.json, ""
    text = line.text
    if line.heredocs:
        first = line.heredocs[0]
        if text == first.word:
            text = first.text
            if text.startswith("#!"):
                return (*stage.shell, f"{SCRIPTS}/{first.name}"), text
        else:
            text += "".join(f"\n{doc.content}{doc.name}" for doc in line.heredocs)
    return (*stage.shell, text), ""
