"""`lamina attach`: our streams to a container that runs."""

from __future__ import annotations

import click

from lamina.cli.app import App


@click.command(epilog="Example: lamina attach web   (Ctrl-P Ctrl-Q leaves it running)")
@click.argument("container")
@click.option("--no-stdin", is_flag=True, help="Do not attach our input.")
@click.option("--detach-keys", default="ctrl-p,ctrl-q", metavar="KEYS", help="Leave it by these.")
@click.option("--sig-proxy/--no-sig-proxy", default=True, help="Pass our signals on to it.")
@click.pass_obj
def command(app: App, container: str, no_stdin: bool, detach_keys: str, sig_proxy: bool) -> int:
    """Attach to a running container: what it prints, and our input if it was run with -i.

    The exit status is the container's; 0 when it was left running.
    """
    from lamina.cli.attaching import attach
    from lamina.lifecycle.errors import IsPaused, NotRunning
    from lamina.run.keys import detach_keys as read_keys
    from lamina.run.settings import settings_of
    from lamina.supervise.sockets import connect

    store = app.containers
    record = store.containers.find(container)
    if record.status == "paused":
        raise IsPaused(record.name)
    if record.status != "running":
        raise NotRunning(record.name)
    keys = read_keys(detach_keys)
    try:
        connection = connect(str(store.containers.directory(record.id)))
    except OSError:
        raise NotRunning(record.name) from None
    stdin = settings_of(record.name, record.settings).stdin and not no_stdin
    return attach(store, record, record.pid, connection, stdin=stdin, keys=keys, proxy=sig_proxy)
