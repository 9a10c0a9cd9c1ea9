"""`lamina slim --base IMAGE`: smaller bases that would still hold all that the image uses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.cli.app import App
from lamina.cli.completion import image_names

if TYPE_CHECKING:
    from lamina.needs.bases import Judgement
    from lamina.needs.candidates import Found
    from lamina.needs.uses import Uses

F = TypeVar("F", bound=Callable[..., Any])
_REGISTRY = "docker://"
_ELSEWHERE = ("docker-archive:", "oci-archive:", "oci:", "./", "../", "/")


def base_options(command: F) -> F:
    """What chooses this way to slim, and what `run` reads of its own."""
    for option in (
        click.option(
            "--candidates",
            metavar="FILE",
            type=click.File("r", encoding="utf-8", errors="surrogateescape"),
            help="Try the bases that FILE names, one a line; - is standard input.",
        ),
        click.option(
            "--candidate",
            metavar="NAME",
            multiple=True,
            shell_complete=image_names,
            help="Try this base: an image of the store, docker://NAME:TAG, docker://NAME for the"
            " smallest of a repository, oci:DIR, ./image.tar; by default the store's.",
        ),
        click.option(
            "--base",
            is_flag=True,
            help="Advise which smaller base would hold all that IMAGE uses.",
        ),
    ):
        command = option(command)
    return command


def run(app: App, image: str | None, given: dict[str, Any]) -> int:
    """Print the advice; 1 when there were candidates and none could be read."""
    from lamina.cli.format import emit, to_json
    from lamina.cli.reports import paper
    from lamina.cli.stacks import stack_of
    from lamina.needs.bases import rank
    from lamina.needs.uses import Uses
    from lamina.report import bases as report

    if image is None:
        raise click.UsageError("name an image")
    uses = Uses(stack_of(app, image))
    judged: list[Judgement] = []
    unread: list[tuple[str, str]] = []
    notes: list[str] = []
    for name in _names(app, uses, given, unread, notes):
        found = _judged(app, uses, name)
        if isinstance(found, str):
            unread.append((name, found))
        else:
            judged.append(found)
    if not _has_given(given):
        useful = [each for each in judged if each.saves > 0]
        if more := len(judged) - len(useful):
            notes.append(f"{more} smaller {'image' if more == 1 else 'images'} would save nothing")
        judged = useful
    telling = report.Telling(uses, rank(judged), unread, notes)
    if given["fmt"] == "json":
        emit(to_json(report.as_json(telling), indent=2))
    else:
        emit(report.as_text(telling, paper(app)))
    return 1 if unread and not judged else 0


def _judged(app: App, uses: Uses, name: str) -> Judgement | str:
    """The candidate judged, or why it cannot be read."""
    from msgspec.structs import replace

    from lamina.cli.stacks import opened_stack
    from lamina.errors import EngineError
    from lamina.needs.bases import judge

    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[Kreading {name!r}")
        sys.stderr.flush()
    try:
        with opened_stack(app, name, alone=True) as stack:
            found = judge(uses, stack)
    except (EngineError, OSError) as error:
        return str(error)
    finally:
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
    short = name.removeprefix(_REGISTRY)
    return replace(found, name=short, from_name="" if name.startswith(_ELSEWHERE) else short)


def _names(
    app: App,
    uses: Uses,
    given: dict[str, Any],
    unread: list[tuple[str, str]],
    notes: list[str],
) -> Iterator[str]:
    """The candidates to read, each once; what is learnt on the way is noted."""
    from lamina.errors import EngineError

    asked = [*given["candidate"], *_lines(given["candidates"])]
    if not _has_given(given):
        found = _stored(app, uses)
        notes.extend([f"{found.note}: name them with --candidate"] if found.note else [])
        asked = list(found.names)
    for name in dict.fromkeys(asked):
        if not _is_repository(name):
            yield name
            continue
        try:
            found = _tagged(app, name)
        except EngineError as error:
            unread.append((name, str(error)))
            continue
        notes.extend([found.note] if found.note else [])
        yield from found.names


def _has_given(given: dict[str, Any]) -> bool:
    return bool(given["candidate"] or given["candidates"])


def _stored(app: App, uses: Uses) -> Found:
    from lamina.needs.candidates import Found, stored

    return stored(app.engine.store, uses) if app.root.exists() else Found(())


def _tagged(app: App, name: str) -> Found:
    from lamina.cli.named import host_platform
    from lamina.cli.registry_options import settings
    from lamina.needs.candidates import tagged
    from lamina.oci.reference import Reference
    from lamina.registry.connect import connect

    reference = Reference.parse(name.removeprefix(_REGISTRY))
    return tagged(connect(reference, settings(app)), host_platform(None))


def _is_repository(name: str) -> bool:
    """Whether a name is that of a repository: in a registry, and without tag and digest."""
    if not name.startswith(_REGISTRY):
        return False
    last = name.rpartition("/")[2]
    return ":" not in last and "@" not in last


def _lines(file: Any) -> Iterator[str]:
    """The names in a list; `#` begins a comment."""
    for line in file or ():
        if name := line.partition("#")[0].strip():
            yield name
