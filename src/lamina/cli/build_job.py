"""One build, from the options to the outputs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from lamina.cli.app import App, timestamp
from lamina.cli.build_cache_options import (
    build_place,
    export_caches,
    importers,
    wants_inline,
)
from lamina.cli.build_run import means

if TYPE_CHECKING:
    from lamina.build.build import Product
    from lamina.build.means import Means
    from lamina.build.observe import Occasion
    from lamina.cache.importing import SourceImporter
    from lamina.cli.build_attest import Stating
    from lamina.cli.build_context import Gathered
    from lamina.cli.build_output import Written
    from lamina.cli.build_output_spec import Output
    from lamina.cli.build_plain import Quiet
    from lamina.dockerfile.check_rules import Finding
    from lamina.dockerfile.instruction import Dockerfile
    from lamina.plan.stage import Settings

    Make = Callable[..., AbstractContextManager[Product]]


class _Job(msgspec.Struct, frozen=True):
    """What is to be built, and with what."""

    dockerfile: Dockerfile
    ground: Gathered
    settings: Sequence[Settings]
    occasion: Occasion
    stating: Stating
    means: Means
    sources: Sequence[SourceImporter]
    """Caches elsewhere."""
    found: Sequence[Finding]
    """By the checks, for the lines at the end."""


def make(
    app: App, view: Quiet, path: str, given: dict[str, Any], wanted: Sequence[Output]
) -> Written:
    """Open the context, build, and put what was made where it is `wanted`; nothing that was
    opened is left.  Raises what all of that raises."""
    from lamina.cli.build_attest import Stating
    from lamina.cli.build_attest import wanted as statements
    from lamina.cli.build_context import gathered
    from lamina.cli.build_output import check_platforms
    from lamina.cli.build_reproducible import at, dated, epoch
    from lamina.cli.build_settings import settings, with_contexts
    from lamina.cli.build_warnings import found_by_checks
    from lamina.dockerfile.parse import parse

    begun, occasion = time.monotonic(), _occasion(path, given)
    asked = settings(given)
    check_platforms(wanted, len(asked))
    stating = Stating(statements(given), occasion.created)
    with gathered(app, path, given, identity=occasion.identity, started=occasion.now) as ground:
        opened = ground.opened
        asked = with_contexts(asked, ground)
        seconds = epoch(given, asked[0].build_args, ground)
        dockerfile = parse(opened.dockerfile_text, name=opened.dockerfile_name)
        job = _Job(
            dockerfile,
            ground,
            at(asked, seconds),
            dated(occasion, seconds),
            stating,
            means(given),
            importers(app, view, given, [each.platform for each in asked]),
            found_by_checks(app, dockerfile, ground, asked[0], shown=view.speaks),
        )
        return _carry_out(app, view, job, given, wanted, begun)


def _carry_out(
    app: App,
    view: Quiet,
    job: _Job,
    given: dict[str, Any],
    wanted: Sequence[Output],
    begun: float,
) -> Written:
    from lamina.cli.build_cache_why import explaining
    from lamina.cli.build_ending import conclude
    from lamina.cli.build_layers import layered, way
    from lamina.cli.build_output import write
    from lamina.cli.build_progress import colored
    from lamina.cli.build_reproducible import verify
    from lamina.cli.build_warnings import sentences

    build = _bound(app, view, job, given)
    explain = explaining(view, colored=colored(app)) if given["explain_cache"] else None
    with build(occasion=job.occasion, explain=explain) as product:
        job.ground.save()
        if given["verify_reproducible"]:
            verify(app, view, product, job.occasion, build, given)
        product = layered(app, view, product, way(given))
        product = job.stating.about(
            app,
            product,
            job.ground,
            job.occasion,
            [name for each in wanted for name in each.names],
            job.means,
            verified=given["verify_reproducible"],
        )
        written = write(app, view, product, wanted)
        _tell(app, written)
        export_caches(app, view, given, product.known, job.sources)
        conclude(view, product, written, time.monotonic() - begun)
        for line in sentences(job.found):
            view.say(line)
    return written


def _bound(app: App, view: Quiet, job: _Job, given: dict[str, Any]) -> Make:
    """`build` of the job: it wants an occasion, and may be asked twice."""
    from lamina.build.build import build
    from lamina.cli.build_images import resolver
    from lamina.cli.build_view import Steps

    resolve = resolver(app, view, job.ground.images, always=given["pull"])
    return partial(
        build,
        job.dockerfile,
        job.ground.trees,
        app.engine.store,
        settings=job.settings,
        resolve=job.stating.recording(resolve),
        observer=Steps(view),
        means=job.means,
        importers=job.sources,
        inline_cache=wants_inline(given, job.settings[0].build_args),
    )


def _tell(app: App, written: Written) -> None:
    if not written.kept:
        return
    from lamina.store.tell import tell_image

    store = app.engine.store
    for name in written.names or (str(written.image_id),):
        tell_image(store, store.images.find(str(name)).row, "build", timestamp(), name=str(name))


def _occasion(path: str, given: dict[str, Any]) -> Occasion:
    from lamina.build.observe import Occasion

    return Occasion(
        os.urandom(16).hex(),
        timestamp(),
        time.time_ns(),
        not (given["no_cache"] or given["verify_reproducible"]),
        frozenset(name for text in given["anew"] for name in text.split(",") if name),
        place=build_place(path, given),
        workers=os.cpu_count() or 1,
    )
