"""`lamina container`: the commands about containers under Docker's longer names."""

from __future__ import annotations

import click

from lamina.cli.main import LazyGroup

_SAME = (
    *("attach", "commit", "cp", "create", "diff", "exec", "export", "inspect", "kill", "logs"),
    *("pause", "port", "rename", "restart", "rm", "run", "start", "stats", "stop", "top"),
    *("unpause", "update", "wait"),
)
_COMMANDS = {
    **{name: name for name in _SAME},
    "ls": "ps",
    "list": "ps",
    "ps": "ps",
    "remove": "rm",
    "prune": "container_prune",
}


class Commands(LazyGroup):
    """Those above under longer names."""

    modules = _COMMANDS


@click.group(cls=Commands, epilog="Example: lamina container prune --filter until=24h")
def command() -> None:
    """Commands about containers, as Docker groups them."""
