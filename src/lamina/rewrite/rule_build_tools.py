"""Compilers and their kin in the stages whose layers are the image.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.rewrite.document import Step
from lamina.rewrite.finding import UNKNOWN, Amount, Finding
from lamina.rewrite.lint_rule import LintRule, View
from lamina.shell.script import Command

_TOOLS = re.compile(
    r"build-essential|build-base|base-devel"
    r"|(gcc|g\+\+|cpp|clang|llvm|gfortran|binutils|musl-dev|libc6-dev|libc-dev)(-\d[\d.]*)?"
    r"|gcc-c\+\+|make|cmake|ninja(-build)?|meson|autoconf|automake|libtool|bison|flex|m4"
    r"|golang(-go|-\d.*)?|rustc|cargo|(default|openjdk-?\d+)-?-jdk(-headless)?|maven|gradle"
    r"|python3?-dev|linux-headers(-.*)?|.+-dev(el)?"
)
"""Names of packages that build programs and are of no use to those that are built."""
_INSTALL = {
    "apt": ("install",),
    "apt-get": ("install",),
    "apk": ("add",),
    "dnf": ("install",),
    "microdnf": ("install",),
    "yum": ("install",),
    "zypper": ("install", "in"),
}
_WORTH_READING = re.compile(r"\b(install|add|in)\b")
_REMOVE = {"remove", "purge", "autoremove", "del", "erase", "rm"}
_PLACES = (
    *("usr/include/", "usr/lib/gcc/", "usr/libexec/gcc/", "usr/lib/go", "usr/lib/llvm"),
    *("usr/local/include/", "usr/share/cmake"),
)
_PROGRAMS = re.compile(
    r"usr/bin/([\w.-]+-)?(gcc|g\+\+|cpp|cc1|clang|ld|as|gold|cmake|make|ninja|objdump)(-[\d.]+)?$"
)
_TOLD = 4


def _judge(view: View, rule: LintRule) -> Iterator[Finding]:
    for step in view.document.shipped_steps:
        tools = installed_tools(step)
        if not tools:
            continue
        told = ", ".join(tools[:_TOLD])
        if len(tools) > _TOLD:
            told += f" and {len(tools) - _TOLD} more"
        message = f"this step leaves what programs are built with: {told}"
        yield rule.found(step.line, message, amount=_amount(view, step))


def installed_tools(step: Step) -> list[str]:
    """The packages of tools that a RUN installs, unless it removes packages as well."""
    if step.keyword != "RUN" or not _WORTH_READING.search(step.line.text):
        return []
    found: list[str] = []
    for command in step.commands(*_INSTALL):
        words = [word.value for word in command.arguments if word.value]
        if set(words) & _REMOVE:
            return []
        if set(words) & set(_INSTALL[command.name]):
            found += [name for name in map(_package, _packages(command)) if _is_tool(name)]
    return list(dict.fromkeys(found))


def _packages(command: Command) -> Iterator[str]:
    """What stands behind `install`; the value of `--virtual` is no package."""
    words = [word.value for word in command.arguments if word.value]
    verbs = set(_INSTALL[command.name])
    is_behind = skips = False
    for word in words:
        if word in verbs and not is_behind:
            is_behind = True
        elif word in ("-t", "--virtual"):
            skips = True
        elif skips:
            skips = False
        elif is_behind and not word.startswith("-"):
            yield word


def _package(word: str) -> str:
    return re.split(r"[=<>~:/]", word, maxsplit=1)[0]


def _is_tool(name: str) -> bool:
    return _TOOLS.fullmatch(name) is not None


def _amount(view: View, step: Step) -> Amount:
    found = view.evidence.visible(step, _is_for_building)
    return found if found.bytes else UNKNOWN


def _is_for_building(path: str) -> bool:
    return path.startswith(_PLACES) or _PROGRAMS.match(path) is not None


BUILD_TOOLS = LintRule(
    "build-tools",
    "the image has no compilers, headers and tools to build with",
    "build in a stage of its own and COPY --from it, or purge them in the same RUN",
    "info",
    _judge,
)
