"""`lamina container prune`: remove the containers that do not run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App, timestamp
from lamina.cli.filters import has_labels, parse_filters
from lamina.cli.format import emit, parse_time, size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.store.contract import ContainerRecord

_FILTERS = ("label", "label!", "until")


@click.command(epilog="Example: lamina container prune --filter until=24h")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="until=TIME, label=KEY[=VALUE] or label!=KEY[=VALUE].",
)
@click.pass_obj
def command(app: App, force: bool, filters: tuple[str, ...]) -> None:
    """Remove all containers that do not run, their changes and their logs."""
    from lamina.lifecycle.errors import StillRunning
    from lamina.lifecycle.remove import remove
    from lamina.store.containers import LIVELY
    from lamina.store.errors import ContainerNotFound

    wanted = parse_filters(filters, _FILTERS)
    before = _until(wanted)
    if not force:
        emit(_warning(wanted))
        if not click.confirm("Are you sure you want to continue?", prompt_suffix=" "):
            return
    store, gone, freed = app.containers, [], 0
    for record in store.containers:
        if record.status in LIVELY or not _fits(record, wanted, before):
            continue
        try:
            freed += remove(store, record, timestamp)
        except (ContainerNotFound, StillRunning):
            continue  # somebody was faster
        gone.append(record.id)
    if gone:
        emit("Deleted Containers:\n" + "\n".join(gone) + "\n\n")
    store.events.append("container", "prune", "", {"reclaimed": str(freed)}, timestamp())
    emit(f"Total reclaimed space: {size(freed)}")


def _until(wanted: Mapping[str, list[str]]) -> datetime | None:
    from lamina.cli.moments import moment

    now = datetime.now(UTC)
    return min((moment(each, now) for each in wanted.get("until", [])), default=None)


def _fits(
    record: ContainerRecord, wanted: Mapping[str, list[str]], before: datetime | None
) -> bool:
    created = parse_time(record.created)
    if before is not None and created is not None and created >= before:
        return False
    if not has_labels(record.labels, wanted.get("label", [])):
        return False
    return not any(has_labels(record.labels, [each]) for each in wanted.get("label!", []))


def _warning(wanted: Mapping[str, list[str]]) -> str:
    lines = [f"  - {key}={value}\n" for key, values in wanted.items() for value in values]
    told = "".join(["\nItems to be pruned will be filtered with:\n", *lines]) if lines else ""
    return f"WARNING! This will remove all stopped containers.{told}\n"
