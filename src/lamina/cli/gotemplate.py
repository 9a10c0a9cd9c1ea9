"""The part of Go's text/template that people write behind Docker's `--format`.  Pure.

Fields (`.State.Pid`), `index`, `range` with `$i, $v`, `if`/`else if`/`else`,
`with`, variables, pipelines, parentheses, comments, `{{- -}}`, Go's comparisons
and `printf`, and Docker's own functions (`json`, `join`, `split`, `upper`, …).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from lamina.cli.gofunctions import FUNCTIONS, BadCall, text_of, truth
from lamina.errors import Invalid

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`)
    |(?P<number>[-+]?\d+(?:\.\d+)?)
    |(?P<variable>\$\w*)
    |(?P<field>\.[^\W\d]\w*)
    |(?P<word>[^\W\d]\w*)
    |(?P<mark>:=|[|(),=.])""",
    re.VERBOSE,
)
_ESCAPES = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a"}
_NAMED = {"true": True, "false": False, "nil": None}
_BLOCKS = {"if", "range", "with"}


class TemplateError(Invalid):
    """A template that cannot be read, or does not fit what it is applied to."""

    def __init__(self, message: str, at: int, *, hint: str = "") -> None:
        super().__init__(f"in the template, column {at + 1}: {message}", hint=hint)
        self.at = at


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Scope:
    """Variables of a block and of those around it."""

    def __init__(self, outer: _Scope | None = None) -> None:
        self.outer = outer
        self.values: dict[str, Any] = {}

    def holder(self, name: str) -> dict[str, Any] | None:
        scope: _Scope | None = self
        while scope is not None and name not in scope.values:
            scope = scope.outer
        return scope.values if scope is not None else None


Operand = Callable[[Any, _Scope], Any]


@dataclass(frozen=True, slots=True)
class _Pipeline:
    commands: Sequence[tuple[_Call | None, Sequence[Operand]]]
    names: tuple[str, ...]
    declares: bool
    at: int

    def value(self, dot: Any, scope: _Scope) -> Any:
        result: Any = None
        for place, (call, operands) in enumerate(self.commands):
            values = [operand(dot, scope) for operand in operands]
            piped = [result] if place else []
            result = call(*values, *piped) if call else values[0]
        return result

    def bind(self, value: Any, name: str, scope: _Scope) -> None:
        holder = scope.values if self.declares else scope.holder(name)
        if holder is None:
            raise TemplateError(f"no variable {name}", self.at)
        holder[name] = value


@dataclass(frozen=True, slots=True)
class _Call:
    name: str
    at: int

    def __call__(self, *arguments: Any) -> Any:
        try:
            return FUNCTIONS[self.name](*arguments)
        except BadCall as error:
            raise TemplateError(f"{self.name}: {error}", self.at) from None
        except (TypeError, ValueError, IndexError, KeyError):
            shown = " ".join(text_of(each)[:40] for each in arguments)
            raise TemplateError(f"{self.name} cannot be used on: {shown}", self.at) from None


@dataclass(frozen=True, slots=True)
class _Node:
    """Text, an output, or a block with its branches."""

    kind: str
    text: str = ""
    pipeline: _Pipeline | None = None
    body: list[_Node] = field(default_factory=list)
    otherwise: list[_Node] = field(default_factory=list)

    def write(self, dot: Any, scope: _Scope, out: list[str]) -> None:
        if self.pipeline is None:
            out.append(self.text)
            return
        value = self.pipeline.value(dot, scope)
        if self.kind == "output":
            self._output(value, scope, out)
        elif self.kind == "range":
            self._range(value, dot, scope, out)
        else:
            inner = _Scope(scope)
            for name in self.pipeline.names:
                self.pipeline.bind(value, name, inner)
            chosen = self.body if truth(value) else self.otherwise
            _write(chosen, value if self.kind == "with" and truth(value) else dot, inner, out)

    def _output(self, value: Any, scope: _Scope, out: list[str]) -> None:
        assert self.pipeline is not None
        if not self.pipeline.names:
            out.append(text_of(value))
        for name in self.pipeline.names:
            self.pipeline.bind(value, name, scope)

    def _range(self, value: Any, dot: Any, scope: _Scope, out: list[str]) -> None:
        pipeline = self.pipeline
        assert pipeline is not None
        items: list[tuple[Any, Any]]
        if isinstance(value, Mapping):
            items = sorted(value.items())
        elif isinstance(value, Sequence) and not isinstance(value, str):
            items = list(enumerate(value))
        elif value is None:
            items = []
        else:
            raise TemplateError(f"range cannot go over {text_of(value)[:40]}", pipeline.at)
        for key, item in items:
            inner = _Scope(scope)
            bound = (key, item) if len(pipeline.names) == 2 else (item,)
            for name, each in zip(pipeline.names, bound, strict=False):
                pipeline.bind(each, name, inner)
            _write(self.body, item, inner, out)
        if not items:
            _write(self.otherwise, dot, _Scope(scope), out)


def _write(nodes: Sequence[_Node], dot: Any, scope: _Scope, out: list[str]) -> None:
    for node in nodes:
        node.write(dot, scope, out)


@dataclass(frozen=True, slots=True)
class Template:
    """A template, read once and applied to many values."""

    nodes: Sequence[_Node]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template.  Raises TemplateError, naming the column."""
        return cls(_Parser(_pieces(text)).nodes())

    def render(self, value: Any) -> str:
        """The text for one value.

        A capitalised field that a mapping lacks is an error, as with Docker;
        any other key that is missing is `<no value>`.  Raises TemplateError.
        """
        scope, out = _Scope(), list[str]()
        scope.values["$"] = value
        _write(self.nodes, value, scope, out)
        return "".join(out)


def _pieces(text: str) -> list[str | list[_Token]]:
    """The template as texts and actions, with `{{- -}}` and comments done."""
    pieces: list[str | list[_Token]] = []
    at, trim = 0, False
    while (start := text.find("{{", at)) >= 0:
        plain = text[at:start]
        plain = plain.lstrip() if trim else plain
        inner = start + 2
        if re.match(r"-\s", text[inner:]):
            plain, inner = plain.rstrip(), inner + 1
        pieces.append(plain)
        tokens, at, trim = _action(text, inner, start)
        if tokens:
            pieces.append(tokens)
    rest = text[at:]
    pieces.append(rest.lstrip() if trim else rest)
    return pieces


def _action(text: str, at: int, start: int) -> tuple[list[_Token], int, bool]:
    """The tokens of an action, where it ends, and whether it trims what follows."""
    if comment := re.compile(r"\s*/\*.*?\*/(\s-)?\s*\}\}", re.DOTALL).match(text, at):
        return [], comment.end(), bool(comment.group(1))
    tokens: list[_Token] = []
    while True:
        if end := re.compile(r"(\s-)?\s*\}\}").match(text, at):
            if not tokens:
                raise TemplateError("there is nothing between {{ and }}", start)
            return tokens, end.end(), bool(end.group(1))
        match = _TOKEN.match(text, at)
        if match is None:
            what = f"cannot read {text[at]!r}" if at < len(text) else "{{ without }}"
            raise TemplateError(what, at if at < len(text) else start)
        tokens.append(_Token(match.lastgroup or "", match.group(), at))
        at = match.end()


class _Parser:
    """Pieces into nodes, by recursive descent."""

    def __init__(self, pieces: list[str | list[_Token]]) -> None:
        self.pieces = pieces
        self.place = 0
        self.ended_by: _Token | None = None
        self.ending: list[_Token] = []

    def nodes(self) -> list[_Node]:
        found = self.block()
        if self.ended_by is not None:
            raise TemplateError(f"{self.ended_by.text} without a block", self.ended_by.at)
        return found

    def block(self) -> list[_Node]:
        """The nodes up to `else`, `end` or the end of the template."""
        found: list[_Node] = []
        while self.place < len(self.pieces):
            piece = self.pieces[self.place]
            self.place += 1
            if isinstance(piece, str):
                found.append(_Node("text", piece))
                continue
            tokens = piece if piece[0].kind != "space" else piece[1:]
            if tokens[0].text in ("else", "end"):
                self.ended_by, self.ending = tokens[0], tokens[1:]
                return found
            found.append(self.action(tokens))
        self.ended_by = None
        return found

    def action(self, tokens: list[_Token]) -> _Node:
        head = tokens[0]
        if head.kind != "word" or head.text not in _BLOCKS:
            return _Node("output", pipeline=_read_pipeline(tokens, head.at))
        pipeline = _read_pipeline(tokens[1:], head.at)
        body = self.block()
        ended, ending = self.ended_by, self.ending
        otherwise: list[_Node] = []
        if ended is not None and ended.text == "else":
            rest = [token for token in ending if token.kind != "space"]
            if rest and rest[0].text in _BLOCKS:
                # `else if` nests a block that shares our `end`.
                otherwise = [self.action(ending[ending.index(rest[0]) :])]
                return _Node(head.text, pipeline=pipeline, body=body, otherwise=otherwise)
            otherwise = self.block()
            ended = self.ended_by
        if ended is None or ended.text != "end":
            raise TemplateError(f"{head.text} without {{{{end}}}}", head.at)
        return _Node(head.text, pipeline=pipeline, body=body, otherwise=otherwise)


def _read_pipeline(tokens: list[_Token], at: int) -> _Pipeline:
    reader = _Reader(tokens, at)
    pipeline = reader.pipeline()
    if (left := reader.peek()) is not None:
        raise TemplateError(f"unexpected {left.text!r}", left.at)
    return pipeline


class _Reader:
    """Tokens of one action into a pipeline."""

    def __init__(self, tokens: list[_Token], at: int) -> None:
        self.tokens = tokens
        self.at = at
        self.place = 0

    def peek(self, *, spaces: bool = True) -> _Token | None:
        while spaces and self.place < len(self.tokens) and self._here.kind == "space":
            self.place += 1
        return self._here if self.place < len(self.tokens) else None

    @property
    def _here(self) -> _Token:
        return self.tokens[self.place]

    def take(self, text: str) -> bool:
        token = self.peek()
        if token is not None and token.kind == "mark" and token.text == text:
            self.place += 1
            return True
        return False

    def pipeline(self) -> _Pipeline:
        names, declares = self.targets()
        commands = [self.command()]
        while self.take("|"):
            commands.append(self.command())
            if commands[-1][0] is None:
                raise TemplateError("only a function can stand behind |", self.at)
        return _Pipeline(commands, names, declares, self.at)

    def targets(self) -> tuple[tuple[str, ...], bool]:
        start, names = self.place, list[str]()
        while (token := self.peek()) is not None and token.kind == "variable":
            names.append(token.text)
            self.place += 1
            if not self.take(","):
                break
        for mark in (":=", "="):
            if names and self.take(mark):
                return tuple(names), mark == ":="
        self.place = start
        return (), False

    def command(self) -> tuple[_Call | None, Sequence[Operand]]:
        token = self.peek()
        call: _Call | None = None
        if token is not None and token.kind == "word" and token.text not in _NAMED:
            call = self.function(token)
        operands: list[Operand] = []
        while (token := self.peek()) is not None and token.text not in ("|", ")"):
            operands.append(self.operand(token))
        if call is None and not operands:
            raise TemplateError("a value is missing", token.at if token else self.at)
        if call is None and len(operands) > 1:
            raise TemplateError("only a function takes arguments", self.at)
        return call, operands

    def function(self, token: _Token) -> _Call:
        if token.text not in FUNCTIONS:
            near = get_close_matches(token.text, FUNCTIONS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {' '.join(FUNCTIONS)}"
            if token.text[:1].isupper():
                hint = f"a field is written .{token.text}"
            raise TemplateError(f"no function {token.text}", token.at, hint=hint)
        self.place += 1
        return _Call(token.text, token.at)

    def operand(self, token: _Token) -> Operand:
        self.place += 1
        base = self.base(token)
        while (after := self.peek(spaces=False)) is not None and after.kind == "field":
            base = _field(base, after.text[1:], after.at)
            self.place += 1
        return base

    def base(self, token: _Token) -> Operand:
        if token.kind == "field":
            return _field(_dot, token.text[1:], token.at)
        if token.kind == "variable":
            return _variable(token)
        if token.kind == "word" and token.text not in _NAMED:
            call = self.function_value(token)
            return lambda dot, scope: call()
        if token.kind in ("string", "number", "word"):
            value = _literal(token)
            return lambda dot, scope: value
        if token.text == "(":
            inner = self.pipeline()
            if not self.take(")"):
                raise TemplateError("( without )", token.at)
            return inner.value
        if token.text == ".":
            return _dot
        raise TemplateError(f"unexpected {token.text or 'end'!r}", token.at)

    def function_value(self, token: _Token) -> _Call:
        self.place -= 1
        return self.function(token)


def _dot(dot: Any, scope: _Scope) -> Any:
    return dot


def _variable(token: _Token) -> Operand:
    def value(dot: Any, scope: _Scope) -> Any:
        holder = scope.holder(token.text)
        if holder is None:
            raise TemplateError(f"no variable {token.text}", token.at)
        return holder[token.text]

    return value


def _field(base: Operand, name: str, at: int) -> Operand:
    def value(dot: Any, scope: _Scope) -> Any:
        holder = base(dot, scope)
        if holder is None:
            return None
        if not isinstance(holder, Mapping):
            raise TemplateError(f"{text_of(holder)[:40]!r} has no field {name}", at)
        if name in holder:
            return holder[name]
        if name[:1].isupper():
            near = get_close_matches(name, [str(key) for key in holder], 1, 0.5)
            shown = ", ".join(sorted(str(key) for key in holder))
            hint = f"did you mean .{near[0]}?" if near else f"there are: {shown}"
            raise TemplateError(f"no field .{name}", at, hint=hint)
        return None

    return value


def _literal(token: _Token) -> Any:
    if token.kind == "word":
        return _NAMED[token.text]
    if token.kind == "number":
        return float(token.text) if "." in token.text else int(token.text)
    if token.text[0] == "`":
        return token.text[1:-1]
    return _ESCAPES.sub(_unescape, token.text[1:-1])


def _unescape(match: re.Match[str]) -> str:
    letter = match.group(1)
    if len(letter) > 1:
        return chr(int(letter[1:], 16))
    return _LETTERS.get(letter, letter)
