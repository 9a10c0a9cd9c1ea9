"""Whether a later step may use what a package manager keeps, if that were removed.  Pure.

What cannot be told counts as a use: a script that is not in the file, a shell of its own, a
program whose name is known only as it runs, or one that a COPY may have brought.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

import msgspec

from lamina.dockerfile.spaces import words as split_words
from lamina.rewrite.document import Document, Step
from lamina.shell.script import Command, Script

_SHELLS = {"sh", "bash", "ash", "dash", "zsh", "ksh", "busybox"}
_SYSTEM = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/libexec/")
_PROGRAMS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")
_RUNNERS = {"make", "gmake", "ansible-playbook", "rake", "just", "task", "invoke", "tox", "nox"}
"""Programs that do what a file says which is not this one."""
_COMMON = {
    *("[", "awk", "cat", "cd", "chgrp", "chmod", "chown", "command", "cp", "curl", "cut", "date"),
    *("echo", "env", "export", "false", "find", "gpg", "grep", "groupadd", "gunzip", "gzip"),
    *("addgroup", "adduser", "head", "id", "install", "ldconfig", "ln", "locale-gen", "ls"),
    *("mkdir", "mv", "passwd", "printf", "pwd", "rm", "rmdir", "sed", "set", "setcap"),
    *("sha256sum", "sleep", "sort", "tail", "tar", "tee", "test", "touch", "tr", "true", "umask"),
    *("uname", "uniq", "unzip", "update-ca-certificates", "useradd", "usermod", "wget", "which"),
    *("cargo", "gcc", "git", "go", "node", "npm", "pip", "pip3", "python", "python3", "yarn"),
}
"""Programs that are what they are called, whatever was copied beside them."""
_ENVIRONMENTS = {"pip", "pip3", "python", "python3", "npm", "node", "yarn", "conda"}
"""Programs that lie in environments of their own."""
_NAME = re.compile(r"[\w./+-]+")
_HARMLESS = {"clean", "autoclean", "remove", "purge", "autoremove", "del", "erase", "info"}
_ALWAYS = {"subshell", "group"}


class Use(msgspec.Struct, frozen=True):
    """How a manager's cache is used."""

    managers: tuple[str, ...]
    fills: tuple[str, ...]
    """Verbs that fetch it anew."""
    uses: tuple[str, ...] = ()
    """Verbs that use it as it is."""
    asks: tuple[str, ...] = ()
    """Flags by which a command asks for what is there."""
    fresh: tuple[str, ...] = ()
    """Flags by which it fetches it anew."""
    also: tuple[str, ...] = ()
    """Other programs that use it."""


def wanted(document: Document, step: Step, use: Use) -> str:
    """What behind a step may want the cache that the step left; empty when nothing does."""
    for later in document.later(step):
        line = later.number
        if later.keyword in {"CMD", "ENTRYPOINT", "HEALTHCHECK"} and _mentions(
            " ".join(later.line.json or ()) or later.line.text, (*use.managers, *use.also)
        ):
            return f"line {line} runs {use.managers[0]} in the container"
        if later.keyword == "ONBUILD":
            return f"line {line} runs in images that are built on this one"
        if later.keyword != "RUN":
            continue
        if later.script is None:
            return f"line {line} is not a shell command that could be read"
        if found := _wants(use, later.script, *_copied(document, later)):
            return f"line {line} {found}"
    return ""


def always_runs(script: Script, command: Command) -> bool:
    """Whether a script that comes to its end has carried out a command."""
    if set(command.around) - _ALWAYS:
        return False
    if script.is_chain:
        return True
    for place, each in enumerate(script.statements):
        if each.start <= command.start and command.end <= each.end:
            return place == 0 or script.statements[place - 1].connector == ";"
    return False


def _wants(use: Use, script: Script, copied: frozenset[str], anything: bool) -> str:
    filled = False
    for each in script.commands:
        values = {word.value for word in each.arguments}
        if each.name in use.managers:
            if values & set(use.asks):
                return f"asks {each.name} for what is there"
            filled = filled or (bool(values & set(use.fills)) and always_runs(script, each))
            verbs = [word for word in use.uses if word in values]
            known = values & {*use.fills, *use.uses, *use.fresh, *_HARMLESS}
            unsure = use.uses and None in values and not known
            if not filled and not values & set(use.fresh) and (verbs or unsure):
                return f"uses the lists: {each.name} {''.join(verbs[:1]) or '…'} without update"
            continue
        if filled:
            continue
        if each.name in use.also:
            return f"runs {each.name}"
        if reason := _is_unknown(each, copied, anything):
            return reason
        if any(_mentions(word.text, use.managers) for word in each.arguments):
            return f"may run {use.managers[0]} by {each.name}"
    return ""


def _is_unknown(command: Command, copied: frozenset[str], anything: bool) -> str:
    """Why nobody can tell what a command does; empty when its name tells."""
    if not command.words:
        return ""
    path = command.words[0].value
    script = "runs a script that is not in this file"
    if path is None or command.name in copied or command.name in _RUNNERS:
        return script
    if "/" in path and not path.startswith(_SYSTEM) and command.name not in _ENVIRONMENTS:
        return script
    values = [each.value or "" for each in command.arguments]
    if command.name in _SHELLS:
        return "runs a shell of its own" if values[:1] in ([], ["-c"]) else script
    if command.name == "eval":
        return "runs a shell of its own"
    if command.name in {".", "source"} and not all(
        each.startswith("/etc/") or each.endswith("/bin/activate") for each in values[:1]
    ):
        return script
    return script if anything and command.name not in _COMMON else ""


def _mentions(text: str, names: Sequence[str]) -> bool:
    """Whether a text has the name of a program, alone or in a directory of programs."""
    for word in _NAME.findall(text):
        directory, _, name = word.rpartition("/")
        if name in names and (not directory or directory.endswith("bin")):
            return True
    return False


def _copied(document: Document, run: Step) -> tuple[frozenset[str], bool]:
    """Names of programs that a COPY or ADD may have brought before a RUN, and whether there may
    be others."""
    names: set[str] = set()
    anything = False
    for step in document.steps:
        if step.keyword not in {"COPY", "ADD"} or step.index > run.index:
            continue
        *sources, target = step.line.json or split_words(step.line.text) or [""]
        target = posixpath.normpath(posixpath.join(step.state.cwd or "/", target))
        sources += [each.name for each in step.line.heredocs]
        below = any(
            each == target or each.startswith(target.rstrip("/") + "/") for each in _PROGRAMS
        )
        if not below and posixpath.dirname(target) not in _PROGRAMS and "$" not in target:
            continue
        names |= {posixpath.basename(each) for each in (*sources, target)}
        anything = anything or "$" in target or (below and any(map(_may_be_directory, sources)))
    return frozenset(names), anything


def _may_be_directory(source: str) -> bool:
    name = posixpath.basename(source)
    return "." not in name.strip(".") or bool(set(name) & set("*?["))
