"""The instructions that change an image's configuration and make no layer.  Pure.

Each writes the history line that BuildKit writes for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lamina.build.stage import Stage, quoted, quoted_list
from lamina.dockerfile.parse import Instruction, name_values, parse_line, quoted_words
from lamina.oci.config import Healthcheck

_PORT = re.compile(r"(\d+)(?:-(\d+))?(?:/([a-zA-Z]+))?")
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6}
_NANOSECONDS |= {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_LEAST = 10**6


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
        name = stage.expand(line, name)
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
    words = line.json if line.json is not None else (*stage.shell, line.text)
    stage.change(cmd=words, args_escaped=line.json is None)
    stage.has_command = True
    stage.record(f"CMD {quoted_list(words)}")


def entrypoint(stage: Stage, line: Instruction) -> None:
    """ENTRYPOINT: takes a CMD that came with the base away."""
    words = line.json if line.json is not None else (*stage.shell, line.text)
    stage.change(entrypoint=words)
    if not stage.has_command:
        stage.change(cmd=None, args_escaped=False)
    stage.record(f"ENTRYPOINT {quoted_list(words)}")


def expose(stage: Stage, line: Instruction) -> None:
    """EXPOSE: `80`, `80/udp`, `8000-8003`."""
    ports: list[str] = []
    for word in stage.expand_words(line, line.text):
        match = _PORT.fullmatch(word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        protocol = (match[3] or "tcp").lower() if match else ""
        if protocol not in ("tcp", "udp", "sctp") or not 0 < first <= last <= 65535:
            raise stage.error(line, f"not a port: {word}", word, note="as in 80, 53/udp, 8000-8003")
        ports += [f"{port}/{protocol}" for port in range(first, last + 1)]
    ports = sorted(set(ports))
    stage.change(exposed_ports={**(stage.execution.exposed_ports or {}), **{p: {} for p in ports}})
    stage.record(f"EXPOSE [{' '.join(ports)}]")


def volume(stage: Stage, line: Instruction) -> None:
    """VOLUME: paths where a container gets a volume."""
    paths = [stage.expand(line, word) for word in line.words()]
    if not all(paths):
        raise stage.error(line, "a volume needs a path")
    stage.change(volumes={**(stage.execution.volumes or {}), **{path: {} for path in paths}})
    stage.record(f"VOLUME [{' '.join(paths)}]")


def stop_signal(stage: Stage, line: Instruction) -> None:
    """STOPSIGNAL: a name or a number."""
    name = stage.expand(line, line.text)
    if not re.fullmatch(r"\d{1,2}|(?:SIG)?[A-Z]+\d*(?:[+-]\d+)?", name):
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
    """ONBUILD: kept in the configuration for the builds that start from this image."""
    if line.heredocs:
        raise stage.not_yet(line, "ONBUILD with a heredoc is not supported yet", "<<")
    trigger = parse_line(stage.source, line.text, line.place(line.text), stage.escape)
    if trigger.keyword in ("FROM", "MAINTAINER", "ONBUILD"):
        raise stage.error(line, f"ONBUILD {trigger.keyword} is not allowed", line.text)
    stage.change(on_build=(*(stage.execution.on_build or ()), line.text))
    stage.record(f"ONBUILD {line.text}")


def healthcheck(stage: Stage, line: Instruction) -> None:
    """HEALTHCHECK: NONE, or CMD in JSON or shell form."""
    known = ("interval", "timeout", "start-period", "start-interval", "retries")
    flags = stage.flags(line, known)
    kind, _, rest = line.text.replace("\t", " ").partition(" ")
    kind = kind.upper()
    if kind == "NONE":
        if rest.strip() or flags:
            raise stage.error(line, "HEALTHCHECK NONE takes nothing", line.text)
        found = Healthcheck(test=("NONE",))
    elif kind == "CMD" and rest.strip():
        test = ("CMD", *line.json) if line.json is not None else ("CMD-SHELL", rest.strip())
        values = {name: flag.value or "" for name, flag in flags.items()}
        found = Healthcheck(
            test=test,
            interval=_duration(stage, line, "interval", values),
            timeout=_duration(stage, line, "timeout", values),
            start_period=_duration(stage, line, "start-period", values),
            start_interval=_duration(stage, line, "start-interval", values),
            retries=_retries(stage, line, values.get("retries", "0")),
        )
    else:
        raise stage.error(line, "HEALTHCHECK needs CMD and a command, or NONE", line.text)
    stage.change(healthcheck=found)
    times = (found.interval, found.timeout, found.start_period, found.start_interval)
    shown = " ".join(quoted(_go_duration(each)) for each in times)
    stage.record(
        f"HEALTHCHECK &{{{quoted_list(found.test)} {shown} '\\x{found.retries & 0xFF:02x}'}}"
    )


def _retries(stage: Stage, line: Instruction, text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text):
        raise stage.error(line, f"not a number of retries: {text}", text)
    return int(text)


def _duration(stage: Stage, line: Instruction, name: str, values: dict[str, str]) -> int:
    """Nanoseconds of a Go duration (`1m30s`); 0 when the flag is not given."""
    text = values.get(name, "0")
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
