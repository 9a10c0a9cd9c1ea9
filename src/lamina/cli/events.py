"""`lamina events`: what happens in the store, and what has happened."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.filters import has_labels, parse_filters
from lamina.cli.format import emit
from lamina.cli.moments import moment, stamp
from lamina.text import escape, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.cli.gotemplate import Template
    from lamina.store.events import Event

_SCOPE = "local"


@click.command(epilog="Example: lamina events --since 10m --filter event=die")
@click.option("--since", default="", metavar="TIME", help="From then on: RFC 3339, or 10m ago.")
@click.option("--until", default="", metavar="TIME", help="Up to then, and end.")
@click.option(
    "-f", "--filter", "filters", multiple=True, metavar="KEY=VALUE", help="Show only these."
)
@click.option("--format", "fmt", default="", metavar="FORMAT", help="json, or a Go template.")
@click.pass_obj
def command(app: App, since: str, until: str, filters: tuple[str, ...], fmt: str) -> None:
    """Show what happens to containers, images, volumes and networks, as it happens.

    \b
    Filters: container=NAME|ID, image=NAME, network=NAME|ID, volume=NAME, label=KEY[=VALUE],
      type=container|image|network|volume|builder, event=die.
    """
    wanted = parse_filters(filters, _TESTS)
    now = datetime.now(UTC)
    earliest = stamp(moment(since, now) if since else now)
    latest = stamp(moment(until, now)) if until else ""
    show = _shown(fmt)

    def wait(seconds: float) -> bool:
        sys.stdout.flush()
        if latest and stamp(datetime.now(UTC)) > latest:
            return False
        time.sleep(seconds)
        return True

    for event in app.engine.store.events.follow(wait):
        if event.time < earliest or (latest and event.time > latest):
            continue
        if all(_TESTS[key](event, values) for key, values in wanted.items()):
            emit(show(event))


def _shown(fmt: str) -> Callable[[Event], str]:
    if not fmt:
        return _line
    if fmt == "json":
        return lambda event: to_json(_api_form(event))
    from lamina.cli.gotemplate import Template

    template: Template = Template.parse(fmt)
    return lambda event: template.render(_fields(event)) + "\n"


def _line(event: Event) -> str:
    told = ", ".join(f"{key}={value}" for key, value in sorted(event.attributes.items()))
    return escape(f"{event.time} {event.kind} {event.action} {event.id} ({told})")


def _nanoseconds(text: str) -> int:
    """Since 1970: `datetime` alone would lose the last three digits."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * 10**9 + int(fraction[:9].ljust(9, "0") or 0)


def _api_form(event: Event) -> dict[str, object]:
    """As Docker's API has it."""
    nanoseconds = _nanoseconds(event.time)
    form: dict[str, object] = {}
    if event.kind in ("container", "image"):
        form = {"status": event.action, "id": event.id}
        if "image" in event.attributes:
            form["from"] = event.attributes["image"]
    return {
        **form,
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": dict(sorted(event.attributes.items()))},
        "scope": _SCOPE,
        "time": nanoseconds // 10**9,
        "timeNano": nanoseconds,
    }


def _fields(event: Event) -> Mapping[str, object]:
    """As Docker's templates have it; text is made safe for a terminal."""
    form = _api_form(event)
    attributes = {key: escape(value) for key, value in event.attributes.items()}
    return {
        "Status": form.get("status", ""),
        "ID": form.get("id", ""),
        "From": escape(str(form.get("from", ""))),
        "Type": event.kind,
        "Action": escape(event.action),
        "Actor": {"ID": escape(event.id), "Attributes": attributes},
        "Scope": _SCOPE,
        "Time": form["time"],
        "TimeNano": form["timeNano"],
    }


# filters


def _container(event: Event, values: list[str]) -> bool:
    return _is_one(event, "container", values)


def _network(event: Event, values: list[str]) -> bool:
    return _is_one(event, "network", values)


def _volume(event: Event, values: list[str]) -> bool:
    return _is_one(event, "volume", values)


def _is_one(event: Event, kind: str, values: list[str]) -> bool:
    """Whether it is about an object of that kind; others may name it in an attribute."""
    if event.kind == kind:
        name = event.attributes.get("name", "")
        return any(value == name or (value and event.id.startswith(value)) for value in values)
    return event.attributes.get(kind, "") in values


def _image(event: Event, values: list[str]) -> bool:
    if event.kind == "image":
        names = {event.id, event.attributes.get("name", "")}
    else:
        names = {event.attributes.get("image", "")}
    names |= {name.rpartition(":")[0] for name in names if ":" in name.rpartition("/")[2]}
    return any(value in names for value in values if value)


def _event(event: Event, values: list[str]) -> bool:
    return event.action in values or event.action.partition(":")[0] in values


_TESTS: dict[str, Callable[[Event, list[str]], bool]] = {
    "container": _container,
    "daemon": lambda event, values: True,
    "event": _event,
    "image": _image,
    "label": lambda event, values: has_labels(event.attributes, values),
    "network": _network,
    "scope": lambda event, values: _SCOPE in values,
    "type": lambda event, values: event.kind in values,
    "volume": _volume,
}
