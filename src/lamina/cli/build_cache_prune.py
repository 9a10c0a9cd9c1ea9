"""`lamina build cache prune`: remove results and cache mounts that are not needed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.build_cache_ls import seconds
from lamina.cli.format import emit, size
from lamina.cli.prune import until
from lamina.cli.pruning import agreed
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.cache.prune import Plan, Scope

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


class BadSize(Invalid):
    """A size that cannot be read."""


@click.command(epilog="Example: lamina build cache prune --keep-storage 10GB")
@click.option(
    "-a", "--all", "all_", is_flag=True, help="Steps as well whose layer an image shares."
)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--steps", is_flag=True, help="Steps alone.")
@click.option("--mounts", is_flag=True, help="Cache mounts alone.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="until=TIME",
    help="Only what was last used before: 24h, 10m, 7d, or 2026-01-31T12:00:00Z.",
)
@click.option(
    "--keep-storage",
    "keep",
    metavar="SIZE",
    help="Keep so much of it, what was used last: 10GB, 500MB, 2GiB.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.pass_obj
def prune_command(
    app: App,
    all_: bool,
    force: bool,
    steps: bool,
    mounts: bool,
    filters: tuple[str, ...],
    keep: str | None,
    dry_run: bool,
) -> None:
    """Remove results of build steps that no image shares, and cache mounts.

    What a build has in use stays.
    """
    from lamina.cache.mounts import CacheMounts
    from lamina.cache.prune import Scope, plan, prune

    before = until(filters, datetime.now(UTC))
    scope = Scope(
        steps or not mounts,
        mounts or not steps,
        all_,
        before.timestamp() if before else None,
        _bytes(keep) if keep else None,
    )
    store = app.engine.store
    there = CacheMounts(store.root)
    if not (dry_run or force or agreed(_warning(scope))):
        return
    what = plan(store, there, scope, seconds)
    freed = 0 if dry_run else prune(store, there, what)
    _show(what, dry_run)
    if not dry_run:
        emit(f"Total reclaimed space: {size(freed)}")


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise BadSize(f"not a size: {text!r}", hint="write 10GB, 500MB or 2GiB")
    number, unit, binary = found.groups()
    power = " kmgt".index(unit.lower() or " ")
    return int(float(number) * (1024 if binary else 1000) ** power)


def _warning(scope: Scope) -> str:
    before = ""
    if scope.before is not None:
        moment = datetime.fromtimestamp(scope.before, UTC)
        before = f", last used before {moment:%Y-%m-%d %H:%M:%S %Z}"
    if scope.keep is not None:
        before += f", until {size(scope.keep)} are left"
    lines = (
        (scope.steps and scope.shared, "all results of build steps"),
        (scope.steps and not scope.shared, "results of build steps that no image shares"),
        (scope.mounts, "cache mounts"),
    )
    listed = "".join(f"\n  - {text}{before}" for given, text in lines if given)
    return f"WARNING! This will remove:{listed}\n\n"


def _show(what: Plan, dry_run: bool) -> None:
    verb = "Would delete" if dry_run else "Deleted"
    if what.steps:
        emit(f"{verb} steps:")
        emit("".join(f"{each.id}  {_line(each.title)}\n" for each in what.steps))
    if what.mounts:
        emit(f"{verb} cache mounts:")
        emit("".join(f"{_line(each.id)}\n" for each in what.mounts))
    if dry_run and not what.steps and not what.mounts:
        emit("Nothing to delete")


def _line(text: str) -> str:
    from lamina.text import clip, escape

    return clip(escape(text), 60)
