"""`lamina top`: the processes of a container."""

from __future__ import annotations

import click

from lamina.cli.app import App


@click.command(
    epilog="Example: lamina top web -o pid,rss,args",
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
)
@click.argument("container")
@click.argument("options", metavar="[PS OPTIONS]...", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(app: App, container: str, options: tuple[str, ...]) -> None:
    """Show the processes of a running container, by their numbers on this host.

    Options after its name are those of the host's ps.
    """
    from lamina.cli.format import emit, escape, table
    from lamina.lifecycle.top import top

    found = top(app.engine.store.containers.find(container), options)
    emit(table(found.titles, [[escape(text) for text in row] for row in found.rows]))
