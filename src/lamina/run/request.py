"""What a user asks of `run`, and what follows from it and the image.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from lamina.errors import Invalid
from lamina.oci.config import Execution
from lamina.run.mount_request import MountRequest
from lamina.run.spec import Network, Process

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HOSTNAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?"


class NoCommand(Invalid):
    """Neither the image nor the user says what to run."""


class BadHostname(Invalid):
    """The text cannot be a host's name."""


class RunRequest(msgspec.Struct, frozen=True):
    """Options of `run` that the image has a word in; empty and None mean "as the image has it"."""

    command: tuple[str, ...] = ()
    entrypoint: str | None = None
    env: tuple[str, ...] = ()
    workdir: str = ""
    user: str = ""
    mounts: tuple[MountRequest, ...] = ()
    network: Network = "host"
    terminal: bool = False


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
    if text and not re.fullmatch(_HOSTNAME, text):
        raise BadHostname(f"not a host name: {text!r}", hint="letters, digits, hyphens and dots")
    return text


def environment_lines(texts: Iterable[str], host: Mapping[str, str]) -> list[str]:
    """`NAME=value` lines; a bare NAME takes its value from `host`, or is left out there."""
    lines = []
    for text in texts:
        if "=" in text:
            lines.append(text)
        elif text in host:
            lines.append(f"{text}={host[text]}")
    return lines
