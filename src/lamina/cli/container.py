"""`lamina container`: the commands about containers under Docker's longer names."""

from __future__ import annotations

import importlib

import click

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


class Commands(click.Group):
    """Each is imported when it is used, like those above it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"lamina.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command


@click.group(cls=Commands, epilog="Example: lamina container prune --filter until=24h")
def command() -> None:
    """Commands about containers, as Docker groups them."""
