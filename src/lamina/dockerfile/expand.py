"""Variables in a Dockerfile's words: `$v ${v} ${v:-w} ${v#p} ${v/p/r}` and their kin.  Pure.

The rules are those of BuildKit's shell lexer, which are not quite a shell's:
single quotes are literal, the escape character drops itself outside quotes,
inside double quotes it escapes `"`, `$` and itself only; `${v:=w}` is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lamina.dockerfile.shell_pattern import (
    BadShellPattern,
    replaced,
    without_prefix,
    without_suffix,
)
from lamina.dockerfile.spaces import is_space
from lamina.errors import Invalid

_SPECIAL = "@*#?-$!"
_QUOTED = 80
"""Characters of a text that a message quotes."""


class BadSubstitution(Invalid):
    """A word that cannot be expanded."""


def expand(text: str, values: Mapping[str, str], *, escape: str = "\\") -> str:
    """`text` as one word: variables replaced, quotes removed.  Raises BadSubstitution."""
    return _Lexer(text, values, escape).run()[0]


def expand_words(text: str, values: Mapping[str, str], *, escape: str = "\\") -> list[str]:
    """`text` split at blanks outside quotes; blanks that come from a variable split too."""
    return _Lexer(text, values, escape).run()[1]


def expand_document(text: str, values: Mapping[str, str]) -> str:
    """A heredoc's text: variables replaced, quotes as they are, `\\` drops itself."""
    return _Lexer(text, values, "\\", plain_quotes=True).run()[0]


def raw_words(text: str) -> list[str]:
    """`text` split at blanks outside quotes, nothing expanded or removed; nothing when
    a quote has no end."""
    try:
        return _Lexer(text, {}, "\\", keep_quotes=True, keep_escapes=True, keep_unset=True).run()[1]
    except BadSubstitution:
        return []


def heredoc_name(text: str) -> tuple[str, bool] | None:
    """The name behind `<<`, and whether some of it is quoted; None when it is not one word.

    Raises BadSubstitution.
    """
    words = _Lexer(text, {}, "\\", keep_unset=True).run()[1]
    if len(words) != 1:
        return None
    raw = _Lexer(text, {}, "\\", keep_quotes=True, keep_unset=True).run()[0]
    return words[0], _quotes(words[0]) != _quotes(raw)


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')


class _Words:
    """Collects the words of a text as it is read."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.word = ""
        self.begun = False

    def split(self, text: str) -> None:
        """Text whose blanks end a word."""
        for mark in text:
            if not is_space(mark):
                self.keep(mark)
            elif self.begun:
                self._end()

    def keep(self, text: str) -> None:
        """Text whose blanks belong to the word."""
        self.word += text
        self.begun = True

    def _end(self) -> None:
        if self.word:
            self.done.append(self.word)
        self.word, self.begun = "", False

    def all(self) -> list[str]:
        self._end()
        return self.done


class _Lexer:
    """One pass over a text."""

    def __init__(
        self,
        text: str,
        values: Mapping[str, str],
        escape: str,
        *,
        plain_quotes: bool = False,
        keep_quotes: bool = False,
        keep_escapes: bool = False,
        keep_unset: bool = False,
    ) -> None:
        self.text = text
        self.values = values
        self.escape = escape
        self.quotes: dict[str, Callable[[], str]] = {}
        if not plain_quotes:
            self.quotes = {"'": self._single, '"': self._double}
        self.keep_quotes = keep_quotes
        self.raw = keep_escapes
        """Whether escapes stay, as they must in a pattern: the pattern has its own use of them."""
        self.keep_unset = keep_unset
        self.place = 0

    @property
    def _shown(self) -> str:
        """The text as a message quotes it: a document may be long."""
        cut = len(self.text) > _QUOTED
        return repr(self.text[:_QUOTED] + "…" if cut else self.text)

    def run(self) -> tuple[str, list[str]]:
        return self._until("", raw=self.raw)

    def _peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def _next(self) -> str:
        mark = self._peek()
        self.place += 1
        return mark

    def _until(self, stop: str, *, raw: bool) -> tuple[str, list[str]]:
        """Everything up to `stop`, or to the end when that is empty; `raw` keeps escapes."""
        result, words = "", _Words()
        outside, self.raw = self.raw, raw
        while mark := self._peek():
            if mark == stop:
                self.place += 1
                self.raw = outside
                return result, words.all()
            if mark == "$":
                piece = self._dollar()
                words.split(piece)
            elif mark in self.quotes:
                piece = self.quotes[mark]()
                words.keep(piece)
            elif mark == self.escape:
                piece = (mark if raw else "") + self.text[self.place + 1 : self.place + 2]
                self.place += 2
                words.keep(piece)
            else:
                piece = self._next()
                words.split(piece)
            result += piece
        if stop:
            raise BadSubstitution(f"in {self._shown} a {stop} is missing")
        return result, words.all()

    def _single(self) -> str:
        self.place += 1
        end = self.text.find("'", self.place)
        if end < 0:
            raise BadSubstitution(f"in {self._shown} a single quote has no end")
        inner = self.text[self.place : end]
        self.place = end + 1
        return f"'{inner}'" if self.keep_quotes else inner

    def _double(self) -> str:
        self.place += 1
        result = ""
        while mark := self._peek():
            if mark == '"':
                self.place += 1
                return f'"{result}"' if self.keep_quotes else result
            if mark == "$":
                result += self._dollar()
            elif mark == self.escape:
                self.place += 1
                result += mark if self.raw else ""
                follows = self._peek()
                special = follows and follows in ('"', "$", self.escape)
                result += self._next() if special else mark
            else:
                result += self._next()
        raise BadSubstitution(f"in {self._shown} a double quote has no end")

    def _dollar(self) -> str:
        begin = self.place
        self.place += 1
        if self._peek() != "{":
            name = self._name()
            return self._value(name, begin) if name else "$"
        self.place += 1
        if not self._peek():
            raise self._missing_brace()
        if self._peek() in "{}:":
            raise BadSubstitution(f"in {self._shown} the variable has no name")
        name = self._name()
        mark = self._next()
        if mark == "}":
            return self._value(name, begin)
        if mark == "/":
            return self._replaced(name, begin)
        colon = mark == ":"
        if colon:
            mark = self._next()
        if not mark:
            raise self._missing_brace()
        if mark not in "+-?#%":
            shown = (":" if colon else "") + mark
            raise BadSubstitution(f"in {self._shown} the modifier {shown!r} is not known")
        return self._modified(name, mark, colon, begin)

    def _missing_brace(self) -> BadSubstitution:
        return BadSubstitution(f"in {self._shown} a }} is missing")

    def _name(self) -> str:
        begin = self.place
        first = self._peek()
        if first and first in _SPECIAL:
            self.place += 1
        elif first.isdecimal():
            while self._peek().isdecimal():
                self.place += 1
        else:
            while self._peek().isalpha() or self._peek().isdecimal() or self._peek() == "_":
                self.place += 1
        return self.text[begin : self.place]

    def _value(self, name: str, begin: int) -> str:
        if self.keep_unset and name not in self.values:
            return self.text[begin : self.place]
        return self.values.get(name, "")

    def _modified(self, name: str, mark: str, colon: bool, begin: int) -> str:
        word = self._until("}", raw=mark in "#%")[0]
        value = self.values.get(name)
        if self.keep_unset and value is None:
            return self.text[begin : self.place]
        is_set = value is not None and not (colon and value == "")
        if mark == "-":
            return value or "" if is_set else word
        if mark == "+":
            return word if is_set else ""
        if mark == "?":
            if not is_set:
                missing = "unset" if value is None else "empty"
                raise BadSubstitution(f"{name}: {word or f'is not allowed to be {missing}'}")
            return value or ""
        longest = word.startswith(mark)
        trim = without_suffix if mark == "%" else without_prefix
        try:
            return trim(value or "", word[1:] if longest else word, longest=longest)
        except BadShellPattern as error:
            raise self._bad_pattern(error) from None

    def _replaced(self, name: str, begin: int) -> str:
        every = self._peek() == "/"
        if every:
            self.place += 1
        pattern = self._until("/", raw=True)[0]
        replacement = self._until("}", raw=True)[0]
        value = self.values.get(name)
        if self.keep_unset and value is None:
            return self.text[begin : self.place]
        try:
            return replaced(value or "", pattern, replacement, every=every)
        except BadShellPattern as error:
            raise self._bad_pattern(error) from None

    def _bad_pattern(self, error: BadShellPattern) -> BadSubstitution:
        return BadSubstitution(f"in {self._shown}: {error}", hint=error.hint)
