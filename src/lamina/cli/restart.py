"""`lamina restart`: stop containers and start them again."""

from __future__ import annotations

import click

from lamina.cli.app import App, timestamp
from lamina.cli.named import for_each
from lamina.cli.stop import stop_options


@click.command(epilog="Example: lamina restart web")
@click.argument("containers", metavar="CONTAINER...", nargs=-1, required=True)
@stop_options
@click.pass_obj
def command(app: App, containers: tuple[str, ...], timeout: int | None, name: str) -> int:
    """Stop containers and start them again; those that do not run are only started."""
    from lamina.cli.attaching import tell_start
    from lamina.errors import Unsupported
    from lamina.lifecycle.start import start
    from lamina.lifecycle.stop import signal_number, stop
    from lamina.store.tell import tell_container

    store = app.containers
    number = signal_number(name) if name else None

    def act(text: str) -> None:
        record = store.containers.find(text)
        stop(store, record, timestamp, timeout=timeout, number=number)
        if tell_start(start(store, store.containers.find(record.id))) is not None:
            raise Unsupported(f"container {record.name} could not be started again")
        tell_container(store, record, "restart", timestamp())
        click.echo(text)

    return for_each(containers, act)
