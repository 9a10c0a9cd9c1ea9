"""Dockerfile text to instructions, each with the place it stands at.  Pure.

The grammar is that of BuildKit's stable Dockerfile frontend: comments and
continuation lines, parser directives, flags, JSON or shell form, heredocs.
What an instruction *means* is the builder's business; here every keyword is known
and every line has its shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from lamina.dockerfile.directives import directives
from lamina.dockerfile.flags import split_flags
from lamina.dockerfile.heredocs import Begun, begun_by
from lamina.dockerfile.instruction import KEYWORDS, Dockerfile, Flag, Heredoc, Instruction
from lamina.dockerfile.lines import Lines, Logical
from lamina.dockerfile.source import DockerfileError, Source, Span
from lamina.dockerfile.spaces import BLANKS, SPACES

_JSON_FORMS = {"ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"}
_HEREDOCS = {"ADD", "COPY", "RUN"}
_COMMANDS = {"CMD", "ENTRYPOINT", "RUN"}
"""May stand alone: the shell is then given an empty command."""
_SURROGATES = (
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


def parse(text: str, *, name: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile; `name` is what messages call it.

    Raises DockerfileError, pointing at line and column.
    """
    lines = Lines(name, text.removeprefix("\ufeff"))
    found = directives(lines.source)
    escape = found.get("escape", "\\")
    lines.use_escape(escape)
    instructions = tuple(_instructions(lines, escape))
    if not instructions:
        last = max(len(lines.source.lines), 1)
        raise DockerfileError(lines.source, Span(last, 1), "no instructions in this file")
    return Dockerfile(lines.source, escape, found, instructions)


def parse_line(source: Source, text: str, span: Span, escape: str = "\\") -> Instruction:
    """Read one instruction that stands in no file, as an image's ONBUILD has it.

    Its heredocs follow it in `text`.  Every place in it is `span`.  Raises DockerfileError,
    pointing there.
    """
    try:
        lines = Lines(source.name, text, escape)
        found = list(_instructions(lines, escape))
    except DockerfileError as error:
        raise DockerfileError(source, span, f"in {text!r}: {error.problem}") from None
    if len(found) != 1:
        raise DockerfileError(source, span, f"not one instruction: {text!r}")
    flags = tuple(Flag(flag.name, flag.value, span) for flag in found[0].flags)
    return msgspec.structs.replace(found[0], span=span, flags=flags, offsets=())


def _instructions(lines: Lines, escape: str) -> Iterator[Instruction]:
    while (logical := lines.next()) is not None:
        found = _instruction(lines.source, logical, lines.number, escape)
        body = found
        if found.keyword == "ONBUILD":
            body = _trigger(lines.source, found, escape)
        if body.keyword in _HEREDOCS and body.json is None and "<<" in body.text:
            found = _with_heredocs(lines, found)
        yield found


def _trigger(source: Source, line: Instruction, escape: str) -> Instruction:
    """The instruction that an ONBUILD keeps for later."""
    begin = line.original.index(line.text, len(line.word))
    start, number, column = [each for each in line.offsets if each[0] <= begin][-1]
    inner = Logical(())
    inner.text = line.original[begin:]
    inner.offsets = [(0, number, column + begin - start)]
    inner.offsets += [(at - begin, row, left) for at, row, left in line.offsets if at > begin]
    return _instruction(source, inner, line.span.last_line, escape)


def _with_heredocs(lines: Lines, found: Instruction) -> Instruction:
    docs = tuple(_heredoc(lines, found, begun) for begun in begun_by(found.original))
    if not docs:
        return found
    span = msgspec.structs.replace(found.span, last_line=lines.number)
    return msgspec.structs.replace(found, span=span, heredocs=docs)


def _heredoc(lines: Lines, found: Instruction, begun: Begun) -> Heredoc:
    content = lines.document(begun.name, indented=begun.chomp)
    if content is None:
        raise DockerfileError(
            lines.source,
            found.place(begun.word),
            f"the heredoc {begun.name} has no end",
            note=f"a line with {begun.name} alone must follow",
        )
    return Heredoc(begun.name, content, begun.expand, begun.chomp, begun.word)


def _instruction(source: Source, line: Logical, last_line: int, escape: str) -> Instruction:
    indent = len(line.text) - len(line.text.lstrip(SPACES))
    text = line.text.strip(SPACES)
    word = BLANKS.split(text, maxsplit=1)[0]
    keyword = word.upper()
    start, number, column = [each for each in line.offsets if each[0] <= indent][-1]
    shell = Instruction(
        keyword,
        Span(number, column + indent - start, max(len(word), 1), last_line),
        (),
        "",
        None,
        original=line.text,
        offsets=tuple(line.offsets),
        comments=line.comments,
        blank_lines=tuple(line.blank_lines),
    )
    if keyword not in KEYWORDS:
        raise _unknown(source, shell, word)
    begin = indent + len(word)
    flags, arguments = split_flags(line.text[begin:].rstrip(SPACES), escape)
    rest = line.text[begin + arguments :].strip(SPACES)
    if not rest and keyword not in _COMMANDS:
        raise DockerfileError(source, shell.span, f"{keyword} needs an argument")
    return msgspec.structs.replace(
        shell,
        flags=tuple(_flag(shell, begin, *flag) for flag in flags),
        text=rest,
        json=_json(source, shell, rest),
    )


def _unknown(source: Source, shell: Instruction, word: str) -> DockerfileError:
    if not word:
        return DockerfileError(source, shell.span, "this line continues with nothing")
    import difflib

    near = difflib.get_close_matches(shell.keyword, KEYWORDS, 1)
    note = f"did you mean {near[0]}?" if near else ""
    return DockerfileError(source, shell.span, f"unknown instruction {word}", note=note)


def _flag(shell: Instruction, begin: int, word: str, start: int, end: int) -> Flag:
    name, equals, value = word[2:].partition("=")
    return Flag(name, value if equals else None, shell.at(begin + start, end - start))


def _json(source: Source, shell: Instruction, rest: str) -> tuple[str, ...] | None:
    """The elements of a JSON form; None when it is the shell form, or there is no other."""
    if shell.keyword == "HEALTHCHECK":
        rest = "".join(BLANKS.split(rest, maxsplit=1)[1:])
    elif shell.keyword not in _JSON_FORMS:
        return None
    if not rest.startswith("["):
        return None
    try:
        found = msgspec.json.decode(_as_go_reads(rest).encode(), type=list)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if not all(isinstance(each, str) for each in found):
        raise DockerfileError(
            source, shell.place(rest), "a JSON array here has strings only", note="quote it"
        )
    return tuple(found)


def _as_go_reads(text: str) -> str:
    """JSON in which half a surrogate pair, or a byte that is no UTF-8, is a U+FFFD: as in Go."""
    if not text.isascii():
        text = re.sub("[\udc80-\udcff]", "\ufffd", text)
    if "\\u" not in text:
        return text
    return re.sub(_SURROGATES, lambda match: r"\ufffd" if match["lone"] else match[0], text)
