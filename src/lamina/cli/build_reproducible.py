"""What makes a build of `lamina build` reproducible, and what checks that it is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.cli.app import App
from lamina.errors import CheckFailed

if TYPE_CHECKING:
    from lamina.build.build import Product
    from lamina.build.observe import Occasion
    from lamina.cli.build_context import Gathered
    from lamina.cli.build_view import View
    from lamina.explain.deviations import Deviations
    from lamina.plan.stage import Settings

F = TypeVar("F", bound=Callable[..., Any])
_VARIABLE = "SOURCE_DATE_EPOCH"
_OF_CONTEXT = "context"
"""What BuildKit takes in the place of a number: the context says it."""
_PAUSE = 1.1
"""Seconds between two builds: a clock of whole seconds has gone on by then, so that what
asked for the time is seen."""


def reproducible_options(command: F) -> F:
    """What `epoch` and `verify` read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--reproducible",
        is_flag=True,
        help="Clamp times to SOURCE_DATE_EPOCH, the commit or the newest file.",
    ),
    click.option(
        "--verify-reproducible",
        is_flag=True,
        help="The same, twice from nothing, and name what differs.",
    ),
    click.option(
        "--format",
        "report",
        type=click.Choice(["text", "json"]),
        default="text",
        metavar="text|json",
        help="How --check and --verify-reproducible tell what they find.",
    ),
)


class NotReproducible(CheckFailed):
    """The second build came out otherwise; `report` says how."""

    def __init__(self, report: str, count: int) -> None:
        what = {0: "the configuration differs", 1: "1 file differs"}
        differs = what.get(count, f"{count:,} files differ")
        super().__init__(f"the build is not reproducible: {differs}; nothing was named")
        self.report = report


def epoch(given: Mapping[str, Any], arguments: Mapping[str, str], ground: Gathered) -> int | None:
    """The time that nothing in the image may pass, in seconds since 1970; None for real times.

    `arguments` are the build's.  Raises BadEpoch, NoEpoch, NoGit.
    """
    from lamina.build.epoch import parse
    from lamina.context.epoch import epoch_of

    text = arguments.get(_VARIABLE) or os.environ.get(_VARIABLE, "")
    asked = given["reproducible"] or given["verify_reproducible"]
    if text and text != _OF_CONTEXT:
        return parse(text)
    if not text and not asked:
        return None
    opened = ground.opened
    if opened.committed is not None:
        return opened.committed
    return epoch_of(ground.directory, opened.tree, os.environ)


def at(settings: Sequence[Settings], seconds: int | None) -> list[Settings]:
    """The settings with the epoch; an ARG of its name has it too."""
    if seconds is None:
        return list(settings)
    from msgspec.structs import replace

    return [
        replace(each, epoch=seconds, build_args={**each.build_args, _VARIABLE: str(seconds)})
        for each in settings
    ]


def dated(occasion: Occasion, seconds: int | None) -> Occasion:
    """The occasion of a build at the epoch."""
    if seconds is None:
        return occasion
    from msgspec.structs import replace

    from lamina.build.epoch import timestamp

    return replace(occasion, created=timestamp(seconds), now=seconds * 1_000_000_000)


def verify(
    app: App,
    view: View,
    first: Product,
    occasion: Occasion,
    make: Callable[..., Any],
    given: Mapping[str, Any],
) -> None:
    """Build once more from nothing (`make` takes an occasion) and hold the two against each
    other.  Raises NotReproducible, and what building raises."""
    from lamina.build.twice import again, compare

    view.say(" once more from nothing, to compare")
    time.sleep(_PAUSE)
    with make(occasion=again(occasion, os.urandom(16).hex())) as second:
        found = compare(first, second, app.engine.store)
        report = _report(app, found, given["report"])
    if found:
        raise NotReproducible(report, sum(len(each.paths) for each in found))
    if report:
        click.echo(report)
    view.say(" reproducible: built twice from nothing, the same both times")


def _report(app: App, found: Sequence[Deviations], form: str) -> str:
    """What differs, for each platform that does."""
    if form == "json":
        from lamina.cli.format import to_json
        from lamina.report.deviations import as_json

        return to_json([as_json(each) for each in found], indent=2)
    from lamina.cli.reports import paper
    from lamina.report.deviations import as_text

    return "".join(as_text(each, paper(app)) for each in found)
