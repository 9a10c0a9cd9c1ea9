"""What a Dockerfile is once it is read: instructions, each with the place it stands at.  Pure."""

from __future__ import annotations

import re

import msgspec

from lamina.dockerfile.source import Source, Span
from lamina.dockerfile.spaces import BLANKS, SPACES, words

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


class Flag(msgspec.Struct, frozen=True):
    """`--name=value` before an instruction's arguments; `value` is None without `=`."""

    name: str
    value: str | None
    span: Span


class Heredoc(msgspec.Struct, frozen=True):
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


class Comment(msgspec.Struct, frozen=True):
    """A comment above an instruction, without its `#` and the blanks around it."""

    line: int
    text: str


class Instruction(msgspec.Struct, frozen=True):
    """One instruction: keyword in upper case, flags, and what follows them."""

    keyword: str
    span: Span
    """Its keyword."""
    flags: tuple[Flag, ...]
    text: str
    """Everything after the flags, continuation lines joined."""
    json: tuple[str, ...] | None
    """The elements, when `text` is a JSON array of strings and the instruction has that form."""
    heredocs: tuple[Heredoc, ...] = ()
    original: str = ""
    """The whole instruction on one line, as the file has it."""
    offsets: tuple[tuple[int, int, int], ...] = ()
    """Where pieces of `original` come from: (offset, line, column), in order; none when it
    stands in no file, and then every place is `span`."""
    comments: tuple[Comment, ...] = ()
    """Those since the instruction before it, or since the last empty one."""
    blank_lines: tuple[int, ...] = ()
    """Numbers of the empty lines between its continuation lines."""

    @property
    def word(self) -> str:
        """The keyword as the file spells it."""
        return BLANKS.split(self.original.strip(SPACES), maxsplit=1)[0]

    def place(self, fragment: str) -> Span:
        """Where `fragment` first stands behind the keyword, as a word if it does; the keyword
        when it does not."""
        if not fragment:
            return self.span
        begin = self.original.find(self.word) + len(self.word)
        whole = re.compile(rf"(?<!\S){re.escape(fragment)}(?!\S)").search(self.original, begin)
        at = whole.start() if whole else self.original.find(fragment, begin)
        return self.at(at, len(fragment)) if at >= 0 else self.span

    def at(self, offset: int, width: int) -> Span:
        """The place of `original[offset:offset + width]`."""
        before = [each for each in self.offsets if each[0] <= offset]
        if not before:
            return self.span
        start, line, column = before[-1]
        return Span(line, column + offset - start, max(width, 1), self.span.last_line)

    def words(self) -> tuple[str, ...]:
        """`text` split at blanks, or the JSON elements."""
        return self.json if self.json is not None else words(self.text)


class Dockerfile(msgspec.Struct, frozen=True):
    """A parsed Dockerfile."""

    source: Source
    escape: str
    directives: dict[str, str]
    instructions: tuple[Instruction, ...]
