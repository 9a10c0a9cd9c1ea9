"""`--ssh` of `lamina build`: the agents that RUN may ask, by id."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from lamina.errors import Invalid, NotFound

_SCRIPT = """\
trap 'kill "$SSH_AGENT_PID"' EXIT
for key; do ssh-add -q -- "$key" </dev/null || exit 1; done
printf '%s\\n' "$SSH_AUTH_SOCK"
cat
"""
"""Runs beside the agent until our end of its input is closed, however we end; the agent takes
its socket along."""


class NoAgent(NotFound):
    """There is no agent to ask."""


class BadKey(Invalid):
    """The agent does not take a private key."""


def agents_of(texts: Iterable[str], environment: Mapping[str, str]) -> dict[str, Path]:
    """The sockets by id.  An agent that is started for keys ends with the command.

    Raises NoAgent, BadKey.
    """
    return {name: _socket(name, paths, environment) for name, paths in map(parse_agent, texts)}


def parse_agent(text: str) -> tuple[str, tuple[str, ...]]:
    """Read `ID[=PATH[,PATH]]`."""
    name, _, paths = text.partition("=")
    return name or "default", tuple(path for path in paths.split(",") if path)


def _socket(name: str, paths: Sequence[str], environment: Mapping[str, str]) -> Path:
    if not paths:
        found = environment.get("SSH_AUTH_SOCK", "")
        if not found:
            raise NoAgent(
                f"no ssh agent for --ssh {name}: $SSH_AUTH_SOCK is not set",
                hint=f"start one with ssh-agent, or name a key: --ssh {name}=~/.ssh/id_ed25519",
            )
        paths = (found,)
    places = [Path(path).expanduser().absolute() for path in paths]
    if len(places) == 1 and _is_socket(places[0]):
        return places[0]
    return _started(name, places)


def _is_socket(place: Path) -> bool:
    try:
        return stat.S_ISSOCK(place.stat().st_mode)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise NoAgent(f"no agent and no key for --ssh: {place}: {reason}") from None


def _started(name: str, keys: Sequence[Path]) -> Path:
    """The socket of an agent that holds these keys until the command ends."""
    if shutil.which("ssh-agent") is None:
        raise NoAgent(
            f"no ssh-agent on this host to hold the keys of --ssh {name}",
            hint="apt install openssh-client, or give the socket of a running agent",
        )
    for key in keys:
        _is_socket(key)
    process = subprocess.Popen(
        ["ssh-agent", "sh", "-c", _SCRIPT, "sh", *map(os.fspath, keys)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A key with a passphrase is refused, not asked for.
        env={**os.environ, "SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"},
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    socket = process.stdout.readline().decode().strip()
    if not socket:
        said = process.stderr.read().decode(errors="replace").strip().splitlines()
        process.stdin.close()
        process.wait()
        told = [line for line in said if not line.startswith("@")]
        reason = told[0] if told else "are they protected by a passphrase?"
        raise BadKey(f"ssh-agent does not take the keys of --ssh {name}: {reason}")
    context = click.get_current_context()
    context.call_on_close(process.wait)
    context.call_on_close(process.stdin.close)
    return Path(socket)
