"""Options declared once, and read in two ways.

`lamina run` is waited for by people and in loops, and the library that reads options takes
longer to import than a container to start.  So its options are values: `add` makes click's
of them, for help, completion and every error; `read` reads a command line that is right
without click, and leaves all others to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
Kind = Literal["text", "flag", "number", "path", "file"]


class Option:
    """An option of a command."""

    def __init__(
        self,
        *words: str,
        kind: Kind = "text",
        choices: tuple[str, ...] = (),
        any_case: bool = False,
        multiple: bool = False,
        default: Any = None,
        name: str = "",
        metavar: str | None = None,
        help: str | None = None,  # noqa: A002 - click's name for it
        show_default: bool = False,
    ) -> None:
        self.words: Final = words
        """`-e`, `--env`; a flag may be `--on/--off`."""
        self.kind: Final = kind
        """A `file` is a path that is no directory."""
        self.choices: Final = choices
        """The only values of a text, if there are any; `any_case` takes them in capitals too."""
        self.any_case: Final = any_case
        self.multiple: Final = multiple
        """Whether it may be given again: its value is a tuple then."""
        self.default: Final = _default(kind, default, multiple=multiple)
        self.name: Final = name or _name(words)
        """Of the parameter."""
        self.metavar: Final = metavar
        self.help: Final = help
        self.show_default: Final = show_default


def _default(kind: Kind, given: Any, *, multiple: bool) -> Any:
    if multiple:
        return ()
    return bool(given) if kind == "flag" else given


def _name(words: Sequence[str]) -> str:
    first = next((word for word in words if word.startswith("--")), words[0])
    return first.partition("/")[0].lstrip("-").replace("-", "_")


def add(options: Iterable[Option]) -> Callable[[F], F]:
    """A decorator that adds options to a click command, in their order."""
    listed = tuple(options)

    def decorate(command: F) -> F:
        for option in reversed(listed):
            command = _to_click(option)(command)
        return command

    return decorate


def _to_click(option: Option) -> Callable[[F], F]:
    import click

    settings: dict[str, Any] = {"help": option.help, "show_default": option.show_default}
    if option.kind == "flag":
        settings |= {"is_flag": True, "default": option.default}
    else:
        settings |= {"metavar": option.metavar, "multiple": option.multiple}
        if not option.multiple:
            settings["default"] = option.default
    if option.choices:
        settings["type"] = click.Choice(option.choices, case_sensitive=not option.any_case)
    elif option.kind == "number":
        settings["type"] = int
    elif option.kind in {"path", "file"}:
        settings["type"] = click.Path(dir_okay=option.kind == "path", path_type=Path)
    return click.option(*option.words, option.name, **settings)


def read(
    options: Iterable[Option], words: Sequence[str]
) -> tuple[dict[str, Any], list[str]] | None:
    """The values of all options by parameter, and the words from the first that is none on.

    None for what click would refuse, and for what it alone knows.
    """
    values: dict[str, Any] = {}
    known: dict[str, tuple[Option, bool]] = {}
    for option in options:
        values[option.name] = option.default
        for word in option.words:
            on, _, off = word.partition("/")
            known[on] = option, True
            if off:
                known[off] = option, False
    rest = list(words)[::-1]
    while rest and rest[-1].startswith("-") and rest[-1] != "-":
        word = rest.pop()
        if word == "--":
            break
        if not (_long if word.startswith("--") else _short)(word, rest, known, values):
            return None
    return values, rest[::-1]


Known = Mapping[str, tuple[Option, bool]]


def _long(word: str, rest: list[str], known: Known, values: dict[str, Any]) -> bool:
    name, equals, value = word.partition("=")
    if name not in known:
        return False
    option, on = known[name]
    if option.kind == "flag":
        values[option.name] = on
        return not equals
    if not equals:
        if not rest:
            return False
        value = rest.pop()
    return _take(option, value, values)


def _short(word: str, rest: list[str], known: Known, values: dict[str, Any]) -> bool:
    for place in range(1, len(word)):
        if f"-{word[place]}" not in known:
            return False
        option, on = known[f"-{word[place]}"]
        if option.kind == "flag":
            values[option.name] = on
            continue
        value = word[place + 1 :]
        if not value:
            if not rest:
                return False
            value = rest.pop()
        return _take(option, value, values)
    return True


def _take(option: Option, text: str, values: dict[str, Any]) -> bool:
    value: Any = text
    if option.choices:
        if text not in option.choices:
            return False
    elif option.kind == "number":
        if not text.removeprefix("-").isdecimal() or not text.isascii():
            return False
        value = int(text)
    elif option.kind in {"path", "file"}:
        if option.kind == "file" and os.path.isdir(text):
            return False
        value = Path(text)
    values[option.name] = (*values[option.name], value) if option.multiple else value
    return True
