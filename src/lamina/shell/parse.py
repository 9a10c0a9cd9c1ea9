"""The text of a RUN to a `Script`, by tree-sitter's grammar of bash.  Pure.

sh, dash and ash are read by the same grammar: what is right for them reads alike in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, cast

import msgspec

from lamina.errors import Unsupported
from lamina.shell.script import (
    Around,
    Command,
    Connector,
    Redirect,
    Script,
    Statement,
    Unread,
    Word,
)

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_AROUND: dict[str, Around] = {
    "pipeline": "pipeline",
    "negated_command": "negation",
    "subshell": "subshell",
    "compound_statement": "group",
    "command_substitution": "substitution",
    "process_substitution": "substitution",
    "if_statement": "if",
    "for_statement": "loop",
    "c_style_for_statement": "loop",
    "while_statement": "loop",
    "case_statement": "case",
    "function_definition": "function",
}
_COMMANDS = {"command", "declaration_command", "unset_command", "test_command"}
_REDIRECTS = {"file_redirect", "heredoc_redirect", "herestring_redirect"}
_SEPARATORS: dict[str, Connector] = {"&&": "&&", "||": "||", ";": ";", "&": "&", "\n": ";"}
_PATTERN = set("*?[{~")
"""Characters that, outside quotes, may make of a word others."""
_ASSIGNMENTS = {"variable_assignment", "variable_assignments"}
_SETTING = {"=", ":="}
_ARITHMETIC = {"arithmetic_expansion", "compound_statement"}


class NoShellParser(Unsupported):
    """The library that reads shell is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "RUN instructions are read with tree-sitter-bash, which is not installed",
            hint="pip install 'lamina[slim]'",
        )


def parse(text: str) -> Script | Unread:
    """Read a script; `Unread` when some of it is not understood, and then nothing of it counts.

    Raises NoShellParser.
    """
    data = text.encode("utf-8", "surrogatepass")
    root = _parser().parse(data).root_node
    if root.has_error:
        return Unread(_Reading(text, data).offset(_lost(root)))
    return _Reading(text, data).script(root)


@cache
def _parser() -> Parser:
    try:
        import tree_sitter_bash
        from tree_sitter import Language, Parser
    except ImportError:
        raise NoShellParser from None
    return Parser(Language(tree_sitter_bash.language()))


def _lost(root: Node) -> int:
    """The first byte that fits nowhere."""
    node = root
    while not (node.is_error or node.is_missing):
        inner = [each for each in node.children if each.has_error or each.is_missing]
        if not inner:
            break
        node = inner[0]
    return node.start_byte


class _Reading:
    """One tree on its way to values."""

    def __init__(self, text: str, data: bytes) -> None:
        self._text = text
        self._data = data
        self._ascii = len(text) == len(data)
        self._commands: list[Command] = []
        self._functions: set[str] = set()
        self._comments = self._heredocs = self._background = self._sets = False

    def offset(self, byte: int) -> int:
        """A place in the bytes as one in the text."""
        return byte if self._ascii else len(self._data[:byte].decode("utf-8", "replace"))

    def script(self, root: Node) -> Script:
        statements = tuple(self._statements(root))
        self._walk(root, ())
        return Script(
            self._text,
            statements,
            tuple(sorted(self._commands, key=lambda each: each.start)),
            frozenset(self._functions),
            self._comments,
            self._heredocs,
            self._background,
            self._sets,
        )

    def _statements(self, root: Node) -> Iterator[Statement]:
        pending: Statement | None = None
        for node, end in (each for child in root.children for each in _flat(child)):
            if node.type == "comment":
                continue
            connector = _SEPARATORS.get(node.type)
            if pending is not None:
                # Of a new line no node is made.
                yield msgspec.structs.replace(pending, connector=connector or ";")
                pending = None
            if connector is None:
                start, end = self.offset(node.start_byte), self.offset(end)
                pending = Statement(start, end, _is_simple(node), "")
        if pending is not None:
            yield pending

    def _walk(self, node: Node, around: tuple[Around, ...]) -> None:
        if node.type == "comment":
            self._comments = True
        elif node.type == "heredoc_redirect":
            self._heredocs = True
        elif node.type == "&":
            self._background = True
        elif self._sets_variable(node):
            self._sets = True
        elif node.type == "function_definition":
            self._functions.add(self._slice(node.children_by_field_name("name")[0]))
        elif node.type in _COMMANDS or self._only_assigns(node):
            self._commands.append(self._command(node, around))
        inner = (*around, _AROUND[node.type]) if node.type in _AROUND else around
        for child in node.children:
            self._walk(child, inner)

    def _sets_variable(self, node: Node) -> bool:
        """`${a:=b}`; arithmetic that may set one, where `==` counts as well, for caution."""
        if node.type == "expansion":
            return any(each.type in _SETTING for each in node.children)
        if node.type not in _ARITHMETIC:
            return False
        text = self._slice(node)
        is_arithmetic = text.startswith(("((", "$((", "$["))
        return is_arithmetic and any(each in text for each in ("=", "++", "--"))

    def _only_assigns(self, node: Node) -> bool:
        if node.type not in _ASSIGNMENTS or node.parent is None:
            return False
        return node.parent.type not in _COMMANDS | _ASSIGNMENTS

    def _command(self, node: Node, around: tuple[Around, ...]) -> Command:
        words: list[Word] = []
        names: list[str] = []
        redirects: list[Redirect] = []
        assigning = [node] if node.type == "variable_assignment" else []
        for child in [*assigning, *node.children]:
            if child.type == "variable_assignment":
                name = child.children_by_field_name("name")
                names.append(self._slice(name[0]) if name else "")
                if node.type == "declaration_command":
                    words.append(self._word(child))
            elif child.type in _REDIRECTS:
                redirects.append(self._redirect(child))
            elif node.type in _ASSIGNMENTS:
                continue
            else:
                words.append(self._word(child))
        redirects += map(self._redirect, _redirects_behind(node))
        start, end = self.offset(node.start_byte), self.offset(node.end_byte)
        if redirects:
            end = max(end, max(each.end for each in redirects))
        return Command(tuple(words), tuple(names), tuple(redirects), around, start, end)

    def _redirect(self, node: Node) -> Redirect:
        signs = [each for each in node.children if not each.is_named]
        target = node.children[-1] if node.children and node.children[-1].is_named else None
        return Redirect(
            self._slice(signs[0]) if signs else "",
            self._word(target) if target is not None else None,
            self.offset(node.start_byte),
            self.offset(node.end_byte),
        )

    def _word(self, node: Node) -> Word:
        return Word(
            self._slice(node),
            self.offset(node.start_byte),
            self.offset(node.end_byte),
            self._value(node),
        )

    def _value(self, node: Node) -> str | None:
        """A word without its quotes; None when the shell makes something else of it."""
        text = self._slice(node)
        if node.type == "raw_string":
            return text[1:-1]
        if node.type == "string":
            return _unquoted(text[1:-1]) if _is_constant(node) else None
        if node.type in {"command_name", "concatenation", "variable_assignment"} and node.children:
            if node.type == "variable_assignment":
                return None
            if self._data[node.start_byte : node.end_byte].startswith(b"{"):
                return None
            parts = [self._value(each) for each in node.children]
            return None if None in parts else "".join(cast("list[str]", parts))
        if node.type in {"word", "number"} or not node.is_named:
            bare = _without_escapes(text)
            return None if set(bare[0]) & _PATTERN else bare[1]
        return None

    def _slice(self, node: Node) -> str:
        return self._text[self.offset(node.start_byte) : self.offset(node.end_byte)]


def _flat(node: Node) -> Iterator[tuple[Node, int]]:
    """The statements of a list with their ends, and what stands between them."""
    if node.type == "list":
        for child in node.children:
            yield from _flat(child)
    elif node.type == "redirected_statement" and node.children[0].type == "list":
        # The grammar hangs the redirection of the last command on the whole list.
        *before, (last, _end) = _flat(node.children[0])
        yield from before
        yield last, node.end_byte
    else:
        yield node, node.end_byte


def _is_simple(node: Node) -> bool:
    if node.type == "redirected_statement":
        return _is_simple(node.children[0])
    if node.type == "pipeline":
        return all(_is_simple(each) for each in node.children if each.is_named)
    return node.type in _COMMANDS or node.type in _ASSIGNMENTS


def _redirects_behind(node: Node) -> list[Node]:
    """Those that the grammar hangs on what the command ends."""
    found: list[Node] = []
    place = node
    while (parent := place.parent) is not None and parent.type in {
        "redirected_statement",
        "list",
        "pipeline",
    }:
        if parent.type == "redirected_statement":
            if parent.children[0] != place:
                break
            found += [each for each in parent.children[1:] if each.type in _REDIRECTS]
        elif parent.children[-1] != place:
            break
        place = parent
    return found


def _is_constant(node: Node) -> bool:
    return all(each.type in {'"', "string_content"} for each in node.children)


def _unquoted(text: str) -> str:
    """What stands between double quotes: there a backslash escapes four characters only."""
    parts, place = [], 0
    while place < len(text):
        if text[place] == "\\" and text[place + 1 : place + 2] in {'"', "\\", "$", "`"}:
            place += 1
        parts.append(text[place])
        place += 1
    return "".join(parts)


def _without_escapes(text: str) -> tuple[str, str]:
    """A bare word: the characters that no backslash stands before, and its value."""
    bare, value, place = [], [], 0
    while place < len(text):
        if text[place] == "\\" and place + 1 < len(text):
            place += 1
        else:
            bare.append(text[place])
        value.append(text[place])
        place += 1
    return "".join(bare), "".join(value)
