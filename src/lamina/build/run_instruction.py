"""RUN as a vertex of the graph.  Pure."""

from __future__ import annotations

from collections.abc import Callable

from lamina.build.graph import RunOp, Vertex
from lamina.build.stage import Stage
from lamina.dockerfile.instruction import Instruction

PROXIES = tuple(
    name
    for stem in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    for name in (stem.upper(), stem)
)
"""Arguments that every RUN sees without ARG, and that neither cache nor history knows."""


def run(stage: Stage, line: Instruction, find: Callable[[str], Vertex]) -> None:
    """RUN in shell or JSON form, or with heredocs; `find` gives what a mount is `from`."""
    flags = stage.flags(line, ("network", "security"), ("mount", "device"))
    network = flags["network"].value if "network" in flags else stage.settings.network
    if network not in ("default", "none", "host"):
        raise stage.error(line, f"not a network: {network}", note="default, none or host")
    if "security" in flags and flags["security"].value != "sandbox":
        raise stage.not_yet(line, "RUN --security=insecure is not supported yet", "--security")
    args, script = _command(stage, line)
    op = RunOp(
        args,
        tuple(f"{name}={value}" for name, value in stage.variables.items()),
        stage.execution.user,
        stage.cwd,
        network,
        script,
        hosts=stage.settings.hosts,
    )
    proxies = tuple(
        f"{name}={stage.settings.build_args[name]}"
        for name in PROXIES
        if name in stage.settings.build_args
    )
    used = [f"{name}={stage.variables.get(name, '')}" for name in stage.declared]
    counted = [f"|{len(used)}", *used] if used else []
    vertex = stage.graph.add(
        op,
        parent=stage.tip,
        instruction=line,
        title="RUN " + " ".join(line.text.split()),
        stage=stage.label,
        proxies=proxies,
    )
    stage.record(f"RUN {' '.join([*counted, *args])} # buildkit", vertex)


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
                return (f"/dev/pipes/{first.name}",), text
        else:
            text += "".join(f"\n{doc.content}{doc.name}" for doc in line.heredocs)
    return (*stage.shell, text), ""
