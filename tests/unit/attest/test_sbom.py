"""SBOMs: what is in them, that SPDX's own library reads them, and which layer brought what."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("spdx_tools", reason="needs the extra attest")

from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from lamina.attest.sbom import NoSpdxTools, Subject, sbom
from lamina.attest.sources import Sourced
from lamina.explain.stack import Stack
from lamina.oci.digest import Digest
from tests.fakes.stacks import Files, stack_of_files

DIGEST = Digest.of(b"manifest")
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RPM = Path(__file__).parents[1] / "explain" / "data" / "rpmdb.sqlite.gz"
STATUS = "var/lib/dpkg/status"


def dpkg(*packages: str) -> bytes:
    return "\n".join(
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
        "Maintainer: Debian X Team <x@lists.debian.org>\n"
        for name, version in (each.split("=") for each in packages)
    ).encode()


BASE: Files = {
    "etc/os-release": b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n',
    STATUS: dpkg("bash=5", "zlib1g=1"),
}
SITE = "usr/lib/python3/site-packages"
ALL: list[Files] = [
    BASE,
    {STATUS: dpkg("bash=5", "zlib1g=2", "curl=7")},
    {
        f"{SITE}/requests-2.31.0.dist-info/METADATA": (
            b"Metadata-Version: 2.1\nName: requests\nVersion: 2.31.0\n"
            b"Author: Ken (K) Reitz\nAuthor-email: me@ken.org\nLicense: Apache 2.0\n\n"
        ),
        f"{SITE}/idna-3.7.dist-info/METADATA": (
            b"Name: idna\nVersion: 3.7\nLicense-Expression: BSD-3-Clause\n\n"
        ),
        "srv/node_modules/@a/b/package.json": b'{"name":"@a/b","version":"1","license":"MIT"}',
        "lib/apk/db/installed": b"P:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT AND GPL-2.0-or-later\n",
        "var/lib/rpm/rpmdb.sqlite": gzip.decompress(RPM.read_bytes()),
    },
]
STEPS = ["base debian:12", "RUN apt-get install curl", "COPY . /"]


def document(layers: list[Files], steps: list[str]) -> dict[str, Any]:
    found = sbom(Subject(stack_of_files(layers, steps), "app:1", DIGEST, WHEN), "1.0")
    # As it is stored: JSON.
    loaded: dict[str, Any] = json.loads(json.dumps(found))
    return loaded


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    return document(ALL, STEPS)


def package(found: dict[str, Any], name: str) -> dict[str, Any]:
    (only,) = [each for each in found["packages"] if each["name"] == name]
    assert isinstance(only, dict)
    return only


def test_spdx_own_library_reads_it_and_finds_no_fault(everything: dict[str, Any]) -> None:
    parser: Any = JsonLikeDictParser
    parsed = parser().parse(everything)
    assert validate_full_spdx_document(parsed) == []
    assert everything["spdxVersion"] == "SPDX-2.3"
    assert everything["creationInfo"]["created"] == "2026-01-02T03:04:05Z"
    assert everything["creationInfo"]["creators"] == ["Tool: lamina-1.0"]


def test_every_package_of_every_manager_is_in_it(everything: dict[str, Any]) -> None:
    urls = {
        reference["referenceLocator"]
        for each in everything["packages"]
        for reference in each.get("externalRefs", [])
    }
    assert urls == {
        "pkg:apk/debian/musl@1.2.4-r2?arch=x86_64&distro=debian-12",
        "pkg:deb/debian/bash@5?arch=amd64&distro=debian-12",
        "pkg:deb/debian/curl@7?arch=amd64&distro=debian-12",
        "pkg:deb/debian/zlib1g@2?arch=amd64&distro=debian-12",
        "pkg:npm/%40a/b@1",
        "pkg:pypi/idna@3.7",
        "pkg:pypi/requests@2.31.0",
        "pkg:rpm/debian/hello-libs@2.12.1-3.el9?arch=noarch&distro=debian-12&epoch=2",
        "pkg:rpm/debian/hello@2.12.1-3.el9?arch=x86_64&distro=debian-12&epoch=2",
    }
    described = [each["relatedSpdxElement"] for each in everything["relationships"]]
    assert sorted(described) == sorted(each["SPDXID"] for each in everything["packages"])


def test_each_names_the_instruction_that_brought_it(everything: dict[str, Any]) -> None:
    comments = {each["name"]: each.get("comment", "") for each in everything["packages"]}
    assert comments["bash"].endswith(": base debian:12")
    # An update is the work of the layer that made it.
    assert comments["zlib1g"].startswith("layer 2, sha256:")
    assert comments["zlib1g"].endswith(": RUN apt-get install curl")
    for name in ("requests", "@a/b", "musl", "hello"):
        assert comments[name].endswith(": COPY . /")


def test_licences_are_spdx_expressions_or_a_comment(everything: dict[str, Any]) -> None:
    assert package(everything, "musl")["licenseDeclared"] == "MIT AND GPL-2.0-or-later"
    assert package(everything, "idna")["licenseDeclared"] == "BSD-3-Clause"
    assert package(everything, "requests")["licenseDeclared"] == "NOASSERTION"
    assert package(everything, "requests")["licenseComments"] == "declared as: Apache 2.0"
    assert package(everything, "bash")["licenseDeclared"] == "NOASSERTION"


def test_suppliers_are_people_or_organizations(everything: dict[str, Any]) -> None:
    team = package(everything, "bash")["supplier"]
    assert team == "Organization: Debian X Team (x@lists.debian.org)"
    assert package(everything, "requests")["supplier"] == "Person: Ken Reitz (me@ken.org)"
    assert package(everything, "musl")["supplier"] == "NOASSERTION"


def test_what_cannot_be_read_is_said() -> None:
    found = document([{**BASE, "var/lib/rpm/Packages": b"x"}], STEPS[:1])
    assert "Berkeley DB" in found["comment"]


def test_an_image_without_packages_has_a_document_too() -> None:
    found = document([{"bin/app": b"\x7fELF"}], ["COPY app /bin/"])
    assert [each["SPDXID"] for each in found["packages"]] == ["SPDXRef-image"]


def test_what_an_image_wrote_stays_text() -> None:
    hostile = b"Package: a\x1b[2J\xff\nVersion: 1\nMaintainer: (((<x@y>\n"
    found = document([{STATUS: hostile}], ["RUN \x1b[31mx"])
    text = json.dumps(found, ensure_ascii=False)
    assert "\x1b" not in text
    assert "\udcff" not in text


def layers(stack: Stack) -> dict[str, int | None]:
    sourced = Sourced(stack)
    return {each.name: sourced.layer(each) for each in sourced.inventory.packages}


def test_a_package_that_went_and_came_back_is_of_the_layer_that_brought_it_back() -> None:
    files: list[Files] = [
        {STATUS: dpkg("a=1", "b=1")},
        {STATUS: dpkg("a=1")},
        {"etc/other": b""},
        {STATUS: dpkg("a=1", "b=1")},
    ]
    assert layers(stack_of_files(files, list("wxyz"))) == {"a": 0, "b": 3}


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NoSpdxTools) as caught:
        document([{}], ["RUN x"])
    assert caught.value.hint == "pip install 'lamina[attest]'"
