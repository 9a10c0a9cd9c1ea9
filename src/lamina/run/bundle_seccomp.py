"""System call filters as the runtime specification writes them.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from errno import ENOSYS, EPERM
from typing import Any

from lamina.linux import seccomp_json
from lamina.linux import seccomp_profile as profile

_ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}
_NEWER = """
    cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue lsm_get_self_attr
    lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat
"""
"""`seccomp_profile.NEWER_ALLOWED` by name.  What a runtime does not know it leaves out."""


_ACTIONS = {
    seccomp_json.ALLOW: "SCMP_ACT_ALLOW",
    seccomp_json.LOG: "SCMP_ACT_LOG",
    seccomp_json.TRACE: "SCMP_ACT_TRACE",
    seccomp_json.ERRNO: "SCMP_ACT_ERRNO",
    0x00030000: "SCMP_ACT_TRAP",
    0x00000000: "SCMP_ACT_KILL",
    0x80000000: "SCMP_ACT_KILL_PROCESS",
}
_NUMBERED = {"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"}
_OPERATORS = ("", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_TOKENS = {
    0x40000003: "SCMP_ARCH_X86",
    0x4000003E: "SCMP_ARCH_X32",
    0x40000028: "SCMP_ARCH_ARM",
}


def of_profile(text: str, capabilities: Iterable[str], machine: str, kernel: str) -> dict[str, Any]:
    """What a profile in Docker's form comes to for a container with these capabilities.

    Raises BadProfile, Unsupported.
    """
    rules = seccomp_json.rules_of(text, capabilities, machine=machine, kernel=kernel)
    action, number = _action(rules.default)
    document: dict[str, Any] = {"defaultAction": action, "syscalls": []}
    if number is not None:
        document["defaultErrnoRet"] = number
    own = _ARCHITECTURES.get(machine, [])[:1]
    if own:
        document["architectures"] = [*own, *(_TOKENS[token] for token in rules.architectures)]
    for rule in rules.rules:
        action, number = _action(rule.action)
        each: dict[str, Any] = {"names": list(rule.names), "action": action}
        if number is not None:
            each["errnoRet"] = number
        if rule.comparisons:
            each["args"] = [
                _argument(index, value, f"SCMP_CMP_{_OPERATORS[op]}", second)
                for index, op, value, second in rule.comparisons
            ]
        document["syscalls"].append(each)
    return document


def _action(number: int) -> tuple[str, int | None]:
    name = _ACTIONS[number & 0xFFFF0000]
    return name, number & 0xFFFF if name in _NUMBERED else None


def built_in(capabilities: Iterable[str], machine: str) -> dict[str, Any]:
    """The profile of the embedded runtime, for a container with these capabilities."""
    held = frozenset(capabilities)
    names = f"{profile.ALWAYS} {_NEWER} {profile.BY_MACHINE.get(machine, '')}".split()
    for capability in sorted(held & profile.BY_CAPABILITY.keys()):
        names += profile.BY_CAPABILITY[capability].split()
    rules = [_allow(dict.fromkeys(names))]
    if "SYS_ADMIN" not in held:
        rules += [
            _allow(["clone"], (0, profile.NAMESPACE_FLAGS, "SCMP_CMP_MASKED_EQ", 0)),
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS},
        ]
    rules.append(_allow(["socket"], (0, profile.AF_VSOCK, "SCMP_CMP_NE", 0)))
    rules += [
        _allow(["personality"], (0, each, "SCMP_CMP_EQ", 0)) for each in profile.PERSONALITIES
    ]
    document: dict[str, Any] = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "syscalls": rules,
    }
    if machine in _ARCHITECTURES:
        document["architectures"] = _ARCHITECTURES[machine]
    return document


def _allow(names: Iterable[str], *comparisons: tuple[int, int, str, int]) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": list(names), "action": "SCMP_ACT_ALLOW"}
    if comparisons:
        rule["args"] = [_argument(*comparison) for comparison in comparisons]
    return rule


def _argument(index: int, value: int, op: str, second: int) -> dict[str, Any]:
    return {"index": index, "value": value, "valueTwo": second, "op": op}
