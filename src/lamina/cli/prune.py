"""`lamina prune`: remove what nothing uses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App, timestamp
from lamina.cli.filters import BadFilter, parse_filters
from lamina.cli.format import emit, size
from lamina.cli.moments import BadTime, moment
from lamina.cli.pruning import agreed, clear_host

if TYPE_CHECKING:
    from lamina.store.contract import Store
    from lamina.store.prune import Pruned, Scope

_KINDS = ("images", "containers", "build_cache")


@click.command(epilog="Example: lamina prune --all --filter until=24h")
@click.option(
    "-a",
    "--all",
    "all_",
    is_flag=True,
    help="All images that no container was made from, and the whole build cache.",
)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--images", is_flag=True, help="Images alone.")
@click.option("--containers", is_flag=True, help="Stopped containers alone.")
@click.option("--build-cache", is_flag=True, help="The build cache alone.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="until=TIME",
    help="Only what was created before: 24h, 10m, 7d, or 2026-01-31T12:00:00Z.",
)
@click.pass_obj
def command(
    app: App,
    all_: bool,
    force: bool,
    images: bool,
    containers: bool,
    build_cache: bool,
    filters: tuple[str, ...],
) -> None:
    """Remove stopped containers, images without a name, and build cache that no image shares.

    `lamina system df` says beforehand how much that frees.
    """
    from lamina.store.prune import prune

    before = until(filters, datetime.now(UTC))
    chosen = {
        name for name, given in zip(_KINDS, (images, containers, build_cache), strict=True) if given
    }
    scope = _scope(chosen or set(_KINDS), all_, before)
    if not (force or agreed(_warning(scope))):
        return
    store = app.containers
    pruned = prune(store, scope)
    if scope.containers:
        clear_host()
    _tell(store, pruned)
    _show(pruned)


def default_scope() -> Scope:
    """What `lamina prune` without options may remove."""
    return _scope(set(_KINDS), False, None)


def _scope(kinds: set[str], all_: bool, until: datetime | None) -> Scope:
    from lamina.store.prune import Scope

    return Scope(
        images=("unused" if all_ else "dangling") if "images" in kinds else "none",
        containers="containers" in kinds,
        build_cache=("all" if all_ else "unshared") if "build_cache" in kinds else "none",
        until=until,
    )


def until(texts: Sequence[str], now: datetime) -> datetime | None:
    """The time before which things go: the earliest of the filters."""
    times = [_time(each, now) for each in parse_filters(texts, {"until"}).get("until", [])]
    return min(times, default=None)


def _time(text: str, now: datetime) -> datetime:
    try:
        if text.startswith("-"):  # in the future: then all that nothing uses would be older
            raise BadTime(text)
        return moment(text, now)
    except BadTime:
        raise BadFilter(
            f"not a time: until={text!r}", hint="write until=24h, or until=2026-01-31T12:00:00Z"
        ) from None


def _warning(scope: Scope) -> str:
    lines = (
        (scope.containers, "all stopped containers"),
        (scope.images == "dangling", "all dangling images"),
        (scope.images == "unused", "all images without at least one container made from them"),
        (scope.build_cache == "unshared", "build cache that no image or container shares"),
        (scope.build_cache == "all", "all build cache"),
    )
    before = f", created before {scope.until:%Y-%m-%d %H:%M:%S %Z}" if scope.until else ""
    listed = "".join(f"\n  - {text}{before}" for given, text in lines if given)
    return f"WARNING! This will remove:{listed}\n\n"


def _tell(store: Store, pruned: Pruned) -> None:
    from lamina.store.tell import tell_container, tell_image

    now = timestamp()
    for record in pruned.plan.containers:
        tell_container(store, record, "destroy", now)
    for rows in pruned.plan.images:
        for row in rows:
            tell_image(store, row, "untag", now)
        tell_image(store, rows[0], "delete", now, name=str(rows[0].image_id))


def _show(pruned: Pruned) -> None:
    if pruned.plan.containers:
        emit("Deleted Containers:")
        emit("\n".join(each.id for each in pruned.plan.containers) + "\n")
    if pruned.plan.images:
        emit("Deleted Images:")
        for rows in pruned.plan.images:
            for row in rows:
                if row.reference is not None:
                    emit(f"untagged: {row.reference.familiar}")
            emit(f"deleted: {rows[0].image_id}")
        emit("\n")
    if pruned.plan.steps:
        emit("Deleted build cache objects:")
        emit("\n".join(each.key.short for each in pruned.plan.steps) + "\n")
    emit(f"Total reclaimed space: {size(pruned.bytes)}")
