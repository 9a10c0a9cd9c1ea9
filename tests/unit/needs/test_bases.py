"""Whether another base holds what an image uses."""

from __future__ import annotations

from lamina.explain.stack import Stack
from lamina.needs.bases import Holding, Judgement, judge, rank
from lamina.needs.need import Weight
from lamina.needs.uses import Uses
from lamina.oci.config import Execution
from tests.fakes.elves import elf
from tests.fakes.systems import LIBC, Tree, dpkg, glibc, program, system

PASSWD = b"root:x:0:0::/:/bin/sh\napp:x:33:33::/:/bin/sh\n"
BASE: Tree = {
    **glibc("GLIBC_2.2.5", "GLIBC_2.34"),
    "bin/sh": program("libc.so.6"),
    "usr/bin/python3": "python3.11",
    "usr/bin/python3.11": program(),
    "usr/lib/libz.so.1": elf(soname="libz.so.1"),
    "etc/passwd": PASSWD,
    "usr/share/doc/big": bytes(5000),
    **dpkg("libc6 : lib/x86_64-linux-gnu/libc.so.6", "zlib1g libc6 : usr/lib/libz.so.1"),
}
APP: Tree = {
    "srv/app": program("libz.so.1", "libc.so.6", wants={"libc.so.6": ["GLIBC_2.34"]}),
    "srv/run": b"#!/usr/bin/python3\n",
}
USES = Uses(system(BASE, APP, base=1, execution=Execution(cmd=("/srv/app",), user="app")))


def candidate(changes: Tree, *, without: tuple[str, ...] = (), name: str = "small:1") -> Stack:
    """The base with changes."""
    tree = {path: content for path, content in BASE.items() if path not in without}
    return system({**tree, **changes}, name=name)


def answers(judgement: Judgement) -> dict[str, tuple[Holding, str]]:
    """What is not simply held, by the name of the need."""
    return {
        each.need.name: (each.holding, each.note)
        for each in judgement.answers
        if each.holding is not Holding.HELD or each.note
    }


def test_the_present_base_holds_everything() -> None:
    found = judge(USES, candidate({}))
    assert found.holds_all and answers(found) == {} and found.saves == 0


def test_the_sizes_are_those_of_the_trees() -> None:
    found = judge(USES, candidate({}, without=("usr/share/doc/big",)))
    own = sum(len(each) for each in APP.values() if isinstance(each, bytes))
    assert found.holds_all and found.saves == 5000
    assert found.bytes == found.base_bytes + own == USES.stack.account.visible_bytes - 5000


def test_a_missing_library_is_told_with_the_package_that_has_it() -> None:
    apt = {"usr/bin/apt-get": program(), **dpkg("libc6 : lib/x86_64-linux-gnu/libc.so.6")}
    found = judge(USES, candidate(apt, without=("usr/lib/libz.so.1",)))
    assert not found.holds_all and found.lacking == 0
    assert answers(found) == {"libz.so.1": (Holding.MISSING, "")}
    assert found.packages == ("zlib1g",) and "apt-get install -y" in found.install
    assert "zlib1g" in found.install and found.package_bytes == 102400


def test_a_package_that_is_there_without_the_library_is_not_installed_again() -> None:
    apt = {"usr/bin/apt-get": program()}
    found = judge(USES, candidate(apt, without=("usr/lib/libz.so.1",)))
    assert found.packages == () and found.install == "" and found.lacking == 1


def test_where_there_is_no_package_manager_no_command_is_given() -> None:
    records = tuple(path for path in BASE if path.startswith("var/lib/dpkg"))
    found = judge(USES, candidate({}, without=("usr/lib/libz.so.1", *records)))
    assert found.packages == ("zlib1g",) and found.install == "" and found.lacking == 1


def test_another_library_of_the_name_is_told() -> None:
    changes = {f"{LIBC.rpartition('/')[0]}/libz.so.2": elf(soname="libz.so.2")}
    found = judge(USES, candidate(changes, without=("usr/lib/libz.so.1",)))
    assert answers(found) == {"libz.so.1": (Holding.MISSING, "there it is libz.so.2")}


def test_an_older_libc_lacks_versions_of_symbols() -> None:
    found = judge(USES, candidate(glibc("GLIBC_2.2.5")))
    assert answers(found) == {"libc.so.6": (Holding.MISSING, "is older there: it lacks GLIBC_2.34")}
    assert not found.holds_all


def test_programs_in_another_version_or_place() -> None:
    changes: Tree = {"usr/bin/python3": "python3.12", "usr/bin/python3.12": program()}
    found = judge(USES, candidate(changes))
    note = "there it is python3.12, here python3.11"
    assert found.holds_all and answers(found) == {"/usr/bin/python3": (Holding.OTHER, note)}
    changes = {"usr/local/bin/python3": program()}
    found = judge(USES, candidate(changes, without=("usr/bin/python3",)))
    note = "there it is /usr/local/bin/python3"
    assert answers(found) == {"/usr/bin/python3": (Holding.MISSING, note)}


def test_users_by_name_and_number() -> None:
    found = judge(USES, candidate({"etc/passwd": b"app:x:34:34::/:/\n"}))
    assert answers(found) == {"app": (Holding.OTHER, "its number is 34 there, 33 here")}
    found = judge(USES, candidate({"etc/passwd": b""}))
    assert answers(found) == {"app": (Holding.MISSING, "its number here is 33")}


def test_another_libc_or_machine_is_not_possible() -> None:
    musl = system({"lib/ld-musl-x86_64.so.1": elf()}, name="alpine")
    found = judge(USES, musl)
    assert found.impossible == "it has musl, and /srv/app is made for glibc"
    assert not found.holds_all and not found.answers
    static = system({"bin/busybox": elf()})
    assert judge(USES, static).impossible.startswith("it has no dynamic loader")
    arm = system(BASE, architecture="arm64")
    assert judge(USES, arm).impossible == "it is for linux/arm64, and the image for linux/amd64"


def test_what_its_own_packages_bring_along() -> None:
    tool = "tool zlib1g : usr/bin/tool"
    status = dpkg(
        "libc6 : lib/x86_64-linux-gnu/libc.so.6", "zlib1g libc6 : usr/lib/libz.so.1", tool
    )
    own = {"usr/bin/tool": program("libz.so.1"), **status}
    uses = Uses(system(BASE, own, base=1))
    apt = {"usr/bin/apt-get": program(), **dpkg("libc6 : lib/x86_64-linux-gnu/libc.so.6")}
    found = judge(uses, candidate(apt, without=("usr/lib/libz.so.1",)))
    assert found.holds_all
    assert answers(found) == {
        "libz.so.1": (Holding.COMES, ""),
        "zlib1g": (Holding.COMES, ""),
    }
    own_bytes = sum(len(each) for each in own.values() if isinstance(each, bytes))
    assert found.bytes == found.base_bytes + own_bytes + 102400
    assert found.packages == () and found.package_bytes == 0


def test_packages_of_its_own_are_those_of_the_other_distribution_there() -> None:
    """Another release has another libz, and its own build of the tool."""
    tool = "tool zlib1g : usr/bin/tool"
    records = ("libc6 : lib/x86_64-linux-gnu/libc.so.6", "zlib1g libc6 : usr/lib/libz.so.1")
    wants = {"libc.so.6": ["GLIBC_2.34"]}
    own = {"usr/bin/tool": program("libc.so.6", "libz.so.1", wants=wants), **dpkg(*records, tool)}
    uses = Uses(system(BASE, own, base=1))
    older = {"usr/bin/apt-get": program(), **glibc("GLIBC_2.2.5")}
    found = judge(uses, candidate(older))
    assert found.holds_all and answers(found) == {"libc.so.6": (Holding.COMES, "")}
    by_hand = Uses(system(BASE, {**own, "srv/app": APP["srv/app"]}, base=1))
    assert [each.need.name for each in judge(by_hand, candidate(older)).missing] == ["libc.so.6"]


def test_what_may_be_missed_is_not_installed() -> None:
    base = {
        **BASE,
        "usr/bin/jq": program(),
        **dpkg("jq : usr/bin/jq"),
        "usr/bin/apt-get": program(),
    }
    script = {"entry.sh": b"#!/bin/sh\njq .\n"}
    stack = system(base, script, base=1, execution=Execution(cmd=("/entry.sh",)))
    found = judge(Uses(stack), candidate({"usr/bin/apt-get": program()}))
    assert found.holds_all and found.perhaps == ("jq",)
    assert found.packages == () and found.install == "" and found.package_bytes == 0


def test_what_cannot_be_built_there() -> None:
    base = {**BASE, "usr/bin/make": program()}
    stack = system(base, APP, base=1, instructions=["ADD x", "RUN make"])
    found = judge(Uses(stack), candidate({}))
    assert not found.holds_all and not found.missing
    assert [each.need.weight for each in found.with_(Holding.MISSING)] == [Weight.BUILD]


def test_the_best_candidate_comes_first() -> None:
    held = judge(USES, candidate({}, without=("usr/share/doc/big",), name="held"))
    less = judge(USES, candidate({}, name="less"))
    lost = judge(USES, candidate({}, without=("bin/sh", "usr/lib/libz.so.1"), name="lost"))
    never = judge(USES, system({"bin/busybox": elf()}, name="never"))
    assert [each.name for each in rank([never, lost, less, held])] == [
        "held",
        "less",
        "lost",
        "never",
    ]


def test_musl_on_musl() -> None:
    loader = "lib/ld-musl-x86_64.so.1"
    records = "P:musl\nV:1\nF:lib\nR:ld-musl-x86_64.so.1\n\nP:zlib\nV:1\nF:lib\nR:libz.so.1\n\n"
    base = {
        loader: elf(),
        "lib/libz.so.1": elf(soname="libz.so.1"),
        "sbin/apk": elf(),
        "lib/apk/db/installed": records.encode(),
    }
    app = elf("libz.so.1", "libc.musl-x86_64.so.1", interpreter=f"/{loader}")
    uses = Uses(system(base, {"srv/app": app}, base=1))
    assert judge(uses, system(base, name="same")).holds_all
    fewer = {path: content for path, content in base.items() if path != "lib/libz.so.1"}
    fewer["lib/apk/db/installed"] = records.partition("\n\n")[0].encode()
    found = judge(uses, system(fewer, name="fewer"))
    assert [each.need.name for each in found.missing] == ["libz.so.1"]
    assert found.install == "apk add --no-cache zlib"
    assert judge(uses, system(BASE)).impossible == ("it has glibc, and /srv/app is made for musl")
