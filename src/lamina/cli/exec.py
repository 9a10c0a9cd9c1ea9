"""`lamina exec`: another program in a container that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lamina.cli.app import App

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog="Example: lamina exec -it web sh",
    context_settings={"allow_interspersed_args": False},
)
@click.argument("container")
@click.argument("args", metavar="COMMAND [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("-i", "--interactive", is_flag=True, help="Give it our standard input.")
@click.option("-t", "--tty", is_flag=True, help="Give it a terminal.")
@click.option("-d", "--detach", is_flag=True, help="Leave it running, and end at once.")
@click.option("-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="Set a variable.")
@click.option(
    "--env-file", multiple=True, type=_FILE, help="Read variables from a file, one a line."
)
@click.option("-w", "--workdir", default="", help="The directory to start in.")
@click.option("-u", "--user", default="", metavar="USER[:GROUP]", help="Names or numbers.")
@click.option("--privileged", is_flag=True, help="Give it every capability.")
@click.option("--detach-keys", default="ctrl-p,ctrl-q", metavar="KEYS", help="Leave it by these.")
@click.pass_obj
def command(app: App, /, container: str, args: tuple[str, ...], **options: Any) -> int:
    """Run a command in a running container, beside its own program.

    It gets the container's environment, user and directory unless options say otherwise, and
    its restrictions.  The exit status is the command's; 126 when it cannot be executed, 127
    when there is none.
    """
    from lamina.cli.exec_run import execute
    from lamina.cli.failure import report

    status, refused, hint = execute(app.containers, container, args, **options)
    if refused:
        report(refused, hint)
    return status
