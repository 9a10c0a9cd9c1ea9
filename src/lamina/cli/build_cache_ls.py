"""`lamina build cache ls`: the steps and the cache mounts that builds have kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App
from lamina.cli.filters import BadFilter, flag, parse_filters
from lamina.cli.format import ago, emit, listing_options, parse_time, prose_size, render, size
from lamina.text import clip

if TYPE_CHECKING:
    from lamina.cache.mounts import CacheMount, CacheMounts
    from lamina.cache.prune import CachedStep

_COLUMNS = {
    "ID": "CACHE ID",
    "Type": "TYPE",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "LastUsedSince": "LAST USED",
    "Description": "DESCRIPTION",
}
_TYPES = ("step", "mount")
_WIDE = 60


@click.command(epilog="Example: lamina build cache ls --filter type=mount")
@listing_options
@click.pass_obj
def list_command(app: App, fmt: str, quiet: bool, no_trunc: bool, filters: tuple[str, ...]) -> None:
    """List what builds have kept: results of steps, and directories of RUN --mount=type=cache.

    Filters: type=step or mount, id=ID, shared=true or false (whether an image or container
    has the layer as well), inuse=true or false (whether a build has the mount now).
    """
    from lamina.cache.mounts import CacheMounts
    from lamina.cache.prune import cached_steps

    wanted = parse_filters(filters, {"type", "id", "shared", "inuse"})
    for kind in wanted.get("type", ()):
        if kind not in _TYPES:
            raise BadFilter(f"type is step or mount, not {kind!r}")
    store = app.engine.store
    mounts = CacheMounts(store.root)
    now = datetime.now(UTC)
    rows = [_step_row(each, now, whole=no_trunc) for each in cached_steps(store)]
    rows += [_mount_row(mounts, each, now, whole=no_trunc) for each in mounts]
    rows = [row for row in rows if _passes(row, wanted)]
    if quiet:
        emit("".join(f"{row['ID']}\n" for row in rows))
        return
    emit(render(rows, fmt, _COLUMNS, right=("Size",)))
    if fmt in ("", "table") and rows:
        emit(_sums(rows))


def _step_row(step: CachedStep, now: datetime, *, whole: bool) -> dict[str, Any]:
    used = datetime.fromtimestamp(step.used, UTC).isoformat()
    return {
        "ID": min(step.keys).hex if whole else step.id,
        "Type": "step",
        "Size": size(step.size),
        "CreatedSince": ago(step.created, now),
        "LastUsedSince": ago(used, now),
        "Description": step.title if whole else clip(step.title, _WIDE),
        "Shared": step.shared,
        "InUse": False,
        "SizeBytes": step.size,
        "CreatedAt": step.created,
        "LastUsedAt": used,
        "Layer": str(step.layer),
    }


def _mount_row(
    mounts: CacheMounts, mount: CacheMount, now: datetime, *, whole: bool
) -> dict[str, Any]:
    count = mounts.size(mount)
    owner = f" uid={mount.uid} gid={mount.gid}" if mount.uid or mount.gid else ""
    return {
        "ID": mount.id,
        "Type": "mount",
        "Size": size(count),
        "CreatedSince": ago(mount.created, now),
        "LastUsedSince": "in use" if mount.in_use else ago(mount.used, now),
        "Description": f"--mount=type=cache{owner}",
        "Shared": False,
        "InUse": mount.in_use,
        "SizeBytes": count,
        "CreatedAt": mount.created,
        "LastUsedAt": mount.used,
        "Layer": "",
    }


def _passes(row: dict[str, Any], wanted: dict[str, list[str]]) -> bool:
    if "type" in wanted and row["Type"] not in wanted["type"]:
        return False
    if "id" in wanted and not any(str(row["ID"]).startswith(each) for each in wanted["id"]):
        return False
    for name, field in (("shared", "Shared"), ("inuse", "InUse")):
        asked = flag(name, wanted.get(name, ()))
        if asked is not None and row[field] is not asked:
            return False
    return True


def _sums(rows: Sequence[dict[str, Any]]) -> str:
    parts = []
    for kind, one, many in (("step", "step", "steps"), ("mount", "cache mount", "cache mounts")):
        sizes = [row["SizeBytes"] for row in rows if row["Type"] == kind]
        if sizes:
            parts.append(
                f"{len(sizes)} {one if len(sizes) == 1 else many} {prose_size(sum(sizes))}"
            )
    return f"\n{', '.join(parts)}\n"


def seconds(text: str) -> float:
    """An RFC 3339 time in seconds since the epoch; 0 for what is none."""
    moment = parse_time(text)
    return moment.timestamp() if moment else 0.0
