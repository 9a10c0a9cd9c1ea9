"""The tables of tens of rows an image: made of Python's values, and only of the columns that a
query reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from lamina.explain.cause import instruction
from lamina.explain.packages import packages
from lamina.explain.stack import own_layer
from lamina.oci.config import Execution
from lamina.oci.digest import Digest
from lamina.query.source import Known, Source, name_of
from lamina.store.container_contract import ContainerRecord

Row = Mapping[str, Callable[[], Any] | Any]
"""Source → its value, or what gives it when it is asked for."""


def images(source: Source) -> Iterator[Row]:
    """A row for each name."""
    for known in source.images:
        config = known.image.config
        for row in known.rows:
            reference = row.reference
            yield {
                "image": known.name,
                "name": name_of(row),
                "repository": reference.familiar_name if reference else None,
                "tag": reference.tag if reference else None,
                "image_id": str(row.image_id),
                "digest": str(row.descriptor.digest),
                "created": _time(row.created),
                "platform": str(config.platform),
                "layers": len(config.diff_ids),
                "size": row.size,
                "visible_bytes": partial(_visible, source, known, None),
            }


def layers(source: Source) -> Iterator[Row]:
    """A row for each layer."""
    for known in source.images:
        config = known.image.config
        for place, (diff_id, line) in enumerate(zip(config.diff_ids, config.causes, strict=True)):
            yield {
                "image": known.name,
                "layer": place + 1,
                "diff_id": str(diff_id),
                "instruction": instruction(line),
                "created_by": line.created_by,
                "created": _time(line.created),
                "size": partial(_content_size, source, known, diff_id),
                "entries": partial(_entry_count, source, known, diff_id),
                "visible_bytes": partial(_visible, source, known, place),
            }


def _content_size(source: Source, known: Known, diff_id: Digest) -> int | None:
    info = source.attempt(known.name, partial(source.store.layers.info, diff_id))
    return info.content_size if info else None


def _entry_count(source: Source, known: Known, diff_id: Digest) -> int | None:
    info = source.attempt(known.name, partial(source.store.layers.info, diff_id))
    return info.entry_count if info else None


def _visible(source: Source, known: Known, place: int | None) -> int | None:
    """Visible bytes of a layer, or of all; None when the image is damaged."""
    found = source.attempt(known.name, partial(source.visible_bytes, known))
    if found is None:
        return None
    return sum(found) if place is None else found[place]


def history(source: Source) -> Iterator[Row]:
    """A row for each line of a history."""
    for known in source.images:
        layer = 0
        for number, line in enumerate(known.image.config.history, 1):
            layer += not line.empty_layer
            yield {
                "image": known.name,
                "line": number,
                "layer": None if line.empty_layer else layer,
                "created": _time(line.created),
                "instruction": instruction(line),
                "created_by": line.created_by,
                "author": line.author,
                "comment": line.comment,
            }


def installed(source: Source) -> Iterator[Row]:
    """A row for each package; the files of images are read for it."""
    for known, found in source.each(lambda known: packages(source.stack(known))):
        for each in found:
            yield {
                "image": known.name,
                "kind": each.kind,
                "name": each.name,
                "version": each.version,
                "architecture": each.architecture,
                "source": each.source,
                "bytes": each.bytes,
            }


def config(source: Source) -> Iterator[Row]:
    """A row for each setting."""
    for known in source.images:
        for key, name, value in _settings(known.image.config.execution):
            yield {"image": known.name, "key": key, "name": name, "value": value}


def _settings(execution: Execution) -> Iterator[tuple[str, str | None, str]]:
    for name, value in execution.environment().items():
        yield "env", name, value
    for name, value in (execution.labels or {}).items():
        yield "label", name, value
    lists: tuple[tuple[str, Sequence[str] | None], ...] = (
        ("entrypoint", execution.entrypoint),
        ("cmd", execution.cmd),
        ("shell", execution.shell),
        ("onbuild", execution.on_build),
        ("healthcheck", execution.healthcheck.test if execution.healthcheck else None),
    )
    for key, values in lists:
        for number, value in enumerate(values or (), 1):
            yield key, str(number), value
    for key, value in (
        *(("port", port) for port in execution.exposed_ports or ()),
        *(("volume", volume) for volume in execution.volumes or ()),
        ("user", execution.user),
        ("workdir", execution.working_dir),
        ("hostname", execution.hostname),
        ("stopsignal", execution.stop_signal),
    ):
        if value:
            yield key, None, value


def containers(source: Source) -> Iterator[Row]:
    """A row for each container."""
    names = {known.image.config.digest: known.name for known in source.images}
    for record in source.store.containers:
        yield {
            "id": record.id,
            "name": record.name,
            "image": names.get(record.image_id, record.image),
            "image_id": str(record.image_id),
            "status": record.status,
            "created": _time(record.created),
            "started": _time(record.started),
            "finished": _time(record.finished),
            "exit_status": record.exit_status if record.status == "exited" else None,
            "command": " ".join(record.command),
            "size_rw": partial(_own_size, source, record),
        }


def _own_size(source: Source, record: ContainerRecord) -> int | None:
    return source.attempt(
        f"container {record.name}", lambda: own_layer(source.store, record).content_size
    )


def _time(text: str | None) -> datetime | None:
    """An RFC 3339 time in UTC; None when there is none, or Go's zero time."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment if moment.year > 1 else None


TABLES: Mapping[str, Callable[[Source], Iterator[Row]]] = {
    "images": images,
    "layers": layers,
    "history": history,
    "packages": installed,
    "config": config,
    "containers": containers,
}
