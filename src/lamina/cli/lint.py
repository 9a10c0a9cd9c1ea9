"""`lamina lint`: what would better be otherwise in Dockerfiles."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App
from lamina.cli.completion import image_names

if TYPE_CHECKING:
    from lamina.report.lint import Linted

_FOUND = 3
"""Exit status when there are problems as grave as `--fail-on`."""
_SEVERITIES = ["error", "warning", "info", "style"]


@click.command(epilog="Example: lamina lint --image app:latest Dockerfile")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path())
@click.option(
    "--image",
    metavar="IMAGE",
    shell_complete=image_names,
    help="The image that the file made: bytes are measured in it.",
)
@click.option(
    "--context",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="What COPY copies from (default: the directory of the file).",
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    help="How to print it; github is annotations of a workflow.",
)
@click.option(
    "--severity",
    type=click.Choice(_SEVERITIES),
    default="style",
    help="Show what is as grave as this (default: all).",
)
@click.option(
    "--fail-on",
    type=click.Choice([*_SEVERITIES, "none"]),
    default="info",
    help="Exit 3 for what is as grave as this (default: info).",
)
@click.option("--ignore", multiple=True, metavar="RULE", help="Leave a rule out.")
@click.option("--no-hadolint", is_flag=True, help="Leave hadolint's rules out.")
@click.pass_obj
def command(app: App, /, files: tuple[str, ...], **given: Any) -> int:
    """Say what would better be otherwise in Dockerfiles; nothing is built.

    FILE is a Dockerfile, a directory that has one, or - for standard input; ./Dockerfile
    when none is named.  The rules are Lamina's own, those of `lamina build --check`, and
    hadolint's, each problem told once.

    Exits 3 when there are problems, and 1 when a file cannot be read.  `# lamina
    ignore=RULE` above an instruction leaves a rule out for it.
    """
    names = list(dict.fromkeys(files or ("Dockerfile",)))
    if given["image"] and len(names) > 1:
        raise click.UsageError("--image is of one file")
    from lamina.cli.linting import Linting
    from lamina.rewrite.problem import is_as_grave

    program = _hadolint(quiet=given["no_hadolint"])
    linted = Linting(app, program, given).all(names)
    _print(app, linted, given, hadolint=program is not None)
    for remark in dict.fromkeys(each for one in linted for each in one.remarks):
        print(f"note: {remark}", file=sys.stderr)
    if any(each.error for each in linted):
        return 1
    grave = [
        each
        for one in linted
        for each in one.problems
        if is_as_grave(each.severity, given["fail_on"])
    ]
    return _FOUND if grave else 0


def _hadolint(*, quiet: bool) -> str | None:
    """The program; without one, where to get it is said."""
    from lamina.rewrite.hadolint import INSTALL, find_program

    if quiet:
        return None
    program = find_program(sys.executable, os.environ)
    if program is None:
        told = f"hadolint is not installed, so its general rules were not asked: {INSTALL}"
        print(f"note: {told}", file=sys.stderr)
    return program


def _print(app: App, linted: Sequence[Linted], given: Mapping[str, Any], *, hadolint: bool) -> None:
    from lamina.cli.format import emit, to_json
    from lamina.report import lint as report

    if given["fmt"] == "json":
        emit(to_json(report.as_json(linted, hadolint=hadolint), indent=2))
    elif given["fmt"] == "sarif":
        from lamina import __version__
        from lamina.report.lint_sarif import as_sarif

        emit(to_json(as_sarif(linted, version=__version__), indent=2))
    elif given["fmt"] == "github":
        if told := report.as_annotations(linted):
            emit(told)
    else:
        from lamina.cli.reports import paper

        shown = [each for each in linted if each.problems or not each.error]
        sheets = [report.as_text(each, paper(app)) for each in shown]
        if sheets:
            emit("\n".join(sheets))
