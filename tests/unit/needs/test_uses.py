"""What an image uses of its base."""

from __future__ import annotations

from lamina.explain.stack import Stack
from lamina.needs.need import Kind, Need, Weight
from lamina.needs.own import Told
from lamina.needs.uses import Uses
from lamina.oci.config import Execution
from tests.fakes.elves import elf
from tests.fakes.systems import Tree, dpkg, glibc, program, system

PASSWD = b"root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n"
BASE: Tree = {
    **glibc("GLIBC_2.2.5", "GLIBC_2.34"),
    "bin/sh": program("libc.so.6"),
    "usr/bin/env": program(),
    "usr/bin/curl": program("libssl.so.3"),
    "usr/bin/python3": "python3.11",
    "usr/bin/python3.11": program(),
    "usr/lib/libssl.so.3": elf(soname="libssl.so.3"),
    "usr/lib/libz.so.1": elf(soname="libz.so.1"),
    "etc/passwd": PASSWD,
    "etc/ssl/certs/ca-certificates.crt": b"certificates",
    "usr/share/zoneinfo/Europe/Berlin": b"TZif",
    "usr/lib/locale/de_DE.utf8": None,
}


def told(stack: Stack) -> set[tuple[str, str, str]]:
    """Kind, name and weight of every need."""
    return {(each.kind.value, each.name, each.weight.value) for each in Uses(stack).needs}


def test_the_libraries_of_its_own_programs_and_not_those_of_the_base() -> None:
    app = program("libz.so.1", "libc.so.6", "libown.so", wants={"libc.so.6": ["GLIBC_2.34"]})
    own = {"srv/app": app, "usr/lib/libown.so": elf(soname="libown.so")}
    uses = Uses(system(BASE, own, base=1))
    assert uses.own.told is Told.LAYERS and uses.own.bytes == sum(map(len, own.values()))
    assert told(uses.stack) == {
        ("loader", "/lib64/ld-linux-x86-64.so.2", "must"),
        ("library", "libz.so.1", "must"),
        ("library", "libc.so.6", "must"),
    }
    libc = next(each for each in uses.needs if each.name == "libc.so.6")
    assert libc == Need(
        Kind.LIBRARY,
        "libc.so.6",
        "/srv/app",
        Weight.MUST,
        "lib/x86_64-linux-gnu/libc.so.6",
        "srv/app",
        ("GLIBC_2.34",),
    )


def test_what_it_starts_and_the_interpreters_of_its_scripts() -> None:
    own = {"srv/run": b"#!/usr/bin/env python3\n", "srv/notes": b"plain"}
    execution = Execution(entrypoint=("/srv/run",))
    assert told(system(BASE, own, base=1, execution=execution)) == {
        ("program", "/usr/bin/env", "must"),
        ("program", "python3", "must"),
        ("certificates", "certificates of authorities", "may"),
    }


def test_a_script_may_come_to_its_commands() -> None:
    own = {"entry.sh": b'#!/bin/sh\nif [ "$X" ]; then curl -s "$X"; fi\n'}
    execution = Execution(entrypoint=("/entry.sh",))
    assert told(system(BASE, own, base=1, execution=execution)) == {
        ("shell", "/bin/sh", "must"),
        ("program", "curl", "may"),
        ("certificates", "certificates of authorities", "may"),
    }


def test_certificates_for_what_speaks_tls_unless_they_are_its_own() -> None:
    tls = ("certificates", "certificates of authorities", "must")
    own = {"srv/app": program("libssl.so.3")}
    assert tls in told(system(BASE, own, base=1))
    go = {"srv/app": elf(strings=["crypto/x509"])}
    assert told(system(BASE, go, base=1)) == {tls}
    assert told(system(BASE, {"srv/app": elf()}, base=1)) == set()
    mine = {**go, "etc/ssl/certs/ca-certificates.crt": b"mine"}
    assert told(system(BASE, mine, base=1)) == set()


def test_users_that_the_base_names_and_none_that_it_makes_itself() -> None:
    own = {"etc/passwd": PASSWD + b"app:x:1000:1000::/:/bin/sh\n", "srv/page": b"x", "srv/q": b"y"}
    owners = {"srv/page": 33, "srv/q": 4711}
    stack = system(BASE, own, base=1, execution=Execution(user="app:app"), owners=owners)
    assert told(stack) == {("user", "www-data", "must")}
    stack = system(BASE, {}, base=1, execution=Execution(user="www-data"))
    assert told(stack) == {("user", "www-data", "must")}
    assert told(system(BASE, {}, base=1, execution=Execution(user="33"))) == set()


def test_the_time_zone_and_the_language_of_the_environment() -> None:
    env = ("TZ=Europe/Berlin", "LANG=de_DE.UTF-8", "LC_ALL=C.UTF-8")
    stack = system(BASE, {}, base=1, execution=Execution(env=env))
    assert told(stack) == {
        ("time zone", "Europe/Berlin", "must"),
        ("locale", "de_DE.UTF-8", "must"),
    }


def test_modules_of_python_need_the_python_that_they_lie_beside() -> None:
    own = {"usr/local/lib/python3.11/site-packages/x.py": b"import os"}
    assert ("program", "python3.11", "must") in told(system(BASE, own, base=1))


def test_what_its_instructions_run() -> None:
    base = {**BASE, "usr/bin/apt-get": program(), "usr/bin/make": program()}
    instructions = ["ADD rootfs", "RUN apt-get update && make", "COPY a b"]
    stack = system(base, {"a": b""}, {"b": b""}, base=1, instructions=instructions)
    assert told(stack) == {
        ("shell", "/bin/sh", "build"),
        ("package manager", "apt-get", "build"),
        ("program", "make", "build"),
    }


PACKAGES = ("libc6 : lib/x86_64-linux-gnu/libc.so.6", "zlib1g libc6 : usr/lib/libz.so.1")


def test_packages_that_its_own_ones_depend_on() -> None:
    tool = "tool zlib1g : usr/bin/tool usr/bin/helper"
    own = {
        "usr/bin/tool": program("libz.so.1"),
        "usr/bin/helper": b"#!/usr/bin/python3\n",
        **dpkg(*PACKAGES, "python3 : usr/bin/python3", tool),
    }
    base = {**BASE, **dpkg(*PACKAGES, "python3 : usr/bin/python3")}
    uses = Uses(system(base, own, base=1))
    assert uses.own.packages == ["tool"]
    assert uses.installs == {"zlib1g": "tool", "libc6": "zlib1g"}
    needs = {each.name: each for each in uses.needs}
    assert needs["libz.so.1"].package == "zlib1g" and needs["libz.so.1"].weight is Weight.MUST
    # The package does not depend on Python, so its tool can be without.
    assert needs["/usr/bin/python3"].weight is Weight.MAY
    assert needs["zlib1g"].kind is Kind.PACKAGE


def test_without_a_known_base_the_packages_are_the_base() -> None:
    tree = {
        **BASE,
        "srv/app": program("libz.so.1"),
        "usr/lib/python3/__pycache__/x.cpython-311.pyc": b"compiled",
        "usr/lib/python3/x.py": b"",
        "var/cache/big": bytes(1000),
        **dpkg(*PACKAGES, "python3 : usr/lib/python3/x.py", f"rest : {' '.join(BASE)}"),
    }
    uses = Uses(system(tree))
    assert uses.own.told is Told.PACKAGES
    assert uses.own.bytes == len(tree["srv/app"] or b"")
    assert {each.name for each in uses.needs} == {"/lib64/ld-linux-x86-64.so.2", "libz.so.1"}


def test_without_a_known_base_and_packages_the_lowest_layer_is_the_base() -> None:
    uses = Uses(system(BASE, {"srv/app": program("libz.so.1")}))
    assert uses.own.told is Told.LOWEST
    assert {each.name for each in uses.needs} == {"/lib64/ld-linux-x86-64.so.2", "libz.so.1"}
    whole = Uses(
        system({**BASE, "srv/app": program("libz.so.1")}, execution=Execution(cmd=("sh",)))
    )
    assert whole.own.told is Told.WHOLE and whole.own.bytes == 0
    assert [(each.kind, each.name) for each in whole.needs] == [(Kind.SHELL, "sh")]


def test_an_image_that_uses_nothing() -> None:
    assert Uses(system(BASE, {"srv/data": b"x"}, base=1)).needs == []
    assert Uses(system()).needs == []
