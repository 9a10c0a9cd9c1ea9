"""How advice about a base is told."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from lamina.explain.stack import Stack
from lamina.needs.bases import judge, rank
from lamina.needs.uses import Uses
from lamina.oci.config import Execution, Healthcheck
from lamina.report import bases as report
from lamina.report.paper import Paper
from tests.fakes.elves import elf
from tests.fakes.systems import Tree, dpkg, glibc, program, system
from tests.golden.golden import check

LIBC6 = "libc6 : lib/x86_64-linux-gnu/libc.so.6"
BASE: Tree = {
    **glibc("GLIBC_2.34"),
    "bin/sh": "dash",
    "bin/dash": program("libc.so.6"),
    "usr/bin/apt-get": program(),
    "usr/bin/curl": program(),
    "usr/bin/python3": "python3.11",
    "usr/bin/python3.11": program(),
    "usr/lib/libz.so.1": elf(soname="libz.so.1"),
    "usr/lib/libpq.so.5": elf(soname="libpq.so.5"),
    "etc/passwd": b"root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n",
    "usr/share/doc/big": bytes(40_000_000),
    **dpkg(LIBC6, "zlib1g : usr/lib/libz.so.1", "libpq5 zlib1g : usr/lib/libpq.so.5"),
}
APP: Tree = {
    "srv/app": program("libz.so.1", "libpq.so.5", "libc.so.6", wants={"libc.so.6": ["GLIBC_2.34"]}),
    "srv/\x1b[2Jrun": b"#!/usr/bin/python3\n",
    "entry.sh": b"#!/bin/sh\ncurl -s x\nexec $@\n",
}
EXECUTION = Execution(
    entrypoint=("/entry.sh",),
    cmd=("/srv/app",),
    user="www-data",
    healthcheck=Healthcheck(("CMD", "curl", "x")),
)
LABELS = {"org.opencontainers.image.base.name": "docker.io/library/debian:bookworm"}


def small(name: str, changes: Tree, *without: str) -> Stack:
    """The base without its papers."""
    gone = ("usr/share/doc/big", *without)
    tree = {path: content for path, content in BASE.items() if path not in gone}
    return system({**tree, **changes}, name=name)


@pytest.fixture(scope="module")
def telling() -> report.Telling:
    uses = Uses(system(BASE, APP, base=1, execution=EXECUTION))
    less = dpkg(LIBC6)
    candidates = [
        system({"lib/ld-musl-x86_64.so.1": elf()}, name="alpine:3"),
        small("poor:1", less, "usr/lib/libz.so.1", "usr/lib/libpq.so.5", "etc/passwd"),
        small("next:13", {"usr/bin/python3": "python3.13", "usr/bin/python3.13": program()}),
        small("same:12", {}),
    ]
    judged = [replace(judge(uses, each), from_name=each.name) for each in candidates]
    unread = [("no/where:1", "no image no/where:1 in the store")]
    return report.Telling(uses, rank(judged), unread, ["3 more images of the store are smaller"])


@pytest.mark.parametrize("width", [80, 120])
def test_candidates_and_what_the_best_have(telling: report.Telling, width: int) -> None:
    check(f"cli/bases-{width}.txt", report.as_text(telling, Paper(width)))


def test_colour_and_plain_letters(telling: report.Telling) -> None:
    check("cli/bases-colour.txt", report.as_text(telling, Paper(100, colored=True, unicode=False)))


def test_without_candidates_it_says_how_to_give_some() -> None:
    execution = Execution(cmd=("/bin/dash",), labels=LABELS)
    uses = Uses(system(BASE, execution=execution))
    check("cli/bases-none.txt", report.as_text(report.Telling(uses, []), Paper(80)))


def test_the_json_says_all_that_is_known(telling: report.Telling) -> None:
    document = report.as_json(telling)
    assert json.loads(json.dumps(document)) == document
    assert (document["base"], document["base_told_by"]) == ("base:1", "layers")
    assert document["own_bytes"] == sum(len(each) for each in APP.values() if each)
    names = [each["name"] for each in document["candidates"]]
    assert names == ["same:12", "next:13", "poor:1", "alpine:3"]
    assert [each["holds_all"] for each in document["candidates"]] == [True, True, False, False]
    assert document["unread"] == [
        {"name": "no/where:1", "error": "no image no/where:1 in the store"}
    ]
    needs = {(each["kind"], each["name"]): each for each in document["needs"]}
    assert needs["library", "libpq.so.5"]["package"] == "libpq5"
    assert needs["program", "curl"]["weight"] == "must"
