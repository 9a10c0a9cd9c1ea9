"""`lamina slim`: a smaller image, in one of the ways that there are to make one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar

import click
from click.core import ParameterSource

from lamina.cli.app import App
from lamina.cli.completion import image_names
from lamina.cli.sections import SectionedCommand
from lamina.cli.slim_base import base_options
from lamina.cli.slim_dockerfile import OPTIONS as DOCKERFILE
from lamina.cli.slim_dockerfile import dockerfile_options
from lamina.cli.slim_minify import OPTIONS as MINIFY
from lamina.cli.slim_minify import minify_options
from lamina.cli.slim_repack import repack_options
from lamina.cli.view_options import json_option

MODES: dict[str, tuple[str, str]] = {
    # the option that chooses it: (module in lamina.cli, its own options)
    "": ("slim_repack", "squash_from flatten"),
    "base": ("slim_base", "candidate candidates"),
    "dockerfile": ("slim_dockerfile", DOCKERFILE),
    "minify": ("slim_minify", MINIFY),
}
"""Ways to slim; the nameless one is what `slim IMAGE` does."""
SHARED = {
    # options of several ways, and of which ("" is the nameless one)
    "tag": ("", "minify", "dockerfile"),
    "dry_run": ("", "minify"),
    "fmt": ("", "minify", "base", "dockerfile"),
    "network": ("minify", "dockerfile"),
}


class SlimCommand(SectionedCommand):
    """The command `slim`."""

    sections: ClassVar[Mapping[str, str]] = {
        "Repack, lossless": "tag squash_from flatten",
        "Rewrite a Dockerfile": f"dockerfile {DOCKERFILE}",
        "Minify": f"minify {MINIFY}",
        "A smaller base": "base candidate candidates",
        "What is printed": "dry_run fmt",
    }


@click.command(cls=SlimCommand, epilog="Example: lamina slim app:1 -t app:1-slim")
@click.argument("image", metavar="[IMAGE]", required=False, shell_complete=image_names)
@repack_options
@base_options
@dockerfile_options
@minify_options
@click.option("-t", "--tag", metavar="NAME", default="", help="Name the new image.")
@click.option("--dry-run", is_flag=True, help="Print what would be done and saved.")
@json_option
@click.pass_context
def command(ctx: click.Context, /, image: str | None, **given: Any) -> int:
    """Make an image smaller, and prove what has not changed.

    `slim IMAGE -t NEW` takes out every byte that nobody can see: the new image shows
    the same tree to the last attribute, or it gets no name.

    `slim --dockerfile FILE [IMAGE]` rewrites the cause: a patch, with what each edit saves,
    measured in IMAGE or estimated.

    `slim --base IMAGE` changes nothing: it says which smaller bases would hold all that
    the image uses, what each would save and what would be missing.

    `slim --minify IMAGE -t NEW --cmd '…'` takes out what the image does not use at work,
    watched while probes run; they must come to the same afterwards, or it gets no name.
    """
    app: App = ctx.obj
    chosen = [mode for mode in MODES if mode and given[mode]]
    if len(chosen) > 1:
        raise click.UsageError(f"give either {' or '.join(map(_flag, chosen))}")
    mode = chosen[0] if chosen else ""
    _refuse_foreign(ctx, mode)
    module = importlib.import_module(f"lamina.cli.{MODES[mode][0]}")
    status: int = module.run(app, image, given)
    return status


def _refuse_foreign(ctx: click.Context, mode: str) -> None:
    """Raise UsageError for an option that is of another way to slim."""
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if source is not ParameterSource.COMMANDLINE or name == "image":
            continue
        owners = SHARED.get(name) or tuple(
            each for each, (_, options) in MODES.items() if name in options.split() or name == each
        )
        if mode not in owners:
            where = " or ".join(_flag(each) if each else "a plain `slim IMAGE`" for each in owners)
            raise click.UsageError(f"{_flag(name)} belongs to {where}")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
