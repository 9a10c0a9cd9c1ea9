"""System call filters as the runtime specification writes them.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from errno import ENOSYS, EPERM
from typing import Any

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
        rule["args"] = [
            {"index": index, "value": value, "valueTwo": second, "op": op}
            for index, value, op, second in comparisons
        ]
    return rule
