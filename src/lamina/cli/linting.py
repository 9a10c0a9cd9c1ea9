"""Dockerfiles on their way to what a linter says of them, hadolint at work beside us."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.cli.app import App
from lamina.errors import EngineError
from lamina.report.lint import Linted
from lamina.rewrite.hadolint import Answer, Asked, HadolintFailed, is_readable, readable

if TYPE_CHECKING:
    from lamina.context.tree import Tree
    from lamina.dockerfile.check_walk import Surroundings
    from lamina.dockerfile.instruction import Dockerfile
    from lamina.rewrite.document import Document
    from lamina.rewrite.evidence import Evidence

_STDIN = "-"


class _Begun(NamedTuple):
    """A file that was read, and the hadolint that looks at it."""

    name: str
    """For messages."""
    place: Path | None
    """None for a text that lies in no directory."""
    text: str
    asked: Asked | None
    """None when it cannot be given the text as it is, and when its rules are left out."""
    error: str = ""
    """Why it could not be read."""


class Linting:
    """What the files of one command are held against."""

    def __init__(self, app: App, program: str | None, given: Mapping[str, Any]) -> None:
        self._app = app
        self._program = program
        self._given = given

    def all(self, names: Sequence[str]) -> list[Linted]:
        """Every file's report, in their order; errors are told as they come."""
        waiting: deque[_Begun] = deque()
        done = []
        try:
            for name in names:
                waiting.append(self._begin(name))
                if len(waiting) >= (os.cpu_count() or 1):
                    done.append(self._end(waiting.popleft()))
            while waiting:
                done.append(self._end(waiting.popleft()))
        finally:
            for each in waiting:
                _give_up(each.asked)
        return done

    def _begin(self, name: str) -> _Begun:
        """Read a file, and let hadolint begin."""
        from lamina.context.errors import NoDockerfile

        try:
            place, text = _read(name)
        except NoDockerfile as error:
            return _Begun(name, None, "", None, _told(error))
        name = name if place is None else str(place)
        if self._program is None or not is_readable(text):
            return _Begun(name, place, text, None)
        return _Begun(name, place, text, Asked(self._program, name, text, os.environ))

    def _end(self, begun: _Begun) -> Linted:
        from lamina.dockerfile.source import DockerfileError, Source
        from lamina.rewrite.document import Document

        asked = begun.asked
        if begun.error:
            return Linted(Source(begun.name, ()), (), error=begun.error)
        try:
            document = Document.read(begun.text, name=begun.name)
            asked = asked or self._ask(document.dockerfile)
            return self._linted(document, begun.place, asked)
        except DockerfileError as error:
            from lamina.text import escape, escape_lines

            print(escape(str(error)), escape_lines(error.excerpt), sep="\n", file=sys.stderr)
            failed = str(error)
        except EngineError as error:
            failed = _told(error)
        finally:
            _give_up(asked)
        return Linted(Source(begun.name, ()), (), error=failed)

    def _linted(self, document: Document, place: Path | None, asked: Asked | None) -> Linted:
        from lamina.dockerfile.checks import findings
        from lamina.rewrite.hadolint_settings import ignored_rules
        from lamina.rewrite.lint import problems
        from lamina.rewrite.lint_rule import View
        from lamina.rewrite.lint_rules import own_problems
        from lamina.rewrite.problem import is_as_grave

        dockerfile = document.dockerfile
        context = self._context(document, place)
        checks = findings(dockerfile, self._surroundings(getattr(context, "hidden", None)))
        own, unasked = own_problems(View(document, self._evidence(document), context))
        answer, failed = Answer(()), ""
        try:
            answer = asked.answer() if asked is not None else answer
        except HadolintFailed as error:
            failed = _told(error)
        ignored = (*self._given["ignore"], *ignored_rules(os.environ))
        found = problems(dockerfile, own=own, checks=checks, hadolint=answer, ignored=ignored)
        kept = tuple(each for each in found if is_as_grave(each.severity, self._given["severity"]))
        return Linted(dockerfile.source, kept, error=failed, remarks=(*answer.remarks, *unasked))

    def _ask(self, dockerfile: Dockerfile) -> Asked | None:
        """A hadolint that looks at what it could not have read as it is."""
        if self._program is None:
            return None
        text, numbers = readable(dockerfile)
        return Asked(self._program, dockerfile.source.name, text, os.environ, numbers=numbers)

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
        from lamina.rewrite.evidence import Evidence, evidence_of

        image = self._given["image"]
        if image is None:
            return Evidence()
        from lamina.cli.stacks import stack_of

        return evidence_of(document, stack_of(self._app, image))

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


def _give_up(asked: Asked | None) -> None:
    if asked is not None:
        asked.give_up()


def _told(error: EngineError) -> str:
    """The message of an error that ends nothing: it is told at once."""
    from lamina.cli.failure import report

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
