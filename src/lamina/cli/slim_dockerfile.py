"""`lamina slim --dockerfile FILE [IMAGE]`: the file that wastes, rewritten as a patch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.cli.app import App
from lamina.errors import Conflict, NotFound

if TYPE_CHECKING:
    from lamina.report.rewrite import Telling
    from lamina.rewrite.rewrite import Rewritten

F = TypeVar("F", bound=Callable[..., Any])
OPTIONS = "apply_ build context build_args also"
"""The names of this way's own options."""
_UNEXPLAINED = 3


class FileChanged(Conflict):
    """Somebody wrote the file while it was being rewritten."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} changed meanwhile, and was left alone", hint="run it again")


class NoDockerfile(NotFound):
    """The file is not there, or is no text."""


class Directory:
    """Implements `Files` on a directory of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, path: str) -> bytes | None:
        try:
            return (self._path / path).read_bytes()
        except OSError:
            return None

    def has(self, path: str) -> bool:
        return os.path.lexists(self._path / path)


def dockerfile_options(command: F) -> F:
    """What chooses this way to slim, and what `run` reads of its own."""
    for option in (
        click.option(
            "--build-arg",
            "build_args",
            multiple=True,
            metavar="NAME[=VALUE]",
            help="With --build: set an ARG.",
        ),
        click.option(
            "--context",
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            metavar="DIR",
            help="What COPY copies from (default: the directory of the file).",
        ),
        click.option(
            "--also",
            multiple=True,
            metavar="RULE",
            help="Make the edits of a rule that are only suggested, too.",
        ),
        click.option(
            "--build",
            is_flag=True,
            help="Build both, and say what differs; exit 3 when no rule explains it.",
        ),
        click.option("--apply", "apply_", is_flag=True, help="Write the file."),
        click.option(
            "--dockerfile",
            metavar="FILE",
            type=click.Path(),
            help="Rewrite FILE, which made IMAGE if one is given: a patch on standard output,"
            " what it does on standard error; on a terminal both.",
        ),
    ):
        command = option(command)
    return command


def run(app: App, image: str | None, given: dict[str, Any]) -> int:
    """Rewrite the file; 3 when `--build` found a difference that no rule explains."""
    from lamina.dockerfile.source import DockerfileError
    from lamina.text import escape, escape_lines

    path = given["dockerfile"]
    text = _read(path)
    try:
        telling = _telling(app, path, text, image, given)
    except DockerfileError as error:
        print(escape(str(error)), escape_lines(error.excerpt), sep="\n", file=sys.stderr)
        return 1
    if given["build"]:
        from lamina.cli.slim_dockerfile_build import built

        telling = built(app, telling, given)
    held = telling.outcome is None or not telling.outcome.unexplained
    if given["apply_"] and held and telling.patch:
        from msgspec.structs import replace

        _write(path, text, telling.done.new)
        telling = replace(telling, written=True)
    _print(app, telling, given)
    return 0 if held else _UNEXPLAINED


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise NoDockerfile(f"{path} cannot be read: {error.strerror}") from None


def _telling(app: App, path: str, text: str, image: str | None, given: dict[str, Any]) -> Telling:
    """Rewrite; the image that has the name of `tag` is evidence, too, if this file made it."""
    from lamina.cli.stacks import stack_of
    from lamina.report.rewrite import Telling
    from lamina.rewrite.document import Document
    from lamina.rewrite.evidence import AnotherImage, Evidence, evidence_of
    from lamina.rewrite.rewrite import patch, rewrite
    from lamina.rewrite.rules import check_names

    check_names(given["also"])
    document = Document.read(text, name=path)
    files = Directory(given["context"] or Path(path).resolve().parent)
    evidence = Evidence()
    if image:
        evidence = evidence_of(document, stack_of(app, image))
    elif given["tag"]:
        try:
            evidence = evidence_of(document, stack_of(app, given["tag"]))
        except (NotFound, AnotherImage):
            pass
    evidence = Evidence(evidence.stack, evidence.layers, files)
    done: Rewritten = rewrite(text, evidence, name=path, also=given["also"])
    measured = evidence.stack.name if evidence.stack is not None else ""
    return Telling(path, done, patch(done, _from_here(path)), measured)


def _from_here(path: str) -> str:
    """A path as `patch -p0` takes it here: one that begins with / it refuses."""
    directory = os.path.join(os.getcwd(), "")
    return os.path.normpath(path.removeprefix(directory))


def _write(path: str, old: str, new: str) -> None:
    """Put the new text in the file's place, with its mode.  Raises FileChanged."""
    import tempfile

    place = Path(os.path.realpath(path))
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}-", delete=False) as t:
        try:
            t.write(new.encode("utf-8", "surrogateescape"))
            t.flush()
            status = place.stat()
            os.fchmod(t.fileno(), status.st_mode & 0o7777)
            if os.geteuid() == 0:
                os.fchown(t.fileno(), status.st_uid, status.st_gid)
            os.fsync(t.fileno())
            if _read(path) != old:
                raise FileChanged(path)
            os.replace(t.name, place)
        except BaseException:
            Path(t.name).unlink(missing_ok=True)
            raise


def _print(app: App, telling: Telling, given: dict[str, Any]) -> None:
    from lamina.cli.format import emit, to_json
    from lamina.cli.reports import paper
    from lamina.report import rewrite as report

    if given["fmt"] == "json":
        emit(to_json(report.as_json(telling), indent=2))
        return
    told = report.as_text(telling, paper(app))
    if sys.stdout.isatty():
        shown = "" if telling.written else report.patch_as_text(telling, paper(app))
        emit("\n".join(filter(None, (told, shown))))
    elif telling.written:
        emit(told)
    else:
        print(told, end="", file=sys.stderr)
        sys.stdout.buffer.write(telling.patch.encode("utf-8", "surrogateescape"))
