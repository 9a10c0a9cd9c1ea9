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
from lamina.errors import EngineError, Invalid

if TYPE_CHECKING:
    from lamina.context.tree import Tree
    from lamina.dockerfile.check_walk import Surroundings
    from lamina.report.lint import Linted
    from lamina.rewrite.document import Document
    from lamina.rewrite.evidence import Evidence
    from lamina.rewrite.hadolint import Asked
    from lamina.rewrite.problem import Problem

_FOUND = 3
"""Exit status when there are problems as grave as `--fail-on`."""
_SEVERITIES = ["error", "warning", "info", "style"]
_STDIN = "-"


class NotItsImage(Invalid):
    """`--image` was not made by the file: what a linter finds is another kind of failure."""


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
    from lamina.rewrite.problem import is_as_grave

    program = _hadolint(quiet=given["no_hadolint"])
    linted = _Linting(app, program, given).all(names)
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


class _Linting:
    """Dockerfiles on their way to reports."""

    def __init__(self, app: App, program: str | None, given: Mapping[str, Any]) -> None:
        self._app = app
        self._program = program
        self._given = given

    def all(self, names: Sequence[str]) -> list[Linted]:
        """Every file's report, in their order; errors are told as they come."""
        asked: list[Asked] = []
        try:
            return [self._one(name, asked) for name in names]
        finally:
            for each in asked:
                each.give_up()

    def _one(self, name: str, asked: list[Asked]) -> Linted:
        from lamina.context.errors import NoDockerfile
        from lamina.dockerfile.source import DockerfileError, Source
        from lamina.report.lint import Linted
        from lamina.rewrite.document import Document

        try:
            place, text = _read(name)
        except NoDockerfile as error:
            return Linted(Source(name, ()), (), error=_told(error))
        try:
            document = Document.read(text, name=name if place is None else str(place))
            return self._linted(document, place, asked)
        except DockerfileError as error:
            from lamina.text import escape, escape_lines

            print(escape(str(error)), escape_lines(error.excerpt), sep="\n", file=sys.stderr)
            return Linted(Source(name, ()), (), error=str(error))

    def _linted(self, document: Document, place: Path | None, asked: list[Asked]) -> Linted:
        from lamina.dockerfile.checks import findings
        from lamina.report.lint import Linted
        from lamina.rewrite.hadolint import Answer, Asked, HadolintFailed
        from lamina.rewrite.hadolint_settings import ignored_rules
        from lamina.rewrite.lint import problems
        from lamina.rewrite.lint_rule import View
        from lamina.rewrite.lint_rules import own_problems
        from lamina.rewrite.problem import is_as_grave

        dockerfile = document.dockerfile
        if self._program is not None:
            # It works while we do.
            asked.append(Asked(self._program, dockerfile, os.environ))
        context = self._context(document, place)
        around = self._surroundings(getattr(context, "hidden", None))
        checks = findings(dockerfile, around)
        own, unasked = own_problems(View(document, self._evidence(document), context))
        answer, failed = Answer(()), ""
        try:
            if asked:
                answer = asked.pop().answer()
        except HadolintFailed as error:
            failed = _told(error)
        ignored = (*self._given["ignore"], *ignored_rules(os.environ))
        found: tuple[Problem, ...] = problems(
            dockerfile, own=own, checks=checks, hadolint=answer, ignored=ignored
        )
        kept = tuple(each for each in found if is_as_grave(each.severity, self._given["severity"]))
        remarks = (*answer.remarks, *unasked)
        return Linted(dockerfile.source, kept, error=failed, remarks=remarks)

    def _context(self, document: Document, place: Path | None) -> Tree | None:
        """The files that COPY finds; None when none is asked for, or they are not known."""
        directory = self._given["context"] or (place.parent if place is not None else None)
        copies = any(
            step.keyword in ("COPY", "ADD") and step.flag("from") is None for step in document.steps
        )
        if directory is None or not copies:
            return None
        from lamina.context.directory import Context
        from lamina.context.ignoring import ignore_file

        return Context(directory, ignore_file(directory, place))

    def _evidence(self, document: Document) -> Evidence:
        from lamina.rewrite.evidence import Evidence

        image = self._given["image"]
        if image is None:
            return Evidence()
        from lamina.cli.stacks import stack_of
        from lamina.rewrite.evidence import AnotherImage, evidence_of

        try:
            return evidence_of(document, stack_of(self._app, image))
        except AnotherImage as error:
            raise NotItsImage(str(error), hint=error.hint) from None

    def _surroundings(self, hidden: Any) -> Surroundings:
        from lamina.cli.build_check import is_image_name
        from lamina.cli.named import host_platform
        from lamina.dockerfile.check_walk import Surroundings

        host = str(host_platform(None))
        return Surroundings(
            platform=host,
            build_platform=host,
            is_image_name=is_image_name,
            environment=self._environment,
            hidden=hidden,
        )

    def _environment(self, image: str) -> Mapping[str, str] | None:
        """The variables of a base image that the store has."""
        if not self._app.root.exists():
            return None
        try:
            found = self._app.engine.store.images.find(image)
        except EngineError:
            return None
        return found.config.execution.environment()


def _told(error: EngineError) -> str:
    """The message of an error that ends nothing: it is told at once."""
    from lamina.cli.main import report

    report(str(error), error.hint)
    return str(error)


def _read(name: str) -> tuple[Path | None, str]:
    """The file, None for one that lies in no directory, and its text.  Raises NoDockerfile."""
    if name == _STDIN:
        return None, sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    from lamina.context.errors import NoDockerfile

    path = Path(name)
    if path.is_dir():
        path = path / "Dockerfile"
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        # What the shell makes of <(…) is a pipe, and /dev/fd no context.
        return path if path.is_file() else None, text
    except OSError as error:
        hint = "name the file: lamina lint FILE, or - for standard input"
        raise NoDockerfile(f"{path}: {error.strerror or error}", hint=hint) from None
