"""What `lamina run` does, once its options are read."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina.cli import creating, dry_run
from lamina.cli.app import App
from lamina.cli.declared import Option
from lamina.cli.failure import report
from lamina.errors import EngineError, Invalid

if TYPE_CHECKING:
    from lamina.lifecycle.ahead import Ahead
    from lamina.run.process import Streams

_FAILED = 125
"""Docker's exit status when the container itself could not be made."""
_STREAMS = ("stdin", "stdout", "stderr")

OPTIONS = (
    *creating.OPTIONS,
    *dry_run.OPTIONS,
    Option("-d", "--detach", kind="flag", help="Leave it in the background; print its id."),
    Option(
        "-a",
        "--attach",
        multiple=True,
        metavar="STDIN|STDOUT|STDERR",
        choices=_STREAMS,
        any_case=True,
        help="Be attached to these streams alone.",
    ),
    Option("--detach-keys", default="ctrl-p,ctrl-q", metavar="KEYS", help="Leave it by these."),
    Option(
        "--sig-proxy/--no-sig-proxy", kind="flag", default=True, help="Pass our signals on to it."
    ),
)


class Contradiction(Invalid):
    """Two options that exclude each other."""


class NotATerminal(Invalid):
    """-i and -t together need a terminal to read from."""


def run(app: App, options: dict[str, Any], ahead: Ahead | None = None) -> int:
    """Run a container as the options say, which are OPTIONS, `image` and `command`; the exit
    status of the command line.  Its watcher may have been forked `ahead`."""
    try:
        return _run(app, options, ahead)
    except EngineError as error:
        if app.debug:
            raise
        report(str(error), error.hint)
        return _FAILED


def _run(app: App, options: dict[str, Any], ahead: Ahead | None) -> int:
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
        app.engine.store,
        record,
        settings=settings,
        attached=not detached,
        detached=detached,
        ahead=ahead,
        meanwhile=_load,
    )
    from lamina.cli.attaching import attach_first, tell_start

    if (status := tell_start(begun)) is not None:
        return status
    if detached:
        print(record.id)
        return 0
    return attach_first(
        app.engine.store,
        begun,
        stdin=options["interactive"] and "stdin" in wanted,
        keys=keys,
        proxy=options["sig_proxy"],
        streams=_streams(wanted),
    )


def _load() -> None:
    """What is needed once the container runs: loaded while it starts."""
    import lamina.cli.attaching  # noqa: F401


def _streams(wanted: Sequence[str]) -> Streams:
    """Ours, as far as they are wanted."""
    from lamina.run.process import Streams

    nowhere = -1 if len(wanted) == len(_STREAMS) else os.open(os.devnull, os.O_WRONLY)
    out, error = (fd if name in wanted else nowhere for fd, name in ((1, "stdout"), (2, "stderr")))
    return Streams(0, out, error)
