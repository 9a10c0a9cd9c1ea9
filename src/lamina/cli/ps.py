"""`lamina ps`: the containers in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.filters import BadFilter, has_labels, parse_filters
from lamina.cli.format import ago, duration, emit, listing_options, parse_time, render, size

if TYPE_CHECKING:
    from lamina.store.contract import ContainerRecord, Store

_COLUMNS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
}
_FILTERS = ("ancestor", "before", "exited", "id", "label", "name", "since", "status")
_STATES = ("created", "exited", "running")
_COMMAND_WIDTH = 20


@click.command(epilog="Example: lamina ps -a --filter status=exited -q")
@click.option("-a", "--all", "all_", is_flag=True, help="Also those that do not run.")
@click.option("-n", "--last", type=int, default=-1, help="The last N made, in any state.")
@click.option("-l", "--latest", is_flag=True, help="The last one made, in any state.")
@click.option("-s", "--size", "sizes", is_flag=True, help="Show what each wrote.")
@listing_options
@click.pass_obj
def command(
    app: App,
    all_: bool,
    last: int,
    latest: bool,
    sizes: bool,
    fmt: str,
    quiet: bool,
    no_trunc: bool,
    filters: tuple[str, ...],
) -> None:
    """List containers, the newest first.

    Filters: name=TEXT, id=DIGITS, status=created|running|exited, exited=STATUS,
    ancestor=IMAGE, label=KEY[=VALUE], before=CONTAINER, since=CONTAINER.
    """
    store = app.engine.store
    wanted = parse_filters(filters, _FILTERS)
    count = 1 if latest else last
    found = [record for record in _newest(store) if _matches(store, record, wanted)]
    if count >= 0:
        found = found[:count]
    elif not all_ and not wanted.keys() & {"status", "exited"}:
        found = [record for record in found if record.status == "running"]
    if quiet:
        emit("\n".join(record.id if no_trunc else record.id[:12] for record in found))
        return
    now = datetime.now(UTC)
    sizes = sizes or ".Size" in fmt
    columns = {**_COLUMNS, **({"Size": "SIZE"} if sizes else {})}
    rows = [_row(store, each, now, no_trunc=no_trunc, sizes=sizes) for each in found]
    headers = {"CreatedAt": "CREATED AT", "State": "STATE", "Labels": "LABELS"}
    emit(render(rows, fmt, columns, headers=headers))


def _newest(store: Store) -> list[ContainerRecord]:
    return list(store.containers)[::-1]


def _row(
    store: Store, record: ContainerRecord, now: datetime, *, no_trunc: bool, sizes: bool
) -> dict[str, object]:
    created = parse_time(record.created)
    return {
        "ID": record.id if no_trunc else record.id[:12],
        "Image": record.image,
        "Command": _command(record.command, no_trunc=no_trunc),
        "CreatedAt": f"{created:%Y-%m-%d %H:%M:%S %z} UTC" if created else "N/A",
        "RunningFor": ago(record.created, now),
        "State": record.status,
        "Status": _status(record, now),
        "Ports": "",
        "Names": record.name,
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(record.labels.items())),
        "Mounts": ",".join(str(each["source"]) for each in record.settings.get("mounts", ())),
        "Networks": record.settings.get("network", ""),
        "Size": _size(store, record) if sizes else "",
    }


def _command(command: Sequence[str], *, no_trunc: bool) -> str:
    text = " ".join(command)
    if not no_trunc and len(text) > _COMMAND_WIDTH:
        text = text[: _COMMAND_WIDTH - 1] + "…"
    return f'"{text}"'


def _status(record: ContainerRecord, now: datetime) -> str:
    if record.status == "running":
        started = parse_time(record.started)
        return "Up " + (duration((now - started).total_seconds()) if started else "")
    if record.status == "exited":
        when = f" {ago(record.finished, now)}" if record.finished else ""
        return f"Exited ({record.exit_status}){when}"
    return record.status.capitalize()


def _size(store: Store, record: ContainerRecord) -> str:
    from lamina.layer.diff import changes

    written = sum(each.size for each in changes(store.containers.directory(record.id) / "upper"))
    shared = sum(store.layers.info(each).content_size for each in record.layers)
    return f"{size(written)} (virtual {size(written + shared)})"


def _matches(store: Store, record: ContainerRecord, wanted: Mapping[str, list[str]]) -> bool:
    return all(_test(store, record, key, values) for key, values in wanted.items())


def _test(store: Store, record: ContainerRecord, key: str, values: list[str]) -> bool:
    match key:
        case "name":
            return any(value.lstrip("/") in record.name for value in values)
        case "id":
            return any(record.id.startswith(value) for value in values)
        case "status":
            return _state(record, values)
        case "exited":
            return record.status == "exited" and str(record.exit_status) in values
        case "label":
            return has_labels(record.labels, values)
        case "ancestor":
            return any(_descends(store, record, value) for value in values)
        case "before":
            return all(record.created < store.containers.find(value).created for value in values)
        case _:
            return all(record.created > store.containers.find(value).created for value in values)


def _state(record: ContainerRecord, values: list[str]) -> bool:
    for value in values:
        if value not in _STATES:
            raise BadFilter(f"no status {value!r}", hint=f"there are: {', '.join(_STATES)}")
    return record.status in values


def _descends(store: Store, record: ContainerRecord, text: str) -> bool:
    """Whether the container was made from that image, or from one built on it."""
    from lamina.errors import NotFound

    try:
        image = store.images.find(text)
    except NotFound:
        return record.image == text
    layers = image.layers
    return record.image_id == image.config.digest or (
        bool(layers) and record.layers[: len(layers)] == layers
    )
