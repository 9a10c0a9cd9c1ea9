"""What `lamina build` is told about its cache, and what it does about it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.cli.app import App
from lamina.errors import EngineError, NotFound

if TYPE_CHECKING:
    from lamina.cache.cache import Known
    from lamina.cache.importing import SourceImporter
    from lamina.cli.build_cache_places import CachePlace
    from lamina.cli.build_view import View
    from lamina.oci.platform import Platform
    from lamina.registry.contract import Sink, Source

F = TypeVar("F", bound=Callable[..., Any])
_SETTLED = 3600.0
"""Seconds: a blob that is older and has no name in a layout belongs to no export under way."""
_SWITCH = "BUILDKIT_INLINE_CACHE"
"""The build argument that asks for an inline cache, as BuildKit's frontend has it."""


def cache_options(command: F) -> F:
    """What `importers`, `export_caches`, `wants_inline` and the build itself read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--no-cache", is_flag=True, help="Carry out every step again."),
    click.option(
        "--no-cache-filter",
        "anew",
        multiple=True,
        metavar="STAGE",
        help="Carry out the steps of these stages again.",
    ),
    click.option(
        "--cache-from",
        multiple=True,
        metavar="PLACE",
        help="Use the results of: NAME, type=registry,ref=…, type=local,src=….",
    ),
    click.option(
        "--cache-to",
        multiple=True,
        metavar="PLACE",
        help="Write the results to: the same, or type=inline; mode=max: all stages'.",
    ),
    click.option(
        "--explain-cache", is_flag=True, help="Say of each step why the cache had it or not."
    ),
)


def build_place(path: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    """What tells a build from others, so that it can be compared with the last one of it."""
    place = os.path.realpath(path) if os.path.isdir(path) else path
    return (place, given["file"] or "", given["target"], *given["platforms"])


def importers(
    app: App, view: View, given: dict[str, Any], platforms: Sequence[Platform]
) -> Sequence[SourceImporter]:
    """Where else results may come from.  Nothing is asked before the cache here misses."""
    if not given["cache_from"]:
        return ()
    from lamina.cache.importing import SourceImporter
    from lamina.cli.build_cache_places import parse_from
    from lamina.cli.build_cache_view import Fetches

    return [
        SourceImporter(
            place.text,
            _opening(app, place),
            app.engine.store,
            platforms=platforms,
            progress=Fetches(view, place.text),
            note=lambda line: note(view, line),
            repository=_repository(place),
        )
        for text in given["cache_from"]
        for place in parse_from(text)
    ]


def wants_inline(given: dict[str, Any], build_args: Mapping[str, str]) -> bool:
    """Whether the image is to carry the record of its own cache."""
    from lamina.cli.build_cache_places import parse_to

    asked = build_args.get(_SWITCH, "").lower() in ("1", "true")
    return asked or any(
        place.kind == "inline" for text in given["cache_to"] for place in parse_to(text)
    )


def export_caches(
    app: App,
    view: View,
    given: dict[str, Any],
    known: Sequence[Known],
    sources: Sequence[SourceImporter],
) -> None:
    """Write the build's results to where `--cache-to` says.

    Raises what that raises, unless `ignore-error=true`: then it is a note.
    """
    from lamina.cli.build_cache_places import parse_to

    for text in given["cache_to"]:
        for place in parse_to(text):
            if place.kind == "inline":
                continue
            try:
                _export(app, view, place, known, sources)
            except EngineError as error:
                if not place.ignore_error:
                    raise
                note(view, f"the cache was not written to {place.text}: {error}")


def _export(
    app: App,
    view: View,
    place: CachePlace,
    known: Sequence[Known],
    sources: Sequence[SourceImporter],
) -> None:
    from lamina.cache.exporting import export
    from lamina.cli.build_cache_view import shown

    steps = [each for each in known if place.everything or each.in_chain]
    what = "1 step" if len(steps) == 1 else f"{len(steps)} steps"
    with (
        shown(view, f"export cache to {place.text}", what) as progress,
        _opened_sink(app, place) as (sink, tag, target),
    ):
        export(
            app.engine.store,
            steps,
            sink,
            tag=tag,
            progress=progress,
            target=target,
            compression=place.compression,
            importers=sources,
        )


@contextmanager
def _opened_sink(app: App, place: CachePlace) -> Iterator[tuple[Sink, str, str]]:
    """Where to write, the tag, and the repository as registries know it; a layout names the
    cache when the block ends well."""
    if place.kind == "registry":
        from lamina.cli.registry_options import settings
        from lamina.oci.reference import Reference
        from lamina.registry.connect import connect

        reference = Reference.parse(place.ref)
        yield connect(reference, settings(app), push=True), reference.tag, reference.name
        return
    from lamina.cache.layout import remove_unnamed
    from lamina.transfer.files import DirectoryFiles
    from lamina.transfer.layout import LayoutSink

    files = DirectoryFiles(place.path)
    sink = LayoutSink(files)
    yield sink, place.tag, ""
    files.finish(sink.entries)
    remove_unnamed(place.path, before=time.time() - _SETTLED)


def _opening(app: App, place: CachePlace) -> Callable[[], Source]:
    """What opens the place, when it is first needed."""

    def open_registry() -> Source:
        from lamina.cli.registry_options import settings
        from lamina.oci.reference import Reference
        from lamina.registry.connect import connect

        return connect(Reference.parse(place.ref), settings(app))

    def open_layout() -> Source:
        from lamina.transfer.layout import LayoutSource, read_index
        from lamina.transfer.members import DirectoryMembers

        members = DirectoryMembers(place.path)
        images = read_index(members)
        wanted = place.digest or place.tag
        for each in images:
            if wanted in (*each.names, str(each.descriptor.digest)):
                return LayoutSource(members, each)
        if len(images) == 1 and not place.digest:
            return LayoutSource(members, images[0])
        raise NotFound(f"{place.path} has no cache {wanted}")

    return open_registry if place.kind == "registry" else open_layout


def _repository(place: CachePlace) -> str:
    if place.kind != "registry":
        return ""
    from lamina.oci.reference import Reference

    return Reference.parse(place.ref).name


def note(view: View, line: str) -> None:
    """One line about something that does not stop the build."""
    from lamina.text import escape

    with view.lock:
        view.say(f"note: {escape(line)}")
