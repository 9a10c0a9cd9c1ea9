"""`lamina slim --dockerfile FILE --build`: both files built, and the images held together."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from msgspec.structs import replace

from lamina.cli.app import App

if TYPE_CHECKING:
    from lamina.explain.stack import Stack
    from lamina.report.rewrite import Built, Telling

_IGNORE = ".dockerignore"


def built(app: App, telling: Telling, given: dict[str, Any]) -> Telling:
    """Build the old file and the new one, neither from the cache, and compare what came of it.

    The new image keeps the name that `--tag` gives, the old one none.  Raises what a build
    raises, and LayerDamaged.
    """
    from lamina.rewrite.explained import outcome
    from lamina.rewrite.rules import RULES

    rules = [each for each in RULES if each.name in telling.done.rules]
    with _files(telling) as (old_file, new_file):
        old, old_built = _build(app, old_file, telling, given, "")
        try:
            new, new_built = _build(app, new_file, telling, given, given["tag"])
            try:
                found = outcome(old, new, rules)
            finally:
                if not given["tag"]:
                    _forget(app, new.identity)
        finally:
            _forget(app, old.identity)
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
    app: App, file: Path, telling: Telling, given: dict[str, Any], tag: str
) -> tuple[Stack, Built]:
    from lamina.cli.build import command
    from lamina.cli.build_job import make
    from lamina.cli.build_output import outputs
    from lamina.cli.build_progress import viewing, way
    from lamina.explain.stack import image_stack
    from lamina.report.rewrite import Built

    context = given["context"] or Path(telling.path).resolve().parent
    words = ["--no-cache", "-f", str(file), *(["-t", tag] if tag else [])]
    words += [f"--build-arg={each}" for each in given["build_args"]]
    source = click.get_current_context().get_parameter_source("network")
    if source is ParameterSource.COMMANDLINE:  # by default a probe has none, and a RUN has one
        words.append(f"--network={given['network']}")
    asked = command.make_context("build", [*words, str(context)], obj=app).params
    path = asked.pop("path")
    begun = time.monotonic()
    with viewing(app, way(None, quiet=False)) as view:
        written = make(app, view, path, asked, outputs(asked))
    seconds = time.monotonic() - begun
    store = app.engine.store
    stack = image_stack(store, store.images.find(written.image_id.hex), tag)
    account = stack.account
    return stack, Built(
        str(written.image_id), account.bytes, account.hidden_bytes, round(seconds, 3)
    )


def _forget(app: App, identity: str) -> None:
    """Remove an image that got no name, unless somebody uses it meanwhile."""
    from lamina.errors import Conflict, NotFound
    from lamina.store.names import remove_image

    try:
        remove_image(app.engine.store, identity, force=False)
    except (NotFound, Conflict):
        pass
