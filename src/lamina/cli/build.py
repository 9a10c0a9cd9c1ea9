"""`lamina build`: an image from a Dockerfile."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import msgspec

from lamina.cli.app import App, timestamp
from lamina.cli.build_attest import attest_options
from lamina.cli.build_cache_options import (
    build_place,
    cache_options,
    export_caches,
    importers,
    wants_inline,
)
from lamina.cli.build_check import asked_to_check, check_options
from lamina.cli.build_context import context_options
from lamina.cli.build_help import BuildCommand
from lamina.cli.build_output import output_options
from lamina.cli.build_reproducible import reproducible_options
from lamina.cli.build_run import means, run_options

if TYPE_CHECKING:
    from lamina.build.build import Product
    from lamina.build.observe import Occasion
    from lamina.build.stage import Settings
    from lamina.cli.build_attest import Stating
    from lamina.cli.build_context import Gathered
    from lamina.cli.build_output import Written
    from lamina.cli.build_output_spec import Output
    from lamina.cli.build_plain import Quiet
    from lamina.dockerfile.check_rules import Finding
    from lamina.dockerfile.instruction import Dockerfile
    from lamina.dockerfile.source import SourceError


@click.command(cls=BuildCommand, epilog="Example: lamina build -t app:1 --build-arg VERSION=2 .")
@click.argument("path")
@context_options
@click.option("-t", "--tag", "tags", multiple=True, metavar="NAME", help="Name the image.")
@click.option("--target", metavar="STAGE", default="", help="Build this stage, not the last.")
@click.option(
    "--build-arg",
    "build_args",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Set an ARG; without a value it is taken from the environment.",
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Add a label.")
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH[,…]",
    help="Build for this platform, or for several and an index of them.",
)
@click.option("--pull", is_flag=True, help="Pull base images even when they are here.")
@run_options
@cache_options
@output_options
@reproducible_options
@attest_options
@check_options
@click.pass_obj
def command(app: App, /, path: str, **given: Any) -> int:
    """Build an image from a Dockerfile and the files in PATH.

    PATH is a directory, a git repository, the address of an archive, or - for an
    archive or a Dockerfile on standard input.  Steps whose inputs have not changed
    come from the cache.
    """
    from lamina.cli.build_output import outputs, tell
    from lamina.cli.build_progress import viewing, way
    from lamina.cli.build_reproducible import NotReproducible
    from lamina.dockerfile.source import SourceError

    wanted = outputs(given)
    how = way(given["progress"], quiet=given["quiet"])
    failure = None
    with viewing(app, how) as view:
        try:
            if asked_to_check(given):
                return _check(app, path, given)
            written = _build(app, view, path, given, wanted)
        except (SourceError, NotReproducible) as error:
            failure = error
    if isinstance(failure, NotReproducible):
        print(failure.report, flush=True)
        raise failure
    if failure is not None:
        _say_where(view, failure)
        return 1
    tell(written, given)
    return 0


def _check(app: App, path: str, given: dict[str, Any]) -> int:
    from lamina.cli.build_check import run_checks
    from lamina.cli.build_context import gathered
    from lamina.cli.build_settings import settings
    from lamina.cli.build_warnings import surroundings
    from lamina.dockerfile.parse import parse

    asked = settings(given)[0]
    identity = os.urandom(16).hex()
    with gathered(app, path, given, identity=identity, started=time.time_ns()) as ground:
        opened = ground.opened
        return run_checks(
            app,
            parse(opened.dockerfile_text, name=opened.dockerfile_name),
            build_args=asked.build_args,
            platform=asked.platform,
            as_json=given["call"].endswith("json"),
            **surroundings(app, ground, asked),
        )


def _build(
    app: App, view: Quiet, path: str, given: dict[str, Any], wanted: Sequence[Output]
) -> Written:
    """From the options to the outputs, and the lines at the end."""
    from lamina.cli.build_attest import Stating
    from lamina.cli.build_attest import wanted as wanted_statements
    from lamina.cli.build_context import gathered
    from lamina.cli.build_output import check_platforms
    from lamina.cli.build_reproducible import at, dated, epoch
    from lamina.cli.build_settings import settings, with_contexts
    from lamina.cli.build_warnings import found_by_checks
    from lamina.dockerfile.parse import parse

    begun, occasion = time.monotonic(), _occasion(path, given)
    asked = settings(given)
    check_platforms(wanted, len(asked))
    stating = Stating(wanted_statements(given), occasion.created)
    with gathered(app, path, given, identity=occasion.identity, started=occasion.now) as ground:
        opened = ground.opened
        asked = with_contexts(asked, ground)
        seconds = epoch(given, asked[0].build_args, ground)
        dockerfile = parse(opened.dockerfile_text, name=opened.dockerfile_name)
        found = found_by_checks(app, dockerfile, ground, asked[0], shown=view.speaks)
        job = _Job(
            dockerfile, ground, at(asked, seconds), dated(occasion, seconds), stating, found, begun
        )
        return _make(app, view, job, given, wanted)


class _Job(msgspec.Struct, frozen=True):
    """What is to be built."""

    dockerfile: Dockerfile
    ground: Gathered
    settings: Sequence[Settings]
    occasion: Occasion
    stating: Stating
    found: Sequence[Finding]
    """By the checks, for the lines at the end."""
    begun: float


def _make(
    app: App, view: Quiet, job: _Job, given: dict[str, Any], wanted: Sequence[Output]
) -> Written:
    from lamina.build.build import build
    from lamina.cli.build_cache_why import explaining
    from lamina.cli.build_images import resolver
    from lamina.cli.build_output import write
    from lamina.cli.build_progress import colored
    from lamina.cli.build_reproducible import verify
    from lamina.cli.build_view import Steps
    from lamina.cli.build_warnings import sentences

    sources = importers(app, view, given, [each.platform for each in job.settings])
    granted = means(given)
    resolve = resolver(app, view, job.ground.images, always=given["pull"])
    make = partial(
        build,
        job.dockerfile,
        job.ground.trees,
        app.engine.store,
        settings=job.settings,
        resolve=job.stating.recording(resolve),
        observer=Steps(view),
        means=granted,
        importers=sources,
        inline_cache=wants_inline(given, job.settings[0].build_args),
    )
    explain = explaining(view, colored=colored(app)) if given["explain_cache"] else None
    with make(occasion=job.occasion, explain=explain) as product:
        job.ground.save()
        if given["verify_reproducible"]:
            verify(app, view, product, job.occasion, make, given)
        names = [name for each in wanted for name in each.names]
        product = job.stating.about(
            app,
            product,
            job.ground,
            job.occasion,
            names,
            granted,
            verified=given["verify_reproducible"],
        )
        written = write(app, view, product, wanted)
        export_caches(app, view, given, product.known, sources)
        _conclude(view, product, written, time.monotonic() - job.begun)
        for line in sentences(job.found):
            view.say(line)
    return written


def _occasion(path: str, given: dict[str, Any]) -> Occasion:
    from lamina.build.observe import Occasion

    return Occasion(
        os.urandom(16).hex(),
        timestamp(),
        time.time_ns(),
        not (given["no_cache"] or given["verify_reproducible"]),
        frozenset(given["anew"]),
        place=build_place(path, given),
        workers=os.cpu_count() or 1,
    )


def _say_where(view: Quiet, error: SourceError) -> None:
    """The failed step's last output, then where its instruction stands."""
    from lamina.text import escape, escape_lines

    for failure in view.failures:
        if failure.lines and not view.shows_failures:
            place = f"[{failure.task.place}] " if failure.task.place else ""
            print(f"------\n > {place}{escape(failure.task.title)}:", file=sys.stderr)
            print("\n".join(failure.lines), "------", sep="\n", file=sys.stderr)
    print(escape(str(error)), file=sys.stderr)
    print(escape_lines(error.excerpt), file=sys.stderr)


def _conclude(view: Quiet, product: Product, written: Written, seconds: float) -> None:
    from lamina.cli.build_words import clock
    from lamina.text import prose_size

    for name in product.unused_args:
        view.say(f"note: no ARG uses the build argument {name}")
    called = " ".join(name.familiar for name in written.names)
    first = product.variants[0]
    digest = written.image_id.hex
    size = sum(each.size for each in product.variants)
    hidden = sum(each.hidden for each in product.variants)
    of_it = f", {prose_size(hidden)} of it hidden" if hidden else ""
    view.say(
        f" built {called + '  ' if called else ''}sha256:{digest[:4]}…{digest[-4:]}"
        f"  {prose_size(size)}{of_it}  {clock(seconds)}"
    )
    if hidden and written.kept:
        what = written.names[0].familiar if written.names else first.config.digest.short
        view.say(f"   {prose_size(hidden)} ship that nobody can see: `lamina explain {what}`")
