"""`lamina run`: a command in a new container."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from lamina.cli import creating, dry_run
from lamina.cli.app import App
from lamina.errors import EngineError, Invalid

if TYPE_CHECKING:
    from lamina.run.spec import Streams

_FAILED = 125
"""Docker's exit status when the container itself could not be made."""


_STREAMS = ("stdin", "stdout", "stderr")


class Contradiction(Invalid):
    """Two options that exclude each other."""


class NotATerminal(Invalid):
    """-i and -t together need a terminal to read from."""


@click.command(
    epilog="Example: lamina run --rm -it debian:bookworm bash",
    context_settings={"allow_interspersed_args": False},
)
@creating.options
@dry_run.options
@click.option("-d", "--detach", is_flag=True, help="Leave it in the background; print its id.")
@click.option(
    "-a",
    "--attach",
    multiple=True,
    metavar="STDIN|STDOUT|STDERR",
    type=click.Choice(_STREAMS, case_sensitive=False),
    help="Be attached to these streams alone.",
)
@click.option("--detach-keys", default="ctrl-p,ctrl-q", metavar="KEYS", help="Leave it by these.")
@click.option("--sig-proxy/--no-sig-proxy", default=True, help="Pass our signals on to it.")
@click.help_option("--help")
@click.argument("image")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(app: App, /, **options: Any) -> int:
    """Run a command in a new container of IMAGE.

    The exit status is the command's; 125 when the container could not be made,
    126 when the command cannot be executed, 127 when there is none, and 128 + n
    when signal n ended it.
    """
    try:
        return _run(app, options)
    except EngineError as error:
        if app.debug:
            raise
        from lamina.cli.main import report

        report(str(error), error.hint)
        return _FAILED


def _run(app: App, options: dict[str, Any]) -> int:
    from lamina.cli.attaching import attach_first, tell_start
    from lamina.lifecycle.start import start
    from lamina.run.keys import detach_keys

    detached = options["detach"]
    if options["dry_run"]:
        dry_run.show(app, options)
        return 0
    if options["tty"] and options["interactive"] and not detached and not os.isatty(0):
        raise NotATerminal("the input device is not a terminal", hint="leave out -t")
    if detached and options["attach"]:
        raise Contradiction("conflicting options: cannot specify both --attach and --detach")
    keys = detach_keys(options["detach_keys"])
    wanted = options["attach"] or _STREAMS
    record, settings = creating.new_container(app, options, detached=detached)
    sys.stdout.flush()
    begun = start(
        app.engine.store, record, settings=settings, attached=not detached, detached=detached
    )
    if (status := tell_start(begun)) is not None:
        return status
    if detached:
        click.echo(record.id)
        return 0
    return attach_first(
        app.engine.store,
        begun,
        stdin=options["interactive"] and "stdin" in wanted,
        keys=keys,
        proxy=options["sig_proxy"],
        streams=_streams(wanted),
    )


def _streams(wanted: Sequence[str]) -> Streams:
    """Ours, as far as they are wanted."""
    from lamina.run.spec import Streams

    nowhere = -1 if len(wanted) == len(_STREAMS) else os.open(os.devnull, os.O_WRONLY)
    out, error = (fd if name in wanted else nowhere for fd, name in ((1, "stdout"), (2, "stderr")))
    return Streams(0, out, error)
