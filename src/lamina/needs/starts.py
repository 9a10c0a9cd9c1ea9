"""What a container of an image starts: its command, its health check, what scripts run.  Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import chain

import msgspec

from lamina.needs.system import System
from lamina.oci.config import Execution

SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"})
_DEFAULT_SHELL = ("/bin/sh", "-c")
_OPERATORS = frozenset({";", "&", "&&", "|", "||", "(", ")", "{", "}", ";;", "|&", "`"})
_LEADING = frozenset({"then", "do", "else", "elif", "if", "while", "until", "!", "exec", "time"})
_BUILTINS = """
    . : [ alias bg break case cd command continue declare done echo esac eval exit export false fc
    fg fi for function getopts hash in jobs kill let local printf pwd read readonly return set
    shift shopt source test times trap true type typeset ulimit umask unalias unset wait
"""
_BUILTIN = frozenset(_BUILTINS.split())
_LONGEST = 1 << 16


class Start(msgspec.Struct, frozen=True):
    """A program that is started."""

    word: str
    """As it is written: a name that PATH finds, or a path."""
    by: str
    """Who starts it, for people: `ENTRYPOINT`, `CMD` or `HEALTHCHECK`."""


def starts(system: System) -> list[Start]:
    """What the configuration starts; with the commands of a shell form the shell's."""
    config = system.stack.config
    if config is None:
        return []
    each = (_of_words(system, words, by) for words, by in _commands(config.execution))
    return list(dict.fromkeys(chain.from_iterable(each)))


def script_commands(text: str) -> Iterator[str]:
    """The programs that the commands of a shell script name, in its order; what only the shell
    itself knows is left out.

    A script that cannot be parsed, or for which no parser is installed, is split into words
    line by line.
    """
    from lamina.shell.parse import NoShellParser, parse
    from lamina.shell.script import Script

    try:
        script = parse(text[:_LONGEST])
    except NoShellParser:
        script = None
    if not isinstance(script, Script):
        yield from _first_words(text[:_LONGEST])
        return
    for command in script.commands:
        words = [word.value for word in command.words]
        while words and words[0] in _LEADING:
            words.pop(0)
        if words and words[0] and words[0] not in _BUILTIN:
            yield words[0]


def _first_words(text: str) -> Iterator[str]:
    """What stands where commands stand, as far as a split into words tells."""
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()`")
        lexer.whitespace_split = True
        try:
            tokens = list(lexer)
        except ValueError:  # a quote that ends in another line
            continue
        begins = True
        for token in tokens:
            if token in _OPERATORS or set(token) <= set(";&|()`"):
                begins = True
            elif begins and token not in _LEADING and not _is_setting(token):
                begins = False
                if token not in _BUILTIN and _is_plain(token):
                    yield token


def _commands(execution: Execution) -> Iterator[tuple[tuple[str, ...], str]]:
    if execution.entrypoint:
        yield execution.entrypoint, "ENTRYPOINT"
    if execution.cmd:
        yield execution.cmd, "CMD"
    test = execution.healthcheck.test if execution.healthcheck is not None else ()
    if test[:1] == ("CMD",):
        yield test[1:], "HEALTHCHECK"
    elif test[:1] == ("CMD-SHELL",):
        yield (*(execution.shell or _DEFAULT_SHELL), *test[1:2]), "HEALTHCHECK"


def _of_words(system: System, words: tuple[str, ...], by: str) -> Iterator[Start]:
    """The program, programs and scripts among its arguments, and what a shell is told to do."""
    if not words:
        return
    config = system.stack.config
    is_argument = by == "CMD" and config is not None and bool(config.execution.entrypoint)
    if not is_argument or system.command(words[0]) is not None:
        yield Start(words[0], by)
    if words[0].rpartition("/")[2] in SHELLS and "-c" in words[1:-1]:
        for word in script_commands(words[words.index("-c") + 1]):
            if system.command(word) is not None:
                yield Start(word, by)
        return
    for word in words[1:]:
        if "/" in word and system.files.is_file(word):
            yield Start(word, by)


def _is_setting(token: str) -> bool:
    name, sign, _ = token.partition("=")
    return bool(sign) and name.isidentifier()


def _is_plain(token: str) -> bool:
    """Whether a word is a command's name, and nothing that the shell puts together."""
    return bool(token) and not set(token) & set("$*?\"'<>=\\~[]#")
