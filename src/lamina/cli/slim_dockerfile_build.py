"""`lamina slim --dockerfile FILE --build`: both files built, and the images held together."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from msgspec.structs import replace

from lamina.cli.app import App
from lamina.errors import CheckFailed, Invalid

if TYPE_CHECKING:
    from lamina.explain.stack import Stack
    from lamina.report.rewrite import Built, Telling

_IGNORE = ".dockerignore"


class DoesNotBuild(CheckFailed):
    """The rewritten file does not, and the old one did."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} as it was rewritten does not build; nothing was written",
            hint="the edits that it needs can be taken from the patch, without --build",
        )


class DidNotBuild(Invalid):
    """The file as it is does not build."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} does not build as it is: there is nothing to compare with")


def built(app: App, telling: Telling, given: dict[str, Any]) -> Telling:
    """Build the old file and the new one, neither from the cache, and compare what came of it.

    The new image gets the name that `--tag` gives when all differences are explained; without
    a name, neither is kept.  Raises DoesNotBuild, DidNotBuild, what a build raises, and
    LayerDamaged.
    """
    from lamina.rewrite.explained import outcome
    from lamina.rewrite.rules import RULES

    rules = [each for each in RULES if each.name in telling.done.rules]
    with ExitStack() as made:
        old_file, new_file = made.enter_context(_files(telling))

        def build(file: Path, failed: type[DoesNotBuild | DidNotBuild]) -> tuple[Stack, Built]:
            stack, sums = _build(app, file, telling, given, failed)
            made.callback(_forget, app, stack.identity)
            return stack, sums

        old, old_built = build(old_file, DidNotBuild)
        new, new_built = build(new_file, DoesNotBuild)
        found = outcome(old, new, rules, lambda: build(old_file, DidNotBuild)[0])
        if given["tag"] and not found.unexplained:
            from lamina.store.names import tag

            tag(app.engine.store, new_built.image_id, given["tag"])
    return replace(telling, old=old_built, new=new_built, outcome=found)


@contextmanager
def _files(telling: Telling) -> Iterator[tuple[Path, Path]]:
    """The two texts as files of their own, each with the ignore file that is only for it."""
    with tempfile.TemporaryDirectory(prefix="lamina-slim-") as directory:
        name = os.path.basename(telling.path)
        paths = []
        for side, text in (("old", telling.done.old), ("new", telling.done.new)):
            path = Path(directory) / side / name
            path.parent.mkdir()
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
            if os.path.exists(telling.path + _IGNORE):
                shutil.copyfile(telling.path + _IGNORE, f"{path}{_IGNORE}")
            paths.append(path)
        yield paths[0], paths[1]


def _build(
    app: App,
    file: Path,
    telling: Telling,
    given: dict[str, Any],
    failed: type[DoesNotBuild | DidNotBuild],
) -> tuple[Stack, Built]:
    """An image without a name, and its sums.  Raises `failed` where an instruction does."""
    from lamina.cli.build import command
    from lamina.cli.build_ending import say_where
    from lamina.cli.build_job import make
    from lamina.cli.build_output import outputs
    from lamina.cli.build_progress import viewing, way
    from lamina.dockerfile.source import DockerfileError
    from lamina.explain.stack import image_stack
    from lamina.report.rewrite import Built

    context = given["context"] or Path(telling.path).resolve().parent
    words = ["--no-cache", "-f", str(file)]
    words += [f"--build-arg={each}" for each in given["build_args"]]
    source = click.get_current_context().get_parameter_source("network")
    if source is ParameterSource.COMMANDLINE:  # by default a probe has none, and a RUN has one
        words.append(f"--network={given['network']}")
    asked = command.make_context("build", [*words, str(context)], obj=app).params
    path = asked.pop("path")
    begun = time.monotonic()
    failure = None
    with viewing(app, way(None, quiet=False)) as view:
        try:
            written = make(app, view, path, asked, outputs(asked))
        except DockerfileError as error:
            failure = error
    if failure is not None:
        say_where(view, failure)
        raise failed(telling.path)
    seconds = time.monotonic() - begun
    store = app.engine.store
    stack = image_stack(store, store.images.find(written.image_id.hex), written.image_id.hex)
    account = stack.account
    return stack, Built(
        str(written.image_id),
        account.bytes,
        account.hidden_bytes,
        len(account.layers),
        round(seconds, 3),
    )


def _forget(app: App, identity: str) -> None:
    """Remove an image that has no name, unless somebody uses it meanwhile."""
    from lamina.errors import Conflict, NotFound
    from lamina.store.names import remove_image

    store = app.engine.store
    # With a fixed epoch it may be an image that was there before, under a name.
    if any(str(e.image_id) == identity and e.reference is not None for e in store.refs.rows()):
        return
    with suppress(NotFound, Conflict):
        remove_image(store, identity, force=False)
