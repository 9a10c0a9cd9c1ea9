"""`lamina leaks`: secrets in an image, also in what was deleted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.completion import object_names
from lamina.cli.format import emit, to_json
from lamina.cli.reports import paper
from lamina.cli.stacks import stack_of

if TYPE_CHECKING:
    from lamina.leaks.leaks import Leaks


@click.command(epilog="Example: lamina leaks app:latest")
@click.argument("name", metavar="IMAGE|CONTAINER", shell_complete=object_names)
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text", help="How to print it."
)
@click.option("--show", is_flag=True, help="Print the secrets themselves.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="FINGERPRINT",
    help="Leave out a secret that is none: its 8 digits after 'sha256'.",
)
@click.pass_obj
def command(app: App, name: str, fmt: str, show: bool, ignore: tuple[str, ...]) -> None:
    """Find secrets in an image or container: in its files, also those that a later
    layer deleted or overwrote, in its configuration, history and build arguments.

    Says of each who can read it, and which instruction put it there.  Secrets are
    redacted.  Exits 3 when there are any.
    """
    from lamina.errors import CheckFailed
    from lamina.leaks.leaks import leaks
    from lamina.report.leaks import as_json, as_text

    stack = stack_of(app, name)
    if sys.stderr.isatty():
        try:
            found = leaks(stack, begin=_begin)
        finally:
            sys.stderr.write("\r\x1b[K")
    else:
        found = leaks(stack)
    found = _without(found, ignore)
    if fmt == "json":
        emit(to_json(as_json(stack, found, show=show), indent=2))
    else:
        emit(as_text(stack, found, paper(app), show=show))
    if found.found:
        number = len(found.found)
        raise CheckFailed(
            f"{number} secret{'s' * (number > 1)} in {stack.name}",
            hint="--ignore FINGERPRINT leaves one out that is none",
        )


def _without(found: Leaks, ignored: tuple[str, ...]) -> Leaks:
    from msgspec.structs import replace

    kept = [leak for leak in found.found if leak.secret.fingerprint not in ignored]
    return replace(found, found=kept)


def _begin(what: str) -> None:
    sys.stderr.write(f"\r\x1b[Ksearching {what}")
    sys.stderr.flush()
