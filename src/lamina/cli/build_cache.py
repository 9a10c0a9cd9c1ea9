"""`lamina build cache`: look at the build cache, prune it, move cache mounts between machines."""

from __future__ import annotations

import click

from lamina.cli import build_cache_ls, build_cache_moves, build_cache_prune


class _Commands(click.Group):
    """Its commands; what is none of them may have been meant as a directory to build."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            there = ", ".join(sorted(self.commands))
            raise click.UsageError(
                f"no such command: build cache {args[0]} (there are: {there});"
                " to build a directory named cache write ./cache",
                ctx,
            )
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, epilog="Example: lamina build cache ls")
def command() -> None:
    """Look at the build cache, prune it, and move cache mounts between machines.

    To build a directory named cache, write ./cache.
    """


command.add_command(build_cache_ls.list_command, "ls")
command.add_command(build_cache_prune.prune_command, "prune")
command.add_command(build_cache_moves.export_command, "export")
command.add_command(build_cache_moves.import_command, "import")
