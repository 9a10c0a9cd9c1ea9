"""`lamina system df`: what the store takes of the disk, as Docker lays it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lamina.cli.format import ago, emit, render, short_id, size, table, to_json

if TYPE_CHECKING:
    from lamina.store.usage import ImageUsage, Usage

_COLUMNS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}


def show(usage: Usage, fmt: str, *, verbose: bool, shown_root: str, default_frees: int) -> None:
    """Print the usage: the summary, or with `verbose` every image, container and step."""
    if verbose:
        if fmt == "json":
            emit(to_json({name: list(rows) for name, rows in _details(usage).items()}))
        else:
            _show_details(usage)
        return
    emit(render(_summary(usage), fmt, _COLUMNS))
    if fmt in ("", "table"):
        emit(
            f"\n{size(usage.total)} in all, as du says of {shown_root}\n"
            f"`lamina prune` frees {size(default_frees)},"
            f" `lamina prune --all` {size(usage.reclaimable)}"
        )


def _summary(usage: Usage) -> list[dict[str, object]]:
    return [
        {
            "Type": row.kind,
            "TotalCount": "" if row.kind == "Other" else str(row.total),
            "Active": "" if row.kind == "Other" else str(row.active),
            "Size": size(row.size),
            "Reclaimable": _share(row.reclaimable, row.size),
            "SizeBytes": row.size,
            "ReclaimableBytes": row.reclaimable,
        }
        for row in usage.rows
    ]


def _share(part: int, whole: int) -> str:
    return f"{size(part)} ({100 * part // whole}%)" if whole else size(part)


def _show_details(usage: Usage) -> None:
    titles = {
        "Images": ("Images space usage:", _IMAGE_COLUMNS),
        "Containers": ("Containers space usage:", _CONTAINER_COLUMNS),
        "BuildCache": (f"Build cache usage: {size(usage.rows[2].size)}", _STEP_COLUMNS),
    }
    parts = _details(usage)
    blocks = []
    for name, (title, columns) in titles.items():
        rows = [[str(row[field]) for field in columns] for row in parts[name]]
        blocks.append(f"{title}\n\n{table(list(columns.values()), rows)}")
    emit("\n".join(blocks))


_IMAGE_COLUMNS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "Containers": "CONTAINERS",
}
_CONTAINER_COLUMNS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "Status": "STATUS",
    "Names": "NAMES",
}
_STEP_COLUMNS = {
    "ID": "CACHE ID",
    "Description": "DESCRIPTION",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "InUse": "IN USE",
    "Shared": "SHARED",
}


def _details(usage: Usage) -> Mapping[str, Sequence[dict[str, object]]]:
    from lamina.cli.format import escape

    now = datetime.now(UTC)
    return {
        "Images": [
            row
            for each in usage.images
            for row in _image_rows(each, ago(each.rows[0].created, now))
        ],
        "Containers": [
            {
                "ID": each.record.id[:12],
                "Image": escape(each.record.image),
                "Command": escape(" ".join(each.record.command))[:20],
                "Size": size(each.size),
                "CreatedSince": ago(each.record.created, now),
                "Status": each.record.status,
                "Names": each.record.name,
                "SizeBytes": each.size,
            }
            for each in usage.containers
        ],
        "BuildCache": [
            {
                "ID": each.step.key.short,
                "Description": escape(each.step.description)[:60],
                "Size": size(each.size),
                "CreatedSince": ago(each.step.created, now),
                "InUse": str(each.in_use).lower(),
                "Shared": str(each.shared).lower(),
                "SizeBytes": each.size,
            }
            for each in usage.steps
        ],
    }


def _image_rows(image: ImageUsage, created: str) -> list[dict[str, object]]:
    """A row for each name; the sizes are those of the image, whatever its name."""
    return [
        {
            "Repository": row.reference.familiar_name if row.reference else "<none>",
            "Tag": (row.reference.tag if row.reference else "") or "<none>",
            "ID": short_id(str(row.image_id)),
            "CreatedSince": created,
            "Size": size(image.size),
            "SharedSize": size(image.shared),
            "UniqueSize": size(image.unique),
            "Containers": str(image.containers),
            "SizeBytes": image.size,
            "SharedSizeBytes": image.shared,
            "UniqueSizeBytes": image.unique,
        }
        for row in image.rows
    ]
