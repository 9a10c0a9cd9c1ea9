"""Dockerfile text to instructions, each with the place it stands at.  Pure.

The grammar is that of BuildKit's stable Dockerfile frontend: comments and
continuation lines, parser directives, flags, JSON or shell form, heredocs.
What an instruction *means* is `plan`'s business; here every keyword is known
and every line has its shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import msgspec

from lamina.dockerfile.expand import raw_words, unquoted
from lamina.dockerfile.source import DockerfileError, Source, Span

KEYWORDS = (
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
)
_JSON_FORMS = {"ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"}
_HEREDOCS = {"ADD", "COPY", "RUN"}
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_DIRECTIVES = {"syntax", "escape", "check"}
_HEREDOC = re.compile(r"(\d*)<<(-?)([^<]*)")
_BLANKS = re.compile(r"[\t\v\f\r ]+")
MAX_LINE = 65536
"""Characters in one line of the file."""


@dataclass(frozen=True, slots=True)
class Flag:
    """`--name=value` before an instruction's arguments; `value` is None without `=`."""

    name: str
    value: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A document written below its instruction."""

    name: str
    content: str
    expand: bool
    """Whether variables are expanded in it (its name was not quoted)."""
    chomp: bool
    """Written `<<-`: leading tabs are dropped."""
    word: str
    """How the instruction names it: `<<EOF`."""

    @property
    def text(self) -> str:
        """The content, without leading tabs if they are dropped."""
        return re.sub(r"^\t+", "", self.content, flags=re.MULTILINE) if self.chomp else self.content


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: keyword in upper case, flags, and what follows them."""

    keyword: str
    span: Span
    flags: tuple[Flag, ...]
    text: str
    """Everything after the flags, continuation lines joined."""
    json: tuple[str, ...] | None
    """The elements, when `text` is a JSON array of strings and the instruction has that form."""
    heredocs: tuple[Heredoc, ...] = ()
    original: str = ""
    """The whole instruction on one line, as the file has it."""
    offsets: tuple[tuple[int, int, int], ...] = field(default=(), repr=False)
    """Where pieces of `original` come from: (offset, line, column), in order."""

    def place(self, fragment: str) -> Span:
        """Where `fragment` first stands in the instruction; its keyword when it does not."""
        at = self.original.find(fragment) if fragment else -1
        return self.at(at, len(fragment)) if at >= 0 else self.span

    def at(self, offset: int, width: int) -> Span:
        """The place of `original[offset:offset + width]`."""
        start, line, column = [each for each in self.offsets if each[0] <= offset][-1]
        return Span(line, column + offset - start, max(width, 1), self.span.last_line)

    def words(self) -> tuple[str, ...]:
        """`text` split at blanks, or the JSON elements."""
        if self.json is not None:
            return self.json
        return tuple(word for word in _BLANKS.split(self.text.strip()) if word)


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A parsed Dockerfile."""

    source: Source
    escape: str
    directives: dict[str, str]
    instructions: tuple[Instruction, ...]


@dataclass(slots=True)
class _Logical:
    """An instruction's line with its continuation lines joined."""

    text: str = ""
    offsets: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, piece: str, line: int, column: int) -> None:
        self.offsets.append((len(self.text), line, column))
        self.text += piece


def parse(text: str, *, name: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile; `name` is what messages call it.

    Raises DockerfileError, pointing at line and column.
    """
    raw = text.removeprefix("\ufeff").split("\n")
    source = Source(name, tuple(line.rstrip("\r") for line in raw))
    for number, line in enumerate(source.lines, 1):
        if len(line) > MAX_LINE:
            raise DockerfileError(
                source, Span(number, 1), f"a line of more than {MAX_LINE} characters"
            )
    reader = _Reader(source, raw)
    instructions = tuple(reader.instructions())
    if not instructions:
        raise DockerfileError(source, Span(len(raw), 1), "no instructions in this file")
    return Dockerfile(source, reader.escape, reader.directives, instructions)


def parse_line(source: Source, text: str, span: Span, escape: str = "\\") -> Instruction:
    """Read one instruction without heredocs, as ONBUILD and `--change` have them."""
    line = _Logical()
    line.add(text, span.line, span.column)
    return _instruction(source, line, span.last_line or span.line, escape)


class _Reader:
    """Walks over the lines once."""

    def __init__(self, source: Source, raw: list[str]) -> None:
        self.source = source
        self.raw = raw
        self.place = 0
        self.directives = _directives(source)
        self.escape = self.directives.get("escape", "\\")
        escape = re.escape(self.escape)
        self.continuation = re.compile(rf"(?:(?<=[^{escape}])|^){escape}[ \t]*$")

    def instructions(self) -> Iterator[Instruction]:
        while self.place < len(self.source.lines):
            line = self._logical_line()
            if not line.text.strip():
                continue
            found = _instruction(self.source, line, self.place, self.escape)
            yield self._with_heredocs(found)

    def _logical_line(self) -> _Logical:
        """The next line with those that continue it; comments and blank lines inside drop out."""
        logical = _Logical()
        first = True
        while self.place < len(self.source.lines):
            line = self.source.lines[self.place]
            self.place += 1
            stripped = line.lstrip()
            if not stripped or stripped.startswith("#"):
                if first:
                    return logical
                continue
            column = len(line) - len(stripped) if first else 0
            piece = line[column:]
            match = self.continuation.search(piece)
            logical.add(piece[: match.start()] if match else piece, self.place, column + 1)
            if match is None:
                break
            first = False
        return logical

    def _with_heredocs(self, found: Instruction) -> Instruction:
        body = found
        if found.keyword == "ONBUILD":
            body = parse_line(self.source, found.text, found.span, self.escape)
        if body.keyword not in _HEREDOCS or body.json is not None or "<<" not in body.text:
            return found
        docs = [self._heredoc(found, *begun) for begun in _heredocs_begun(found.original)]
        if not docs:
            return found
        span = Span(found.span.line, found.span.column, found.span.width, self.place)
        return replace(found, span=span, heredocs=tuple(docs))

    def _heredoc(
        self, found: Instruction, word: str, name: str, expand: bool, chomp: bool
    ) -> Heredoc:
        content: list[str] = []
        while self.place < len(self.raw):
            line = self.raw[self.place]
            last = self.place == len(self.raw) - 1
            self.place += 1
            end = line.rstrip("\r")
            if (end.lstrip("\t") if chomp else end) == name:
                return Heredoc(name, "".join(content), expand, chomp, word)
            content.append(line if last else line + "\n")
        raise DockerfileError(
            self.source,
            found.place(word),
            f"the heredoc {name} has no end",
            note=f"a line with {name} alone must follow",
        )


def _directives(source: Source) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(source.lines, 1):
        match = _DIRECTIVE.match(line.lstrip())
        name = match[1].lower() if match else ""
        if match is None or name not in _DIRECTIVES:
            break
        where = Span(number, 1, len(line))
        if name in found:
            raise DockerfileError(source, where, f"only one {name} directive can be used")
        if name == "escape" and match[2] not in ("\\", "`"):
            raise DockerfileError(
                source, where, f"invalid escape character {match[2]}", note="it is \\ or `"
            )
        found[name] = match[2]
    return found


def _instruction(source: Source, line: _Logical, last_line: int, escape: str) -> Instruction:
    text = line.text.strip()
    word = _BLANKS.split(text, maxsplit=1)[0]
    _, number, column = line.offsets[0]
    column += len(line.text) - len(line.text.lstrip())
    span = Span(number, column, len(word), last_line)
    keyword = word.upper()
    if keyword not in KEYWORDS:
        import difflib

        near = difflib.get_close_matches(keyword, KEYWORDS, 1)
        note = f"did you mean {near[0]}?" if near else ""
        raise DockerfileError(source, span, f"unknown instruction {word}", note=note)
    shell = Instruction(keyword, span, (), "", None, (), line.text, tuple(line.offsets))
    rest = text[len(word) :].lstrip()
    flags, rest = _flags(shell, rest)
    rest = rest.strip()
    if not rest:
        raise DockerfileError(source, span, f"{keyword} needs an argument")
    json = None
    if keyword in _JSON_FORMS:
        json = _json_form(source, shell, rest)
    elif keyword == "HEALTHCHECK":
        json = _json_form(source, shell, _BLANKS.sub(" ", rest, count=1).partition(" ")[2].strip())
    return Instruction(keyword, span, flags, rest, json, (), line.text, tuple(line.offsets))


def _json_form(source: Source, shell: Instruction, text: str) -> tuple[str, ...] | None:
    if not text.startswith("["):
        return None
    try:
        found = msgspec.json.decode(text.encode("utf-8", "surrogatepass"), type=list)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if not all(isinstance(each, str) for each in found):
        raise DockerfileError(
            source, shell.place(text), "a JSON array here has strings only", note="quote it"
        )
    return tuple(found)


def _flags(shell: Instruction, text: str) -> tuple[tuple[Flag, ...], str]:
    """The leading words that begin with `--`, unquoted, and the rest."""
    flags: list[Flag] = []
    place = 0
    while True:
        while place < len(text) and text[place].isspace():
            place += 1
        if not text.startswith("--", place):
            return tuple(flags), text[place:]
        word, end = _flag_word(text, place)
        if word == "--":
            return tuple(flags), text[end:]
        name, equals, value = word[2:].partition("=")
        span = shell.place(text[place:end])
        flags.append(Flag(name.lower(), value if equals else None, span))
        place = end


def _flag_word(text: str, place: int) -> tuple[str, int]:
    """One word from `place`, without its quotes and backslashes, and where it ends."""
    word, quote = "", ""
    while place < len(text):
        mark = text[place]
        if quote and mark == quote:
            quote = ""
        elif not quote and mark.isspace():
            break
        elif not quote and mark in "'\"":
            quote = mark
        elif mark == "\\":
            place += 1
            word += text[place : place + 1]
        else:
            word += mark
        place += 1
    return word, place


def _heredocs_begun(line: str) -> Iterator[tuple[str, str, bool, bool]]:
    """Each `<<NAME` of a line: the word, the name, whether to expand, whether to drop tabs."""
    for word in raw_words(line):
        match = _HEREDOC.fullmatch(word)
        if match is None or not match[3]:
            continue
        quoted = raw_words(match[3])
        name = unquoted(match[3])
        if len(quoted) == 1 and name is not None:
            yield word, name, quoted[0] == name, match[2] == "-"


def name_values(source: Source, instruction: Instruction, escape: str) -> list[tuple[str, str]]:
    """The pairs of ENV and LABEL: `k=v …`, or the old `k v`.

    Quotes and escapes stay: they are for expansion to read.  Raises DockerfileError.
    """
    words = quoted_words(instruction.text, escape)
    if "=" not in words[0]:
        parts = _BLANKS.split(instruction.text, maxsplit=1)
        if len(parts) < 2:
            raise DockerfileError(
                source, instruction.span, f"{instruction.keyword} needs a name and a value"
            )
        return [(parts[0], parts[1])]
    pairs: list[tuple[str, str]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise DockerfileError(
                source, instruction.place(word), f"{word!r} is not of the form name=value"
            )
        pairs.append((name, value))
    return pairs


def quoted_words(text: str, escape: str) -> list[str]:
    """Split at blanks that stand outside quotes; quotes and escapes are kept."""
    words: list[str] = []
    word, quote, place = "", "", 0
    while place < len(text):
        mark = text[place]
        if not quote and mark.isspace():
            if word:
                words.append(word)
            word = ""
        elif mark == escape and quote != "'":
            if place + 1 < len(text):
                word += text[place : place + 2]
            place += 1
        else:
            if quote and mark == quote:
                quote = ""
            elif not quote and mark in "'\"":
                quote = mark
            word += mark
        place += 1
    if word:
        words.append(word)
    return words
