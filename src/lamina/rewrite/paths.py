"""Which paths a command writes or removes, as far as its words tell.  Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise

from lamina.shell.script import Command, Script, Word

_SIZE = re.compile(r"(\d+)([cwbkKMGT]?)(i?B)?")
_UNITS = {"": 1, "c": 1, "w": 2, "b": 512, "k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_UNITS["T"] = 1 << 40
_CACHES = {
    # what fills a directory that another command, or rm, empties
    "apt-get": ("/var/lib/apt/lists", "/var/cache/apt"),
    "apt": ("/var/lib/apt/lists", "/var/cache/apt"),
    "yum": ("/var/cache/yum", "/var/cache/dnf"),
    "dnf": ("/var/cache/dnf", "/var/cache/yum"),
    "microdnf": ("/var/cache/dnf", "/var/cache/yum"),
    "apk": ("/var/cache/apk",),
    "pip": ("/root/.cache/pip",),
    "pip3": ("/root/.cache/pip",),
    "npm": ("/root/.npm",),
    "yarn": ("/usr/local/share/.cache",),
}
_REMOVERS = {"purge", "remove", "autoremove", "erase", "del", "uninstall"}
_CLEANERS = {("apt-get", "clean"), ("apt", "clean"), ("yum", "clean"), ("dnf", "clean")}
_CLEANERS |= {("microdnf", "clean"), ("npm", "cache"), ("yarn", "cache"), ("pip", "cache")}
SOMEWHERE = "/\0"
"""The directory that a RUN begins in where only its base image knows it."""
_READERS = {
    *("sh", "bash", "dash", "ash", ".", "source", "perl", "node", "python", "python3", "php"),
    *("cat", "ls", "test", "[", "grep", "head", "tail", "echo", "printf", "cd", "find", "file"),
    *("sha256sum", "sha512sum", "md5sum", "gpg", "chmod", "chown", "rm", "rmdir", "unlink"),
}
"""Commands whose words name what they read, or what they remove or mark."""
_MANAGERS = {"apt-get", "apt", "yum", "dnf", "microdnf", "apk", "pip", "pip3"}


def removed(script: Script, cwd: str) -> list[str]:
    """Absolute paths that a script removes, patterns as the directory that they look in; a
    package or a cache by the name of who keeps it: `apt:gcc`."""
    found: list[str] = []
    for command, directory in _where(script, cwd):
        if command.name in {"rm", "rmdir", "unlink"}:
            words = [each for each in command.arguments if not each.text.startswith("-")]
            found += filter(None, (_target(each, directory) for each in words))
        elif command.name in _MANAGERS or command.name in {"npm", "yarn"}:
            verbs = _plain(command)
            if verbs and (command.name, verbs[0]) in _CLEANERS:
                found += _CACHES.get(command.name, ())
            elif verbs and verbs[0] in _REMOVERS:
                found += [f"{_family(command.name)}:{each}" for each in verbs[1:]]
    return found


def written(script: Script, cwd: str) -> Iterator[tuple[str, int]]:
    """Paths that a script may write, as `removed` names them, with bytes when its words tell
    how many, else 0."""
    for command, directory in _where(script, cwd):
        size = _size_told(command)
        for text in _outputs(command):
            yield posixpath.normpath(posixpath.join(directory, text)), size
        for redirect in command.redirects:
            if redirect.operator.startswith(">") and redirect.target and redirect.target.value:
                yield posixpath.normpath(posixpath.join(directory, redirect.target.value)), 0
        for cache in _CACHES.get(command.name, ()):
            yield f"{cache}/", 0
        verbs = _plain(command)
        if command.name in _MANAGERS and verbs and verbs[0] in {"install", "add"}:
            for package in verbs[1:]:
                yield f"{_family(command.name)}:{package}", 0


def _where(script: Script, cwd: str) -> Iterator[tuple[Command, str]]:
    """Each command with the directory that it works in."""
    start = directory = cwd or SOMEWHERE
    for command in script.commands:
        # A subshell comes back from where it went; what it does there is told all the same.
        if command.name == "cd" and command.arguments:
            directory = _target(command.words[1], directory) or start
        yield command, directory


def _outputs(command: Command) -> Iterator[str]:
    """The words of a command that may name what it writes."""
    words = command.arguments
    if command.name in _READERS or command.name in _MANAGERS:
        return
    if command.name == "dd":
        words = tuple(each for each in words if each.text.startswith("of="))
    elif command.name in {"cp", "mv", "ln", "install"}:
        words = words[-1:]
    elif command.name == "tar":
        words = tuple(each for flag, each in pairwise(words) if flag.text in {"-C", "--directory"})
    for word in words:
        yield from _names(word)


def covers(gone: str, path: str) -> bool:
    """Whether a removed path is a written one, or a directory above it."""
    return path == gone or path.startswith(gone.rstrip("/") + "/")


def _family(name: str) -> str:
    return {"apt-get": "apt", "pip3": "pip", "dnf": "yum", "microdnf": "yum"}.get(name, name)


def _plain(command: Command) -> list[str]:
    return [e.value for e in command.arguments if e.value and not e.value.startswith("-")]


def _target(word: Word, cwd: str) -> str:
    """The absolute path that a word of rm means; empty when it is not known, or is `/`."""
    text = word.value
    if text is None:
        text = re.split(r"[*?\[{]", word.text)[0]
        if set(text) & set("$`~\\'\"") or "/" not in text:
            return ""
        text = text.rpartition("/")[0]
    path = posixpath.normpath(posixpath.join(cwd, text))
    return "" if path == "/" else path


def _names(word: Word) -> list[str]:
    """The paths that a word may name: itself, a value behind `=`, the file of an address."""
    if word.value is None or not word.value:
        return []
    text = word.value
    if text.startswith("-") and "=" not in text:
        return []
    if "://" in text:
        last = text.rstrip("/").partition("?")[0].rpartition("/")[2]
        names = [last, last.removesuffix(".git")]
    else:
        names = [text.partition("=")[2] if "=" in text else text]
    return [each for each in names if each and "\0" not in each]


def _size_told(command: Command) -> int:
    values = dict(
        each.value.split("=", 1) for each in command.arguments if each.value and "=" in each.value
    )
    if command.name == "dd" and "count" in values:
        return _number(values.get("bs", "512")) * _number(values["count"])
    if command.name in {"truncate", "fallocate"}:
        words = [each.value or "" for each in command.arguments]
        for flag in ("-s", "-l"):
            if flag in words[:-1]:
                return _number(words[words.index(flag) + 1])
    return 0


def _number(text: str) -> int:
    match = _SIZE.fullmatch(text)
    return int(match[1]) * _UNITS[match[2]] if match else 0
