"""`lamina build`: an image from a Dockerfile."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from lamina.cli.app import App
from lamina.cli.build_attest import attest_options
from lamina.cli.build_cache_options import cache_options
from lamina.cli.build_check import check_options
from lamina.cli.build_context import context_options
from lamina.cli.build_help import BuildCommand
from lamina.cli.build_layers import layer_options
from lamina.cli.build_output import output_options
from lamina.cli.build_reproducible import reproducible_options
from lamina.cli.build_run import run_options


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
@layer_options
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
    from lamina.cli.build_ending import say_where
    from lamina.cli.build_job import make
    from lamina.cli.build_output import outputs, tell
    from lamina.cli.build_progress import viewing, way
    from lamina.cli.build_reproducible import NotReproducible
    from lamina.dockerfile.source import DockerfileError

    wanted = outputs(given)
    how = way(given["progress"], quiet=given["quiet"])
    failure = None
    with viewing(app, how) as view:
        try:
            if given["check"]:
                return _check(app, path, given)
            written = make(app, view, path, given, wanted)
        except (DockerfileError, NotReproducible) as error:
            failure = error
    if isinstance(failure, NotReproducible):
        print(failure.report, flush=True)
        raise failure
    if failure is not None:
        say_where(view, failure)
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
            as_json=given["report"] == "json",
            **surroundings(app, ground, asked),
        )
