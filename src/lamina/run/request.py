"""What a user asks of `run`, and what follows from it and the image.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from lamina.errors import Invalid
from lamina.oci.config import Execution
from lamina.run.spec import Network, Process

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_HOSTNAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?")
_IGNORED = {"rw", "z", "Z", "nocopy", "private", "rprivate", "cached", "delegated", "consistent"}
"""Words of `-v` that say what is so anyway, or speak to labels this host may not have."""


class BadMount(Invalid):
    """The text is not a mount that we know."""


class NoCommand(Invalid):
    """Neither the image nor the user says what to run."""


class BadHostname(Invalid):
    """The text cannot be a host's name."""


class MountRequest(msgspec.Struct, frozen=True):
    """One `-v`, `--mount` or `--tmpfs`, read but not yet looked at on disk."""

    kind: Literal["bind", "volume", "tmpfs"]
    target: str
    source: str = ""
    """bind: a path of the host as the user wrote it; volume: its name."""
    read_only: bool = False
    options: str = ""
    make_source: bool = False
    """Whether a missing path of the host becomes a directory (`-v`, as Docker has it)."""


class RunRequest(msgspec.Struct, frozen=True):
    """The options of `run`; empty and None mean "as the image has it"."""

    command: tuple[str, ...] = ()
    entrypoint: str | None = None
    env: tuple[str, ...] = ()
    workdir: str = ""
    user: str = ""
    mounts: tuple[MountRequest, ...] = ()
    hostname: str = ""
    network: Network = "host"
    interactive: bool = False
    terminal: bool = False
    read_only: bool = False
    privileged: bool = False
    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    seccomp: bool = True
    no_new_privileges: bool = True
    remove: bool = False


def process(execution: Execution, request: RunRequest, *, hostname: str) -> Process:
    """What is executed in a container of an image.  Raises NoCommand."""
    return Process(
        command(execution, request),
        environment(execution, request, hostname=hostname),
        request.workdir or execution.working_dir or "/",
        request.user or execution.user,
        request.terminal,
    )


def command(execution: Execution, request: RunRequest) -> tuple[str, ...]:
    """Entry point and arguments; a new entry point does away with the image's command."""
    if request.entrypoint is None:
        entrypoint, default = execution.entrypoint or (), execution.cmd or ()
    else:
        entrypoint, default = ((request.entrypoint,) if request.entrypoint else ()), ()
    args = (*entrypoint, *(request.command or default))
    if not args or not args[0]:
        raise NoCommand("the image does not say what to run", hint="name a command after the image")
    return args


def environment(execution: Execution, request: RunRequest, *, hostname: str) -> tuple[str, ...]:
    """Docker's own variables, the image's, the user's; a later one replaces an earlier."""
    merged = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if request.terminal:
        merged["TERM"] = "xterm"
    for line in (*(execution.env or ()), *request.env):
        name, _, value = line.partition("=")
        if name:
            merged[name] = value
    return tuple(f"{name}={value}" for name, value in merged.items())


def check_hostname(text: str) -> str:
    """`text` if it can be a host's name.  Raises BadHostname."""
    if text and not _HOSTNAME.fullmatch(text):
        raise BadHostname(f"not a host name: {text!r}", hint="letters, digits, hyphens and dots")
    return text


def parse_volume(text: str) -> MountRequest:
    """Read `-v [SOURCE:]TARGET[:OPTIONS]`.  Raises BadMount."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise BadMount(f"not a volume: {text!r}", hint="write SOURCE:TARGET or SOURCE:TARGET:ro")
    if len(parts) == 1:
        return MountRequest("volume", _target(parts[0], text))
    source, target = parts[0], _target(parts[1], text)
    words = parts[2].split(",") if len(parts) == 3 else []
    if unknown := set(words) - _IGNORED - {"ro"}:
        raise BadMount(f"unknown volume option {min(unknown)!r} in {text!r}", hint="ro or rw")
    read_only = "ro" in words
    if "/" in source or source in {".", ".."}:
        return MountRequest("bind", target, source, read_only, make_source=True)
    return MountRequest("volume", target, _volume_name(source), read_only)


def parse_mount(text: str) -> MountRequest:
    """Read `--mount type=bind|volume|tmpfs,source=…,target=…[,readonly]`.  Raises BadMount."""
    names = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
    fields: dict[str, str] = {}
    for word in text.split(","):
        key, equals, value = word.partition("=")
        fields[names.get(key.strip(), key.strip())] = value if equals else "true"
    kind = fields.pop("type", "volume")
    target = _target(fields.pop("target", ""), text)
    source = fields.pop("source", "")
    read_only = fields.pop("readonly", "false").lower() in {"true", "1"}
    if kind == "tmpfs":
        pairs = (("size", "tmpfs-size"), ("mode", "tmpfs-mode"))
        options = ",".join(f"{to}={fields.pop(key)}" for to, key in pairs if key in fields)
        _refuse_rest(fields, text)
        return MountRequest("tmpfs", target, "", read_only, options)
    for ignored in ("consistency", "bind-propagation", "volume-nocopy"):
        fields.pop(ignored, None)
    _refuse_rest(fields, text)
    if kind == "bind" and source:
        return MountRequest("bind", target, source, read_only)
    if kind == "volume":
        return MountRequest("volume", target, _volume_name(source) if source else "", read_only)
    raise BadMount(f"not a mount: {text!r}", hint="type=bind,source=/here,target=/there")


def parse_tmpfs(text: str) -> MountRequest:
    """Read `--tmpfs TARGET[:size=…,mode=…,exec]`.  Raises BadMount."""
    target, _, options = text.partition(":")
    return MountRequest("tmpfs", _target(target, text), options=options)


def _target(target: str, text: str) -> str:
    parts = [part for part in target.split("/") if part not in {"", "."}]
    if not target.startswith("/") or not parts or ".." in parts:
        raise BadMount(
            f"the target in {text!r} is not an absolute path below /",
            hint="the path inside the container begins with /",
        )
    return "/" + "/".join(parts)


def _volume_name(name: str) -> str:
    if not _VOLUME_NAME.fullmatch(name):
        raise BadMount(
            f"not a volume name: {name!r}",
            hint="letters, digits, '_', '.' and '-'; a path of the host has a slash in it",
        )
    return name


def _refuse_rest(fields: Mapping[str, str], text: str) -> None:
    if fields:
        raise BadMount(f"unknown option {min(fields)!r} in the mount {text!r}")


def environment_lines(texts: Iterable[str], host: Mapping[str, str]) -> list[str]:
    """`NAME=value` lines; a bare NAME takes its value from `host`, or is left out there."""
    lines = []
    for text in texts:
        if "=" in text:
            lines.append(text)
        elif text in host:
            lines.append(f"{text}={host[text]}")
    return lines
