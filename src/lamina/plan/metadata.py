"""The instructions that change an image's configuration and make no layer.  Pure.

Each writes the history line that BuildKit writes for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lamina.dockerfile.instruction import Instruction
from lamina.dockerfile.ports import BadPort, read_ports
from lamina.dockerfile.spaces import BLANKS, SPACES, words
from lamina.dockerfile.words import name_values, quoted_words
from lamina.oci.config import Healthcheck
from lamina.plan.stage import Stage, quoted, quoted_list

_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6}
_NANOSECONDS |= {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_LEAST = 10**6
_SIGNAL = re.compile(
    r"0*[1-9]\d{0,2}|(?:SIG)?(?:ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL"
    r"|PROF|PWR|QUIT|SEGV|STKFLT|STOP|SYS|TERM|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH"
    r"|XCPU|XFSZ|RTMIN(?:\+(?:1[0-5]|[1-9]))?|RTMAX(?:-(?:1[0-4]|[1-9]))?)",
    re.IGNORECASE,
)
_HEALTH_FLAGS = ("interval", "timeout", "start-period", "start-interval", "retries")


def maintainer(stage: Stage, line: Instruction) -> None:
    """MAINTAINER: the image's author."""
    stage.author = line.text
    stage.record(f"MAINTAINER {line.text}")


def env(stage: Stage, line: Instruction) -> None:
    """ENV: every value sees the variables as they were before the instruction."""
    pairs = {
        stage.expand(line, name): stage.expand(line, value)
        for name, value in name_values(stage.source, line, stage.escape)
    }
    if "" in pairs:
        raise stage.error(line, "an environment variable needs a name")
    values = {**stage.execution.environment(), **pairs}
    stage.change(env=tuple(f"{name}={value}" for name, value in values.items()))
    stage.variables |= pairs
    stage.record("ENV " + " ".join(f"{name}={value}" for name, value in pairs.items()))


def label(stage: Stage, line: Instruction) -> None:
    """LABEL: adds to what is there."""
    pairs = {
        stage.expand(line, name): stage.expand(line, value)
        for name, value in name_values(stage.source, line, stage.escape)
    }
    if "" in pairs:
        raise stage.error(line, "a label needs a name")
    stage.change(labels={**(stage.execution.labels or {}), **pairs})
    stage.record("LABEL " + " ".join(f"{name}={value}" for name, value in pairs.items()))


def arg(stage: Stage, line: Instruction, inherited: dict[str, str]) -> None:
    """ARG: `--build-arg`, else the default, else the value from before the first FROM."""
    shown: list[str] = []
    for word in quoted_words(line.text, stage.escape):
        name, equals, default = word.partition("=")
        if not name:
            raise stage.error(line, "ARG needs a name", word)
        value: str | None = None
        if name in stage.settings.build_args:
            value = stage.settings.build_args[name]
        elif equals:
            value = stage.expand(line, default)
        elif name in inherited:
            value = inherited[name]
        stage.declared[name] = value
        if value is not None:
            stage.variables[name] = value
        shown.append(name if value is None else f"{name}={value}")
    stage.record("ARG " + " ".join(shown))


def user(stage: Stage, line: Instruction) -> None:
    """USER: looked up when a command runs."""
    name = stage.expand(line, line.text)
    stage.change(user=name)
    stage.record(f"USER {name}")


def command(stage: Stage, line: Instruction) -> None:
    """CMD in JSON or shell form."""
    args = line.json if line.json is not None else (*stage.shell, line.text)
    stage.change(cmd=args, args_escaped=True)
    stage.has_command = True
    stage.record(f"CMD {quoted_list(args)}")


def entrypoint(stage: Stage, line: Instruction) -> None:
    """ENTRYPOINT: takes a CMD that came with the base away."""
    args = line.json if line.json is not None else (*stage.shell, line.text)
    stage.change(entrypoint=args or None)
    if not stage.has_command:
        stage.change(cmd=None)
    stage.record(f"ENTRYPOINT {quoted_list(args)}")


def expose(stage: Stage, line: Instruction) -> None:
    """EXPOSE: `80`, `80/udp`, `8000-8003`, in the order of the words, sorted as text."""
    ports: list[str] = []
    for text in sorted(line.words()):
        for word in stage.expand_words(line, text):
            try:
                ports += read_ports(word).exposed()
            except BadPort as error:
                raise stage.error(line, str(error), text, note=error.hint) from None
    stage.change(exposed_ports={**(stage.execution.exposed_ports or {}), **{p: {} for p in ports}})
    stage.record(f"EXPOSE [{' '.join(ports)}]")


def volume(stage: Stage, line: Instruction) -> None:
    """VOLUME: paths where a container gets a volume."""
    written = [word.strip(SPACES) for word in line.words()]
    paths = [stage.expand(line, word) for word in written]
    if not paths or not all(written) or not all(paths):
        raise stage.error(line, "a volume needs a path", line.text)
    stage.change(volumes={**(stage.execution.volumes or {}), **{path: {} for path in paths}})
    stage.record(f"VOLUME [{' '.join(paths)}]")


def stop_signal(stage: Stage, line: Instruction) -> None:
    """STOPSIGNAL: a name or a number."""
    name = stage.expand(line, line.text)
    if not _SIGNAL.fullmatch(name):
        raise stage.error(line, f"not a signal: {name}", line.text, note="as in SIGTERM or 9")
    stage.change(stop_signal=name)
    stage.record(f"STOPSIGNAL {name}")


def shell(stage: Stage, line: Instruction) -> None:
    """SHELL: what runs the shell form; JSON only."""
    if not line.json:
        raise stage.error(
            line, "SHELL needs its words as JSON", line.text, note='as in ["/bin/bash", "-c"]'
        )
    stage.change(shell=line.json)
    stage.record(f"SHELL [{' '.join(line.json)}]")


def on_build(stage: Stage, line: Instruction) -> None:
    """ONBUILD: kept in the configuration for the builds that start from this image.

    It changes nothing now, and BuildKit writes no history of it.  Heredocs are kept with it.
    """
    keyword = words(line.text)[0].upper()
    if keyword in ("FROM", "MAINTAINER", "ONBUILD"):
        raise stage.error(line, f"ONBUILD {keyword} is not allowed", line.text)
    kept = line.text + "".join(f"\n{doc.content}{doc.name}" for doc in line.heredocs)
    stage.change(on_build=(*(stage.execution.on_build or ()), kept))


def healthcheck(stage: Stage, line: Instruction) -> None:
    """HEALTHCHECK: NONE, or CMD in JSON or shell form."""
    kind, *arguments = BLANKS.split(line.text, maxsplit=1)
    rest = "".join(arguments)
    if kind.upper() == "NONE":
        if rest:
            raise stage.error(line, "HEALTHCHECK NONE takes nothing", rest)
        found = Healthcheck(test=("NONE",))
    elif kind.upper() == "CMD" and rest and line.json != ():
        test = ("CMD", *line.json) if line.json is not None else ("CMD-SHELL", rest)
        flags = stage.flags(line, _HEALTH_FLAGS)
        values = {name: flag.value or "" for name, flag in flags.items()}
        found = Healthcheck(
            test=test,
            interval=_duration(stage, line, "interval", values),
            timeout=_duration(stage, line, "timeout", values),
            start_period=_duration(stage, line, "start-period", values),
            start_interval=_duration(stage, line, "start-interval", values),
            retries=_retries(stage, line, values.get("retries") or "0"),
        )
    else:
        raise stage.error(line, "HEALTHCHECK needs CMD and a command, or NONE", line.text)
    stage.change(healthcheck=found)
    times = (found.interval, found.timeout, found.start_period, found.start_interval)
    shown = " ".join(quoted(_go_duration(each)) for each in times)
    # Docker prints all of it with %q, so a number is a character.
    retries = quoted(chr(found.retries))[1:-1]
    stage.record(f"HEALTHCHECK &{{{quoted_list(found.test)} {shown} '{retries}'}}")


def _retries(stage: Stage, line: Instruction, text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text):
        raise stage.error(line, f"not a number of retries: {text}", text)
    return int(text)


def _duration(stage: Stage, line: Instruction, name: str, values: dict[str, str]) -> int:
    """Nanoseconds of a Go duration (`1m30s`); 0 when the flag is not given."""
    text = values.get(name) or "0"
    if text == "0":
        return 0
    parts = _DURATION.findall(text)
    if not parts or "".join(a + b for a, b in parts) != text:
        raise stage.error(line, f"not a duration: {text}", text, note="as in 30s or 1m30s")
    total = sum(round(float(number) * _NANOSECONDS[unit]) for number, unit in parts)
    if 0 < total < _LEAST:
        raise stage.error(line, f"--{name} is shorter than 1ms", text)
    return total


def _go_duration(nanoseconds: int) -> str:
    """A duration as Go prints it: `1m30s`, `500ms`, `0s`."""
    if nanoseconds < 10**9:
        return f"{nanoseconds / 10**6:g}ms" if nanoseconds else "0s"
    seconds = nanoseconds / 10**9
    hours, minutes = int(seconds // 3600), int(seconds % 3600 // 60)
    text = f"{seconds % 60:g}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


METADATA: dict[str, Callable[[Stage, Instruction], None]] = {
    "CMD": command,
    "ENTRYPOINT": entrypoint,
    "ENV": env,
    "EXPOSE": expose,
    "HEALTHCHECK": healthcheck,
    "LABEL": label,
    "MAINTAINER": maintainer,
    "ONBUILD": on_build,
    "SHELL": shell,
    "STOPSIGNAL": stop_signal,
    "USER": user,
    "VOLUME": volume,
}
