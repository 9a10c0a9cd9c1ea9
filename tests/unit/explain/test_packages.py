"""The packages of an image: each manager's own format, and what is damaged."""

from __future__ import annotations

import gzip
import sqlite3
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.explain.package_records import (
    Package,
    apk_packages,
    dpkg_packages,
    npm_package,
    python_package,
)
from lamina.explain.packages import inventory, packages
from lamina.explain.rpm import BadRpmDatabase, rpm_packages
from tests.fakes.stacks import stack_of, stack_of_files
from tests.unit.layer.stacks import listing

DATA = Path(__file__).parent / "data"
DPKG = """\
Package: bash
Essential: yes
Status: install ok installed
Priority: required
Installed-Size: 7164
Architecture: amd64
Version: 5.2.15-2+b7
Description: GNU Bourne Again SHell
 Bash is an sh-compatible command language interpreter.
 Version: not this one
Source: bash (5.2.15-2)

Package: gone
Status: deinstall ok config-files
Version: 1

Package: half
Status: install ok half-configured
Version: 2

Status: install ok installed
Version: 3
"""
APK = """\
C:Q1jVhIMBnEHIpzsvtfvyhMpTBHYDo=
P:musl
V:1.2.4-r2
A:x86_64
S:383304
I:622592
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl
m:Natanael Copa <ncopa@alpinelinux.org>
t:1695154055
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1WTsXIWi8yzoJf5RNvEVu7ZQ2gxQ=

C:Q1nAoXfGQIVPtvhLCIEoxmaEMNHv0=
P:busybox
V:1.36.1-r2
A:x86_64
I:962560
o:busybox
F:bin
R:busybox
"""
METADATA = "Metadata-Version: 2.1\nName: requests\nVersion: 2.31.0\n\nName: no header\n"
RECORD = "requests/__init__.py,sha256=abc,4924\nrequests/_x.py,sha256=def,1397\nRECORD,,\n"


def rpm_database() -> bytes:
    return gzip.decompress((DATA / "rpmdb.sqlite.gz").read_bytes())


def test_dpkg_has_what_is_unpacked() -> None:
    bash, half = dpkg_packages(DPKG, "status")
    assert bash == Package("dpkg", "bash", "5.2.15-2+b7", "amd64", "bash", 7164 * 1024, "status")
    assert (half.name, half.version, half.source, half.bytes) == ("half", "2", "half", 0)


@pytest.mark.parametrize(
    ("fields", "maintainer", "license_"),
    [
        ("Author: A\nAuthor-email: a@b\nLicense: MIT", "A <a@b>", "MIT"),
        ("Author-email: A <a@b>\nLicense-Expression: MIT OR 0BSD", "A <a@b>", "MIT OR 0BSD"),
        ("Author: A\nMaintainer: M", "M", ""),
        ("License: BSD\nLicense-Expression: BSD-3-Clause", "", "BSD-3-Clause"),
    ],
)
def test_who_made_a_python_package(fields: str, maintainer: str, license_: str) -> None:
    found = python_package(f"Name: x\nVersion: 1\n{fields}\n\n", "", "m")
    assert found is not None
    assert (found.maintainer, found.license) == (maintainer, license_)


@pytest.mark.parametrize(
    ("fields", "maintainer", "license_"),
    [
        ('"author":"A <a@b>","license":"ISC"', "A <a@b>", "ISC"),
        ('"author":{"name":"A","email":"a@b"},"license":{"type":"MIT"}', "A <a@b>", "MIT"),
        ('"author":{"name":"A"},"license":["MIT"]', "A", ""),
        ('"author":7,"license":null', "", ""),
    ],
)
def test_who_made_an_npm_module(fields: str, maintainer: str, license_: str) -> None:
    found = npm_package(f'{{"name":"x","version":"1",{fields}}}'.encode(), "p")
    assert found is not None
    assert (found.maintainer, found.license) == (maintainer, license_)


def test_dpkg_names_who_maintains_a_package() -> None:
    text = "Package: x\nVersion: 1\nMaintainer: Someone <s@d>\n"
    assert [each.maintainer for each in dpkg_packages(text, "status")] == ["Someone <s@d>"]


def test_apk() -> None:
    assert list(apk_packages(APK, "installed")) == [
        Package(
            "apk",
            "musl",
            "1.2.4-r2",
            "x86_64",
            "musl",
            622592,
            "installed",
            "Natanael Copa <ncopa@alpinelinux.org>",
            "MIT",
        ),
        Package("apk", "busybox", "1.36.1-r2", "x86_64", "busybox", 962560, "installed"),
    ]


def test_python_and_npm() -> None:
    assert python_package(METADATA, RECORD, "m") == Package(
        "python", "requests", "2.31.0", bytes=6321, path="m"
    )
    assert python_package("Summary: x\n", "", "m") is None
    found = npm_package(b'{"name": "@a/b", "version": "1.0.0", "bin": 3}', "p")
    assert found == Package("npm", "@a/b", "1.0.0", path="p")
    assert npm_package(b'{"name": 3}', "p") is npm_package(b"{}", "p") is None


def test_a_database_that_rpm_wrote() -> None:
    assert list(rpm_packages(rpm_database(), "db")) == [
        Package("rpm", "hello", "2:2.12.1-3.el9", "x86_64", "hello", 1234, "db", "", "MIT"),
        Package("rpm", "hello-libs", "2:2.12.1-3.el9", "noarch", "hello", 500, "db", "", "MIT"),
    ]


def header(*tags: tuple[int, int, bytes]) -> bytes:
    index, store = b"", b""
    for tag, kind, value in tags:
        index += struct.pack(">IIII", tag, kind, len(store), 1)
        store += value
    return struct.pack(">II", len(tags), len(store)) + index + store


def database_of(*blobs: object) -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        connection.executemany(
            "INSERT INTO Packages (blob) VALUES (?)", [(each,) for each in blobs]
        )
        connection.commit()
        return connection.serialize()


def test_keys_and_damaged_headers_of_rpm_are_no_packages() -> None:
    whole = header((1000, 6, b"big\0"), (1001, 6, b"1\0"), (5009, 5, struct.pack(">Q", 1 << 40)))
    key = header((1000, 6, b"gpg-pubkey\0"), (1001, 6, b"1\0"))
    cut = header((1000, 6, b"cut\0"), (1001, 6, b"1\0"))[:-3]
    outside = struct.pack(">IIIIII", 1, 0, 1000, 6, 99, 1)
    huge = struct.pack(">II", 0xFFFFFFFF, 0)
    found = list(rpm_packages(database_of(key, cut, outside, huge, b"", "text", whole), "db"))
    assert found == [Package("rpm", "big", "1", bytes=1 << 40, path="db")]


def test_what_is_no_database_of_rpm_is_said_so() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute(
            "CREATE VIEW Packages AS WITH RECURSIVE n(blob) AS"
            " (SELECT x'00' UNION ALL SELECT blob FROM n) SELECT blob FROM n"
        )
        endless = connection.serialize()
    for raw in (b"", b"no", rpm_database()[:5000], endless):
        with pytest.raises(BadRpmDatabase, match="cannot be read"):
            list(rpm_packages(raw, "db"))


@given(st.binary(), st.integers(0, 210_000))
def test_damage_to_a_database_is_survived(noise: bytes, at: int) -> None:
    raw = rpm_database()
    try:
        list(rpm_packages(raw[:at] + noise + raw[at + len(noise) :], "db"))
    except BadRpmDatabase:
        pass


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    list(dpkg_packages(text, ""))
    list(apk_packages(text, ""))
    python_package(text, text, "")
    npm_package(text.encode("utf-8", "surrogatepass"), "")


def test_all_databases_of_an_image_are_read_as_it_is_seen() -> None:
    stack = stack_of_files(
        [
            {
                "var/lib/dpkg/status": DPKG.encode(),
                "var/lib/dpkg/status.d/base": b"Package: base-files\nVersion: 12\n",
                "var/lib/dpkg/status.d/base.md5sums": b"Package: no\nVersion: 1\n",
                "lib/apk/db/installed": APK.encode(),
                "usr/lib/sysimage/rpm/rpmdb.sqlite": rpm_database(),
                "opt/a/requests-2.31.0.dist-info/METADATA": METADATA.encode(),
                "opt/a/requests-2.31.0.dist-info/RECORD": RECORD.encode(),
                "opt/old-1.egg-info": b"Name: old\nVersion: 1\n",
                "srv/node_modules/@a/b/package.json": b'{"name": "@a/b", "version": "1"}',
                "srv/node_modules/@a/b/test/package.json": b'{"name": "no", "version": "1"}',
                "srv/package.json": b'{"name": "no", "version": "1"}',
            },
            {
                "opt/.wh.old-1.egg-info": b"",
                "lib/apk/db/installed": APK.replace("1.2.4-r2", "1.2.5-r0").encode(),
            },
        ]
    )
    found = [f"{each.kind} {each.name} {each.version}" for each in packages(stack)]
    assert found == [
        "apk busybox 1.36.1-r2",
        "apk musl 1.2.5-r0",
        "dpkg base-files 12",
        "dpkg bash 5.2.15-2+b7",
        "dpkg half 2",
        "npm @a/b 1",
        "python requests 2.31.0",
        "rpm hello 2:2.12.1-3.el9",
        "rpm hello-libs 2:2.12.1-3.el9",
    ]


def test_what_cannot_be_read_is_noted() -> None:
    stack = stack_of_files([{"var/lib/rpm/Packages": b"\0" * 9, "usr/share/rpm/rpmdb.sqlite": b""}])
    found = inventory(stack)
    assert found.packages == []
    assert found.notes == [
        "/var/lib/rpm/Packages is a database of rpm in the form Berkeley DB:"
        " its packages are not read",
        "/usr/share/rpm/rpmdb.sqlite: the database of rpm cannot be read: it is none of SQLite's",
    ]


def test_a_circle_of_links_and_a_database_without_end_are_survived() -> None:
    circle = stack_of([listing("d var/lib", "l var/lib/dpkg -> dpkg")])
    assert inventory(circle).packages == []
    huge = stack_of([listing(f"f var/lib/dpkg/status {1 << 40}")])
    assert inventory(huge).notes == ["/var/lib/dpkg/status is too large to be read"]
