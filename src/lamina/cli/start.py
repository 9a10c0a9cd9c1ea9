"""`lamina start`: run containers that were made, or have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.named import for_each

if TYPE_CHECKING:
    from lamina.store.container_contract import ContainerRecord


@click.command(epilog="Example: lamina start web   (or: lamina start -ai busy_noether)")
@click.argument("containers", metavar="[CONTAINER...]", nargs=-1)
@click.option(
    "--by-policy",
    is_flag=True,
    help="Those that their restart policy would run: after the machine has started.",
)
@click.option("-a", "--attach", is_flag=True, help="Show what it prints; exit with its status.")
@click.option("-i", "--interactive", is_flag=True, help="Attach our input, too.")
@click.option("--detach-keys", default="ctrl-p,ctrl-q", metavar="KEYS", help="Leave it by these.")
@click.pass_obj
def command(
    app: App,
    containers: tuple[str, ...],
    by_policy: bool,
    attach: bool,
    interactive: bool,
    detach_keys: str,
) -> int:
    """Start containers again, or for the first time."""
    from lamina.cli.attaching import attach_first, tell_start
    from lamina.lifecycle.start import start
    from lamina.run.keys import detach_keys as read_keys

    store = app.containers
    keys = read_keys(detach_keys)
    if by_policy:
        containers = (*containers, *(each.name for each in store.containers if _wanted(each)))
    elif not containers:
        raise click.UsageError("name a container", click.get_current_context())
    if attach or interactive:
        if len(containers) > 1:
            raise click.UsageError(
                "only one container can be attached to", click.get_current_context()
            )
        record = store.containers.find(containers[0])
        begun = start(store, record, attached=True, detached=False)
        if (status := tell_start(begun)) is not None:
            return status
        return attach_first(store, begun, stdin=interactive, keys=keys)

    def act(text: str) -> None:
        record = store.containers.find(text)
        if record.status not in {"running", "paused", "restarting"}:
            from lamina.errors import Unsupported

            begun = start(store, record)
            if tell_start(begun) is not None:
                raise Unsupported(f"container {record.name} could not be started")
        click.echo(text)

    return for_each(containers, act)


def _wanted(record: ContainerRecord) -> bool:
    """Whether its restart policy would have it run, as Docker's daemon does when it starts."""
    from lamina.run.settings import settings_of

    policy = settings_of(record.name, record.settings).restart.policy
    return policy == "always" or (policy == "unless-stopped" and not record.stopped)
