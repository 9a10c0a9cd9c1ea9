"""The last lines of a build: what was made, or where it failed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.build.build import Product
    from lamina.cli.build_output import Written
    from lamina.cli.build_plain import Quiet
    from lamina.dockerfile.source import DockerfileError


def say_where(view: Quiet, error: DockerfileError) -> None:
    """The failed step's last output, then where its instruction stands."""
    from lamina.text import escape, escape_lines

    for failure in view.failures:
        if failure.lines and not view.shows_failures:
            place = f"[{failure.task.place}] " if failure.task.place else ""
            print(f"------\n > {place}{escape(failure.task.title)}:", file=sys.stderr)
            print("\n".join(failure.lines), "------", sep="\n", file=sys.stderr)
    print(escape(str(error)), file=sys.stderr)
    print(escape_lines(error.excerpt), file=sys.stderr)


def conclude(view: Quiet, product: Product, written: Written, seconds: float) -> None:
    """What was made, how large it is, and how long it took."""
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
        view.say(
            f"   {prose_size(hidden)} ship that nobody can see: `lamina explain {what}`,"
            " or build with --slim"
        )
