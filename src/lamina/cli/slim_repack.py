"""`lamina slim IMAGE -t NEW`: every hidden byte taken out, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.cli.app import App
from lamina.errors import Invalid, NotFound

if TYPE_CHECKING:
    from lamina.explain.stack import Stack
    from lamina.oci.reference import Reference
    from lamina.repack.plan import Plan
    from lamina.repack.sharing import Sharer
    from lamina.report.repack import Telling
    from lamina.store.contract import Image, Store

F = TypeVar("F", bound=Callable[..., Any])
_BASE = "base"
_NOTED = 8 << 20
"""Bytes between two updates of the line that says how far it is."""


class NoBase(NotFound):
    """No image of the store is what the image was made from."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the base of {name} is not in the store",
            hint="say it by number, --squash-from N: `lamina history` has the layers",
        )


class BadLayerNumber(Invalid):
    """The text is no number of a layer."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"no layer {text!r} to squash from", hint="a number from 1, the lowest, or base"
        )


def repack_options(command: F) -> F:
    """What `run` reads of its own."""
    command = click.option(
        "--flatten", is_flag=True, help="Make all layers one, the base's too: nothing is shared."
    )(command)
    return click.option(
        "--squash-from",
        metavar="N|base",
        default="",
        help="Make layer N and all above it one, or all above the base.",
    )(command)


def run(app: App, image: str | None, given: dict[str, Any]) -> int:
    """Repack `image`; the exit status."""
    from lamina.cli.format import emit, to_json
    from lamina.cli.reports import paper
    from lamina.explain.stack import image_stack
    from lamina.oci.reference import Reference
    from lamina.repack.sharing import sharers
    from lamina.report import repack as report

    if image is None:
        raise click.UsageError("name an image")
    if given["flatten"] and given["squash_from"]:
        raise click.UsageError("give either --flatten or --squash-from")
    if not given["tag"] and not given["dry_run"]:
        raise click.UsageError("name the new image with -t, or look at it first with --dry-run")
    reference = Reference.parse(given["tag"]) if given["tag"] else None
    store = app.engine.store
    found = store.images.find(image)
    stack = image_stack(store, found, image)
    shared = sharers(store, found, stack)
    telling = report.Telling(stack, _plan(stack, shared, given), shared)
    if reference is not None and not given["dry_run"]:
        telling = _make(store, found, telling, reference)
    if given["fmt"] == "json":
        emit(to_json(report.as_json(telling), indent=2))
    else:
        emit(report.as_text(telling, paper(app)))
    return 0


def _plan(stack: Stack, shared: Mapping[int, Sharer], given: dict[str, Any]) -> Plan:
    from lamina.repack.plan import plan
    from lamina.repack.spans import lossless, squashed

    account = stack.account
    if given["flatten"]:
        spans = squashed(account, 0)
    elif given["squash_from"]:
        spans = squashed(account, _layer(stack, given["squash_from"]), kept=shared)
    else:
        spans = lossless(account, kept=shared)
    return plan(stack.listings, stack.union, spans)


def _layer(stack: Stack, text: str) -> int:
    """The layer to squash from, counted from 0."""
    if text == _BASE:
        if stack.base is None:
            raise NoBase(stack.name)
        return stack.base.layers
    if not text.isdecimal():
        raise BadLayerNumber(text)
    return stack.place(text)


def _make(store: Store, image: Image, telling: Telling, reference: Reference) -> Telling:
    """Make the image that was planned."""
    from msgspec.structs import replace

    from lamina.repack.repack import slim

    with _counting(sum(made.bytes for made in telling.plan.made)) as wrote:
        slimmed = slim(store, image, telling.stack, telling.plan, reference, wrote=wrote)
    identity = str(slimmed.image.config.digest)
    return replace(telling, new=reference.familiar, image_id=identity, proof=slimmed.proof)


@contextmanager
def _counting(total: int) -> Iterator[Callable[[int], None]]:
    """A line on a terminal that says how many bytes of `total` were written."""
    if not sys.stderr.isatty() or total < _NOTED:
        yield lambda _: None
        return
    from lamina.cli.format import size

    done = shown = 0

    def wrote(amount: int) -> None:
        nonlocal done, shown
        done += amount
        if done - shown >= _NOTED:
            shown = done
            sys.stderr.write(f"\r\x1b[Kwriting {size(done)} of {size(total)}")
            sys.stderr.flush()

    try:
        yield wrote
    finally:
        sys.stderr.write("\r\x1b[K")
