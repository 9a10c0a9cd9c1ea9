"""Profiles of system calls as Docker and the runtime specification write them.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from errno import EPERM
from typing import Any

import msgspec

from lamina.errors import Invalid, Unsupported

ALLOW, LOG, TRACE, ERRNO = 0x7FFF0000, 0x7FFC0000, 0x7FF00000, 0x00050000
_ACTIONS = {
    "SCMP_ACT_ALLOW": ALLOW,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_LOG": LOG,
    "SCMP_ACT_TRACE": TRACE,
    "SCMP_ACT_TRAP": 0x00030000,
}
_WITH_NUMBER = {ERRNO, TRACE}
_OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
_NAMES_OF_MACHINE = {"x86_64": ("amd64", "x86_64"), "aarch64": ("arm64", "aarch64")}
_ARCHITECTURES = {
    "x86_64": {"SCMP_ARCH_X86": 0x40000003, "SCMP_ARCH_X32": 0x4000003E, "SCMP_ARCH_X86_64": 0},
    "aarch64": {"SCMP_ARCH_ARM": 0x40000028, "SCMP_ARCH_AARCH64": 0},
}
"""libseccomp's tokens of those that run beside the native one, which has 0."""


class BadProfile(Invalid):
    """The text is no profile of system calls."""

    def __init__(self, why: str) -> None:
        super().__init__(f"loading seccomp profile failed: {why}")


class Rule(msgspec.Struct, frozen=True):
    """One condition under which some system calls are treated otherwise than by default."""

    names: tuple[str, ...]
    action: int
    """As libseccomp takes it, with the error number in its low bits."""
    comparisons: tuple[tuple[int, int, int, int], ...] = ()
    """Argument, operator, and its two values; all must hold."""


class Rules(msgspec.Struct, frozen=True):
    """A profile, for one container on one machine."""

    default: int
    architectures: tuple[int, ...]
    """libseccomp's tokens of those beside the native one."""
    rules: tuple[Rule, ...]


class _Argument(msgspec.Struct):
    index: int
    op: str
    value: int
    value_two: int = msgspec.field(default=0, name="valueTwo")


class _Filter(msgspec.Struct):
    caps: list[str] | None = None
    arches: list[str] | None = None
    min_kernel: str = msgspec.field(default="", name="minKernel")


class _Syscall(msgspec.Struct):
    action: str
    names: list[str] | None = None
    name: str = ""
    args: list[_Argument | None] | None = None
    includes: _Filter | None = None
    excludes: _Filter | None = None
    errno: int | None = msgspec.field(default=None, name="errnoRet")


class _Architecture(msgspec.Struct):
    architecture: str
    sub: list[str] | None = msgspec.field(default=None, name="subArchitectures")


class _Document(msgspec.Struct):
    default: str = msgspec.field(name="defaultAction")
    errno: int | None = msgspec.field(default=None, name="defaultErrnoRet")
    architectures: list[str] | None = None
    arch_map: list[_Architecture] | None = msgspec.field(default=None, name="archMap")
    syscalls: list[_Syscall] | None = None
    listener: str = msgspec.field(default="", name="listenerPath")


def check_profile(text: str) -> None:
    """That `text` is a profile.  Raises BadProfile, Unsupported."""
    for machine in _ARCHITECTURES:
        rules_of(text, (), machine=machine, kernel="6.0")


def rules_of(text: str, capabilities: Iterable[str], *, machine: str, kernel: str) -> Rules:
    """What the profile `text` comes to for a container with these capabilities (`NET_ADMIN`)
    on a machine and kernel (as uname(2) has both).

    Raises BadProfile, Unsupported.
    """
    document = _read(text)
    held = frozenset(f"CAP_{name}" for name in capabilities)
    default = _action(document.default, document.errno)
    rules: list[Rule] = []
    for call in document.syscalls or ():
        if bool(call.name) == bool(call.names):
            raise BadProfile("each rule of a profile has either 'name' or 'names'")
        if _applies(call, held, machine, kernel):
            rules += _rules(call, default)
        else:
            _action(call.action, call.errno)
    return Rules(default, _beside(document, machine), tuple(rules))


def _read(text: str) -> _Document:
    try:
        document = msgspec.json.decode(text, type=_Document)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BadProfile(str(error)) from None
    if document.architectures and document.arch_map:
        raise BadProfile("it has 'architectures' and 'archMap': use one of them")
    if document.listener:
        raise Unsupported("seccomp profiles with a listener are not supported")
    return document


def _action(text: str, errno: int | None) -> int:
    if text == "SCMP_ACT_NOTIFY":
        raise Unsupported("seccomp profiles with SCMP_ACT_NOTIFY are not supported")
    if text not in _ACTIONS:
        raise BadProfile(f"no action {text!r}")
    action = _ACTIONS[text]
    if action not in _WITH_NUMBER:
        return action
    number = EPERM if errno is None else errno
    if not 0 <= number < 1 << 16:
        raise BadProfile(f"no error number {number}")
    return action | number


def _applies(call: _Syscall, held: frozenset[str], machine: str, kernel: str) -> bool:
    names = _NAMES_OF_MACHINE.get(machine, (machine,))
    if (excludes := call.excludes) is not None and (
        held & set(excludes.caps or ())
        or set(names) & set(excludes.arches or ())
        or (excludes.min_kernel and _version(kernel) >= _version(excludes.min_kernel))
    ):
        return False
    includes = call.includes or _Filter()
    return bool(
        held >= set(includes.caps or ())
        and (not includes.arches or set(names) & set(includes.arches))
        and (not includes.min_kernel or _version(kernel) >= _version(includes.min_kernel))
    )


def _version(text: str) -> tuple[int, int]:
    major, _, rest = text.partition(".")
    minor = ""
    for character in rest:
        if not character.isdigit():
            break
        minor += character
    if not major.isdigit():
        raise BadProfile(f"no version of a kernel: {text!r}")
    return int(major), int(minor or 0)


def _rules(call: _Syscall, default: int) -> list[Rule]:
    action = _action(call.action, call.errno)
    if action == default:
        return []
    names = tuple(call.names or (call.name,))
    comparisons = [_comparison(each) for each in call.args or () if each is not None]
    indices = [index for index, *_ in comparisons]
    if len(set(indices)) < len(indices):  # several of one argument mean any of them
        return [Rule(names, action, (each,)) for each in comparisons]
    return [Rule(names, action, tuple(comparisons))]


def _comparison(argument: _Argument) -> tuple[int, int, int, int]:
    if argument.op not in _OPERATORS:
        raise BadProfile(f"no operator {argument.op!r}")
    if not 0 <= argument.index < 6:
        raise BadProfile(f"no argument {argument.index}: there are six")
    values = (argument.value & _WORD, argument.value_two & _WORD)
    return argument.index, _OPERATORS[argument.op], *values


_WORD = (1 << 64) - 1


def _beside(document: _Document, machine: str) -> tuple[int, ...]:
    known: dict[str, Any] = _ARCHITECTURES.get(machine, {})
    named = document.architectures or ()
    for each in document.arch_map or ():
        if known.get(each.architecture) == 0:
            named = (each.architecture, *(each.sub or ()))
    return tuple(known[name] for name in named if known.get(name))
