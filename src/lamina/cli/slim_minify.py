"""`lamina slim --minify IMAGE`: what probes never use, taken out; or nothing, if one can tell."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.cli.app import App

if TYPE_CHECKING:
    from lamina.minify.probe import Probe

F = TypeVar("F", bound=Callable[..., Any])
_CHECK_FAILED = 3

OPTIONS = "cmd http test watch_for timeout network keep keep_package keep_removed"
"""Its own, as `slim` sorts them."""


def minify_options(command: F) -> F:
    """What `run` reads of its own."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option("--minify", is_flag=True, help="Take out what the probes do not use."),
    click.option(
        "--cmd",
        multiple=True,
        metavar="'ARGS'",
        help="Probe: a container with these arguments; its status and output.",
    ),
    click.option(
        "--http",
        multiple=True,
        metavar="[METHOD:]PORT/PATH[=>STATUS]",
        help="Probe: a request to the image's own service; status and body.",
    ),
    click.option(
        "--test",
        multiple=True,
        metavar="'SCRIPT'",
        help="Probe: a shell script of this host beside the image's own service.",
    ),
    click.option(
        "--for",
        "watch_for",
        type=click.FloatRange(min=0, min_open=True),
        default=5.0,
        show_default=True,
        metavar="SECONDS",
        help="Without probes: how long the image's own command is watched.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long a probe may take.",
    ),
    click.option(
        "--network",
        type=click.Choice(["none", "host"]),
        default="none",
        show_default=True,
        help="Of the probes' containers; none is loopback alone.",
    ),
    click.option("--keep", multiple=True, metavar="GLOB", help="Keep these paths as well."),
    click.option(
        "--keep-package",
        multiple=True,
        metavar="NAME",
        help="Keep a package of the system, of Python or of Node whole.",
    ),
    click.option(
        "--keep-removed",
        is_flag=True,
        help="Attach what is removed: `lamina run --with-removed` has it again.",
    ),
)


def run(app: App, image: str | None, given: dict[str, Any]) -> int:
    """Minify `image`; the exit status."""
    from lamina.build.directory import working_directory
    from lamina.cli.format import emit, to_json
    from lamina.cli.reports import paper
    from lamina.explain.stack import image_stack
    from lamina.minify.keep import Wishes
    from lamina.minify.minify import minify, observe
    from lamina.minify.telling import dry, telling
    from lamina.minify.trial import Laboratory, Settings
    from lamina.oci.reference import Reference
    from lamina.report import minify as report

    if image is None:
        raise click.UsageError("name an image")
    gc.disable()  # a stack is a million small objects and hardly a cycle
    if not given["tag"] and not given["dry_run"]:
        raise click.UsageError("name the new image with -t, or look at it first with --dry-run")
    reference = Reference.parse(given["tag"]) if given["tag"] else None
    probes = _probes(given)
    store = app.engine.store
    found = store.images.find(image)
    stack = image_stack(store, found, image)
    settings = Settings(probes, given["network"], given["timeout"], environment=dict(os.environ))
    wishes = Wishes(given["keep"], given["keep_package"])
    with (
        working_directory(store, os.urandom(32).hex()) as directory,
        _progress() as tell,
    ):
        laboratory = Laboratory(store.layers, directory, store.root / "cache", settings, tell)
        observed = observe(found, stack, laboratory, wishes)
        done = dry(observed, probes)
        if reference is not None and not given["dry_run"]:
            keep_removed = given["keep_removed"]
            done = minify(
                store, found, stack, observed, laboratory, reference, keep_removed=keep_removed
            )
    told = telling(stack.name, done)
    if given["fmt"] == "json":
        emit(to_json(report.as_json(told), indent=2))
    else:
        emit(report.as_text(told, paper(app)))
    return 0 if done.holds else _CHECK_FAILED


def _probes(given: dict[str, Any]) -> tuple[Probe, ...]:
    from lamina.minify.probe import OwnProbe, ScriptProbe, parse_command, parse_http

    probes: tuple[Probe, ...] = (
        *map(parse_command, given["cmd"]),
        *map(parse_http, given["http"]),
        *map(ScriptProbe, given["test"]),
    )
    return probes or (OwnProbe(given["watch_for"]),)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Say what is going on: one line that changes on a terminal, a line each elsewhere."""
    from lamina.text import clip, escape

    if not sys.stderr.isatty():
        yield lambda line: print(f" {escape(line)}", file=sys.stderr, flush=True)
        return

    def tell(line: str) -> None:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        sys.stderr.write(f"\r\x1b[K {clip(escape(line), columns - 2)}")
        sys.stderr.flush()

    try:
        yield tell
    finally:
        sys.stderr.write("\r\x1b[K")
