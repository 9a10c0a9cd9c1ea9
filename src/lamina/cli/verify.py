"""`lamina verify`: check every byte of the store."""

from __future__ import annotations

import sys
from functools import partial

import click

from lamina.cli.app import App
from lamina.cli.completion import image_names
from lamina.cli.format import emit, escape, size


@click.command(epilog="Example: lamina verify debian:bookworm")
@click.argument("images", metavar="[IMAGE]...", nargs=-1, shell_complete=image_names)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing when all is well.")
@click.pass_obj
def command(app: App, images: tuple[str, ...], quiet: bool) -> None:
    """Check every byte of the store, or of some images.

    Blobs and layers are hashed, attributes compared, records checked, and
    whatever refers to something must find it.  Prints a line for each thing
    that is wrong; the exit status is then 3.
    """
    from lamina.errors import CheckFailed
    from lamina.store.fsck import check_images, check_store

    begin = _begin if sys.stderr.isatty() and not quiet else lambda _: None
    store = app.engine.store
    check = partial(check_images, names=images) if images else check_store
    report = check(store, begin=begin)
    if begin is _begin:
        sys.stderr.write("\r\x1b[K")
    for finding in report.findings:
        emit(escape(str(finding)))
    if report.findings:
        count = len(report.findings)
        raise CheckFailed(
            f"{count} {'thing is' if count == 1 else 'things are'} wrong with {store.root}",
            hint="what is pulled or built again is mended; lamina rmi -f removes the rest",
        )
    if not quiet:
        parts = [
            _counted(report.images, "image"),
            _counted(report.layers, "layer"),
            *([_counted(report.blobs, "blob")] if not images else []),
            *([_counted(report.containers, "container")] if report.containers else []),
            *([_counted(report.steps, "build step")] if report.steps else []),
        ]
        emit(f"all is well: {', '.join(parts)}; {size(report.bytes)} read")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _begin(what: str) -> None:
    sys.stderr.write(f"\r\x1b[Kchecking {what}")
    sys.stderr.flush()
