"""Profiles in Docker's form, read for one container."""

from __future__ import annotations

import json

import pytest

from lamina.errors import Unsupported
from lamina.linux.seccomp_json import ALLOW, ERRNO, BadProfile, Rule, Rules, check_profile, rules_of


def rules(
    *calls: object, machine: str = "x86_64", caps: tuple[str, ...] = (), **top: object
) -> Rules:
    document = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": calls, **top}
    return rules_of(json.dumps(document), caps, machine=machine, kernel="5.10.0-13-amd64")


def allow(*names: str, **more: object) -> dict[str, object]:
    return {"names": names, "action": "SCMP_ACT_ALLOW", **more}


def test_names_actions_and_errors() -> None:
    found = rules(
        allow("read", "write"),
        {"name": "mount", "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {"name": "same", "action": "SCMP_ACT_ERRNO"},
        defaultErrnoRet=1,
    )
    assert found.default == ERRNO | 1
    assert found.rules == (Rule(("read", "write"), ALLOW), Rule(("mount",), ERRNO | 38))


def test_filters_choose_by_capability_architecture_and_kernel() -> None:
    calls = (
        allow("a", includes={"caps": ["CAP_SYS_ADMIN"]}),
        allow("b", excludes={"caps": ["CAP_SYS_ADMIN"]}),
        allow("c", includes={"arches": ["amd64", "x32"]}),
        allow("d", excludes={"arches": ["amd64"]}),
        allow("e", includes={"minKernel": "4.8"}),
        allow("f", includes={"minKernel": "5.11"}),
    )
    assert [rule.names[0] for rule in rules(*calls).rules] == ["b", "c", "e"]
    admin = rules(*calls, caps=("SYS_ADMIN",), machine="aarch64")
    assert [rule.names[0] for rule in admin.rules] == ["a", "d", "e"]


def test_arguments_of_one_index_mean_any_others_all() -> None:
    one = {"index": 0, "op": "SCMP_CMP_EQ", "value": 8}
    two = {"index": 1, "op": "SCMP_CMP_MASKED_EQ", "value": 0x7E020000, "valueTwo": 0}
    (both,) = rules(allow("x", args=[one, two])).rules
    assert both.comparisons == ((0, 4, 8, 0), (1, 7, 0x7E020000, 0))
    any_ = rules(allow("x", args=[one, {**one, "value": 9}])).rules
    assert [rule.comparisons for rule in any_] == [((0, 4, 8, 0),), ((0, 4, 9, 0),)]


def test_architectures() -> None:
    listed = rules(architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
    assert listed.architectures == (0x40000003,)
    table = [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ]
    assert rules(archMap=table).architectures == (0x4000003E,)
    assert rules(archMap=table, machine="aarch64").architectures == (0x40000028,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"defaultAction": "SCMP_ACT_HOPE"}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["a"],'
        ' "archMap": [{"architecture": "b"}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO"}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "x"}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action":'
        ' "SCMP_ACT_ERRNO", "args": [{"index": 9, "op": "SCMP_CMP_EQ", "value": 1}]}]}',
    ],
)
def test_what_is_no_profile(text: str) -> None:
    with pytest.raises(BadProfile, match="loading seccomp profile failed"):
        check_profile(text)


def test_a_profile_that_wants_a_listener_is_refused() -> None:
    with pytest.raises(Unsupported):
        check_profile('{"defaultAction": "SCMP_ACT_NOTIFY"}')
