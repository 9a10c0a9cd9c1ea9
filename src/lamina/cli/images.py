"""`lamina images`: the images in the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.completion import image_names
from lamina.cli.filters import flag, has_labels, parse_filters
from lamina.cli.format import ago, emit, listing_options, parse_time, render, short_id, size

if TYPE_CHECKING:
    from lamina.store.contract import NamedImage, Store

NONE = "<none>"
_COLUMNS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
}
_FILTERS = ("before", "dangling", "label", "reference", "since")
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@click.command(epilog="Example: lamina images --filter dangling=true -q")
@click.argument("name", metavar="[NAME[:TAG]]", required=False, shell_complete=image_names)
@click.option(
    "-a", "--all", "all_", is_flag=True, help="As Docker has it; nothing is left out here."
)
@click.option("--digests", is_flag=True, help="Show the digests that registries know.")
@listing_options
@click.pass_obj
def command(
    app: App,
    name: str | None,
    all_: bool,
    digests: bool,
    fmt: str,
    quiet: bool,
    no_trunc: bool,
    filters: tuple[str, ...],
) -> None:
    """List images, the newest first.

    NAME may have wildcards: 'debian', 'debian:book*', 'ghcr.io/*/app'.  Filters:
    dangling=true, reference=PATTERN, before=IMAGE, since=IMAGE, label=KEY[=VALUE].
    """
    store = app.engine.store
    found = _chosen(store, parse_filters(filters, _FILTERS), name)
    now = datetime.now(UTC)
    rows = [_row(each, now, no_trunc=no_trunc) for each in found]
    if quiet:
        emit("\n".join(str(row["ID"]) for row in rows))
        return
    columns = dict(_COLUMNS)
    if digests:
        columns = {"Repository": "", "Tag": "", "Digest": "DIGEST"} | columns
    emit(render(rows, fmt, columns, headers={"CreatedAt": "CREATED AT", "Digest": "DIGEST"}))


def _row(image: NamedImage, now: datetime, *, no_trunc: bool) -> dict[str, object]:
    moment = parse_time(image.created)
    return {
        "Repository": _repository(image),
        "Tag": (image.reference.tag if image.reference else "") or NONE,
        "Digest": _digest(image),
        "ID": str(image.image_id) if no_trunc else short_id(str(image.image_id)),
        "CreatedSince": ago(image.created, now),
        "CreatedAt": f"{moment:%Y-%m-%d %H:%M:%S %z} UTC" if moment else "N/A",
        "Size": size(image.size),
    }


def _repository(image: NamedImage) -> str:
    if image.reference is not None:
        return image.reference.familiar_name
    if image.repo_digests:
        from lamina.oci.reference import Reference

        return Reference.parse(image.repo_digests[0]).familiar_name
    return NONE


def _digest(image: NamedImage) -> str:
    """The digest under which the row's own repository is known."""
    if image.reference is not None and image.reference.digest is not None:
        return str(image.reference.digest)
    names = [each.partition("@") for each in image.repo_digests]
    own = image.reference.name if image.reference is not None else None
    for name, _, digest in names:
        if own in (None, name) or (image.reference and image.reference.familiar_name == name):
            return digest
    return NONE


def _chosen(store: Store, wanted: Mapping[str, list[str]], name: str | None) -> list[NamedImage]:
    tests: list[Callable[[NamedImage], bool]] = []
    dangling = flag("dangling", wanted.get("dangling", []))
    if dangling is not None:
        tests.append(lambda row: (row.reference is None) is dangling)
    patterns = [re.compile(_pattern(text)) for text in wanted.get("reference", [])]
    if patterns:
        tests.append(lambda row: _matches(row, patterns))
    if name is not None:
        named = [re.compile(_pattern(name))]
        tests.append(lambda row: _matches(row, named))
    for key, values in wanted.items():
        if key in ("before", "since"):
            tests += [_by_time(store, value, before=key == "before") for value in values]
    if labels := wanted.get("label"):
        tests.append(lambda row: has_labels(store.images.open(row).config.labels, labels))
    rows = [row for row in store.refs.rows() if all(test(row) for test in tests)]
    # Of images that are equally old, the one that was named last stands first.
    rows.reverse()
    return sorted(rows, key=lambda row: _moment(row.created), reverse=True)


def _by_time(store: Store, text: str, *, before: bool) -> Callable[[NamedImage], bool]:
    limit = _moment(store.images.find(text).row.created)
    if before:
        return lambda row: _moment(row.created) < limit
    return lambda row: _moment(row.created) > limit


def _moment(text: str) -> datetime:
    return parse_time(text) or _BEGINNING


def _matches(row: NamedImage, patterns: Sequence[re.Pattern[str]]) -> bool:
    reference = row.reference
    if reference is None:
        return False
    names = (reference.familiar, reference.familiar_name, str(reference), reference.name)
    return any(pattern.fullmatch(name) for pattern in patterns for name in names)


def _pattern(text: str) -> str:
    """Go's path.Match as a regular expression: `*` and `?` stop at a slash."""
    parts = []
    for piece in re.findall(r"\[[^\]]*\]|\\.|.", text, re.DOTALL):
        if piece == "*":
            parts.append("[^/]*")
        elif piece == "?":
            parts.append("[^/]")
        elif len(piece) > 1 and piece[0] == "[":
            parts.append("[" + piece[1:-1].replace("\\", "\\\\") + "]")
        else:
            parts.append(re.escape(piece[-1]))
    return "".join(parts)
