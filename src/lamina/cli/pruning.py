"""What commands that remove all that is not used have in common: filters, and asking first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from lamina.cli.failure import report
from lamina.cli.filters import has_labels, parse_filters
from lamina.cli.format import emit, parse_time

F = TypeVar("F", bound=Callable[..., Any])
_FILTERS = ("label", "label!", "until")


def prune_options(command: F) -> F:
    """`--force`, and `--filter` by age and labels as `filters`, which `Wanted` understands."""
    for option in (
        click.option(
            "--filter",
            "filters",
            multiple=True,
            metavar="KEY=VALUE",
            help="Only these: until=24h, label=KEY[=VALUE], label!=KEY[=VALUE].",
        ),
        click.option("-f", "--force", is_flag=True, help="Do not ask."),
    ):
        command = option(command)
    return command


class Wanted:
    """What is to go, by `until`, `label` and `label!`.  Raises BadFilter, BadTime."""

    def __init__(self, filters: tuple[str, ...]) -> None:
        from lamina.cli.moments import moment

        self.filters = parse_filters(filters, _FILTERS)
        now = datetime.now(UTC)
        times = [moment(each, now) for each in self.filters.get("until", [])]
        self._before = min(times, default=None)

    def fits(self, created: str, labels: Mapping[str, str]) -> bool:
        """Whether something made then (RFC 3339), with these labels, is among it."""
        made = parse_time(created)
        if self._before is not None and made is not None and made >= self._before:
            return False
        if not has_labels(labels, self.filters.get("label", [])):
            return False
        return not any(has_labels(labels, [each]) for each in self.filters.get("label!", []))


def agreed(warning: str) -> bool:
    """Print the warning, and ask whether to go on."""
    emit(warning)
    return click.confirm("Are you sure you want to continue?", prompt_suffix=" ")


def clear_host() -> None:
    """Take away what no store remembers of its containers on this host, and tell of it."""
    from lamina.lifecycle.leftovers import remove_leftovers

    found = remove_leftovers(time.time())
    if found.networks:
        emit("Deleted Networks of stores that are gone:\n" + "\n".join(found.networks) + "\n\n")
    for root, pids in found.running.items():
        hint = f"to end them: kill -9 {' '.join(map(str, pids))}" if pids else ""
        report(f"containers of {root} still run, and that store is gone", hint)
