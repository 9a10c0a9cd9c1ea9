"""`lamina ps`: the containers in the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.filters import parse_filters
from lamina.cli.format import ago, duration, emit, listing_options, parse_time, render, size

if TYPE_CHECKING:
    from lamina.lifecycle.seen import Seen
    from lamina.store.container_contract import ContainerRecord
    from lamina.store.contract import Store

_COLUMNS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
}
_HEADERS = {
    "CreatedAt": "CREATED AT",
    "LocalVolumes": "LOCAL VOLUMES",
    "Labels": "LABELS",
    "Size": "SIZE",
    "State": "STATE",
}
_COMMAND_WIDTH = 20
_MOUNT_WIDTH = 15


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

    \b
    Filters: id=DIGITS, name=TEXT, label=KEY[=VALUE], ancestor=IMAGE,
      status=created|running|paused|restarting|removing|exited|dead, exited=STATUS,
      health=starting|healthy|unhealthy|none, before=CONTAINER, since=CONTAINER,
      volume=NAME|PATH, network=NAME, publish=PORT[/PROTO], expose=PORT[/PROTO].
    """
    from lamina.cli.ps_filters import KNOWN, Filter
    from lamina.lifecycle.seen import UP

    store = app.containers
    wanted = parse_filters(filters, KNOWN)
    count = 1 if latest else last
    records = list(store.containers)[::-1]
    if count < 0 and not all_ and not wanted.keys() & {"status", "exited"}:
        records = [each for each in records if each.status in (*UP, "restarting")]
    chosen = Filter(store, wanted)
    found = [each for each in _seen(store, records) if chosen.takes(each)]
    if count >= 0:
        found = found[:count]
    if quiet:
        ids = (each.record.id for each in found)
        emit("\n".join(each if no_trunc else each[:12] for each in ids))
        return
    sizes = sizes or ".Size" in fmt
    columns = {**_COLUMNS, **({"Size": "SIZE"} if sizes else {})}
    now, names = datetime.now(UTC), _image_ids(store)
    rows = [_row(store, each, now, names, no_trunc=no_trunc, sizes=sizes) for each in found]
    emit(render(rows, fmt, columns, headers=_HEADERS))


def _seen(store: Store, records: Sequence[ContainerRecord]) -> list[Seen]:
    from lamina.lifecycle.seen import seen
    from lamina.store.errors import ContainerNotFound

    found = []
    for record in records:
        try:
            found.append(seen(store, record))
        except ContainerNotFound:
            continue  # removed just now
    return found


def _row(
    store: Store,
    seen: Seen,
    now: datetime,
    names: dict[str, str],
    *,
    no_trunc: bool,
    sizes: bool,
) -> dict[str, object]:
    from lamina.lifecycle.seen import ports_text

    record = seen.record
    created = parse_time(record.created)
    volumes = [each for each in seen.settings.mounts if each.volume]
    return {
        "ID": record.id if no_trunc else record.id[:12],
        "Image": _image(record, names, no_trunc=no_trunc),
        "Command": _command(record.command, no_trunc=no_trunc),
        "CreatedAt": f"{created:%Y-%m-%d %H:%M:%S %z} UTC" if created else "N/A",
        "RunningFor": ago(record.created, now),
        "State": record.status,
        "Status": status_text(seen, now),
        "Ports": ports_text(seen),
        "Names": record.name,
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(record.labels.items())),
        "Mounts": ",".join(_short(each, no_trunc=no_trunc) for each in _mounts(seen)),
        "LocalVolumes": str(len(volumes)),
        "Networks": ",".join(seen.networks),
        "Size": _size(store, record) if sizes else "0B",
    }


def _image_ids(store: Store) -> dict[str, str]:
    """The id of the image that each name stands for now."""
    rows = store.refs.rows()
    return {each.reference.familiar: str(each.image_id) for each in rows if each.reference}


def _image(record: ContainerRecord, names: dict[str, str], *, no_trunc: bool) -> str:
    """The image as it was named, or its id when the name has become another image's."""
    tagged = record.image if ":" in record.image.rpartition("/")[2] else f"{record.image}:latest"
    identity = str(record.image_id)
    if names.get(tagged, identity) == identity:
        return record.image
    return identity if no_trunc else identity.removeprefix("sha256:")[:12]


def _command(command: Sequence[str], *, no_trunc: bool) -> str:
    text = " ".join(command)
    return f'"{_cut(text, _COMMAND_WIDTH, no_trunc=no_trunc)}"'


def _cut(text: str, width: int, *, no_trunc: bool) -> str:
    return text if no_trunc or len(text) <= width else text[: width - 1] + "…"


def _mounts(seen: Seen) -> list[str]:
    return [each.volume or str(each.source) for each in seen.settings.mounts if each.source]


def _short(mount: str, *, no_trunc: bool) -> str:
    return _cut(mount, _MOUNT_WIDTH, no_trunc=no_trunc)


def status_text(seen: Seen, now: datetime) -> str:
    """The STATUS column: `Up 3 minutes (healthy)`, `Exited (137) 2 hours ago`."""
    record = seen.record
    match record.status:
        case "running" | "paused":
            started = parse_time(record.started)
            up = "Up " + duration((now - started).total_seconds()) if started else "Up"
            return up + (" (Paused)" if record.status == "paused" else _health(seen))
        case "restarting":
            return f"Restarting ({record.exit_status}) {ago(record.finished, now)}"
        case "exited":
            when = f" {ago(record.finished, now)}" if record.finished else ""
            return f"Exited ({record.exit_status}){when}"
        case "removing":
            return "Removal In Progress"
        case _:
            return record.status.capitalize()


def _health(seen: Seen) -> str:
    status = seen.health_status
    if status == "none":
        return ""
    return " (health: starting)" if status == "starting" else f" ({status})"


def _size(store: Store, record: ContainerRecord) -> str:
    from lamina.layer.diff import changes

    upper = store.containers.directory(record.id) / "upper"
    written = sum(each.size for each in changes(upper))
    shared = sum(store.layers.info(each).content_size for each in record.layers)
    return f"{size(written)} (virtual {size(written + shared)})"
