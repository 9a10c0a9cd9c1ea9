"""The `lamina` command: global options, the table of commands, errors to exit statuses."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from lamina import __version__
from lamina.cli.app import App
from lamina.cli.failure import end, guarded, report
from lamina.store.place import default_root

COMMANDS = {
    # name: (module in lamina.cli, what it does)
    "attach": ("attach", "Attach to a running container"),
    "base": ("base", "Make a base image from a distribution's packages"),
    "blame": ("blame", "Say which instruction last wrote each file of a tree"),
    "build": ("build", "Build an image from a Dockerfile"),
    "build cache": ("build_cache", "Look at the build cache, prune it, move cache mounts"),
    "cat": ("cat", "Print a file of an image, also a hidden one"),
    "commit": ("commit", "Make an image from a container's changes"),
    "completion": ("completion", "Print the completion script of a shell"),
    "container": ("container", "The commands about containers, as Docker groups them"),
    "container prune": ("container_prune", "Remove containers that do not run"),
    "convert": ("convert", "Keep the layers of images in another form"),
    "copy": ("copy", "Copy an image between registries, layouts and archives"),
    "cp": ("cp", "Copy files between a container and the host"),
    "create": ("create", "Make a container that does not run yet"),
    "diff": ("diff", "Show what a container changed, or how two images differ"),
    "events": ("events", "Show what happens to containers, images, volumes, networks"),
    "exec": ("exec", "Run a command in a running container"),
    "explain": ("explain", "Say where an image's bytes come from and who can see them"),
    "explore": ("explore", "Look around in an image, layer by layer"),
    "export": ("export", "Write a container's file system as a tar"),
    "find": ("find", "Find files in an image, also hidden ones"),
    "history": ("history", "Show the layers of an image and what made them"),
    "images": ("images", "List images"),
    "import": ("import_", "Make an image from a tar of a root file system"),
    "info": ("info", "Show what this host and this store can do"),
    "inspect": ("inspect", "Show everything known of an image or container"),
    "kill": ("kill", "Send containers a signal"),
    "leaks": ("leaks", "Find secrets in an image, also in what was deleted"),
    "lint": ("lint", "Say what would better be otherwise in Dockerfiles"),
    "load": ("load", "Load images from an archive"),
    "login": ("login", "Log in to a registry"),
    "logout": ("logout", "Log out of a registry"),
    "logs": ("logs", "Show what a container printed"),
    "ls": ("ls", "List a directory of an image"),
    "network": ("network", "Make, list and remove networks; connect containers to them"),
    "pause": ("pause", "Hold all processes of containers"),
    "port": ("port", "Show where a container's ports are published"),
    "prune": ("prune", "Remove what nothing uses"),
    "ps": ("ps", "List containers"),
    "pull": ("pull", "Pull an image from a registry"),
    "push": ("push", "Push an image to a registry"),
    "recover": ("recover", "Bring a deleted or overwritten file back"),
    "rename": ("rename", "Give a container another name"),
    "restart": ("restart", "Stop containers and start them again"),
    "rm": ("rm", "Remove containers"),
    "rmi": ("rmi", "Remove images"),
    "run": ("run", "Run a command in a new container"),
    "save": ("save", "Save images to an archive"),
    "slim": ("slim", "Make an image smaller, with a proof that it shows the same"),
    "sql": ("sql", "Ask the store with SQL"),
    "spec": ("spec", "Print a container as a runtime bundle's config.json"),
    "start": ("start", "Start containers"),
    "stats": ("stats", "Show what running containers use"),
    "stop": ("stop", "Stop containers"),
    "system": ("system", "Disk usage and clean-up of the store"),
    "tag": ("tag", "Give an image another name"),
    "top": ("top", "Show the processes of a container"),
    "tree": ("tree", "Show the files of an image as a tree"),
    "unpause": ("unpause", "Let the processes of paused containers go on"),
    "update": ("update", "Change the limits of containers, also while they run"),
    "verify": ("verify", "Check every byte of the store, or that two images show the same"),
    "version": ("version", "Show versions"),
    "volume": ("volume", "Make, list and remove volumes"),
    "wait": ("wait", "Wait for containers to end, and print how they did"),
}
OUTSIDE = {"history", "images", "login", "logout", "tag"}
"""Commands that need nothing but files of the user's own: no user namespace."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used: start-up stays short."""

    modules: Mapping[str, str] = {}
    """By name, in lamina.cli."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.modules:
            return None
        module = importlib.import_module(f"lamina.cli.{self.modules[cmd_name]}")
        command: click.Command = module.command
        return command


class _Lamina(LazyGroup):
    """All commands, those of two words too, each with what it does beside it."""

    modules: Mapping[str, str] = {name: module for name, (module, _) in COMMANDS.items()}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(COMMANDS.items())])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # A command beside another one's argument: `./cache` is a directory to build.
        if (both := " ".join(args[:2])) in COMMANDS:
            return both, self.get_command(ctx, both), args[2:]
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise click.UsageError(f"no such command: {args[0]}{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Lamina,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: lamina run --rm debian:bookworm cat /etc/os-release",
)
@click.option("--root", type=click.Path(path_type=Path), help="The store (LAMINA_ROOT).")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colour the output (default: on a terminal, unless NO_COLOR).",
)
@click.option("--debug", is_flag=True, help="Show Python's traceback when something fails.")
@click.version_option(__version__, prog_name="lamina", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, root: Path | None, color: str, debug: bool) -> None:
    """Build, run, understand and shrink container images. No daemon."""
    user = os.geteuid()
    rootless = user != 0 and ctx.invoked_subcommand not in OUTSIDE
    ctx.obj = App(root or default_root(os.environ, user), color, debug, rootless=rootless)


def main() -> NoReturn:
    """Run the command line and end the process."""
    end(run(sys.argv[1:]))


def run(args: list[str]) -> int:
    """Run one command; returns the exit status and lets no expected error escape."""
    try:
        return guarded(lambda: _by_click(args), debug="--debug" in args)
    except click.ClickException as error:
        message = " ".join(error.format_message().split()).rstrip(".")
        report(message[:1].lower() + message[1:], _usage_hint(error))
        return error.exit_code


def _by_click(args: list[str]) -> int:
    try:
        status = cli.main(args, prog_name="lamina", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    return status if isinstance(status, int) else 0


def _usage_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path} --help" if context else "lamina --help"
