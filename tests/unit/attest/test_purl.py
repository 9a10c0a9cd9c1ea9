"""Package URLs: the examples of the specification and of BuildKit."""

from __future__ import annotations

import pytest

from lamina.attest.distribution import Distribution
from lamina.attest.purl import image_purl, package_purl, purl
from lamina.explain.package_records import Package
from lamina.oci.reference import Reference

DEBIAN = Distribution("debian", "12")


@pytest.mark.parametrize(
    ("package", "distribution", "url"),
    [
        (
            Package("dpkg", "curl", "7.50.3-1", "i386", "curl"),
            Distribution("debian", "8"),
            "pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=debian-8",
        ),
        (
            Package("dpkg", "libstdc++6", "1:12.2.0-14+deb12u1", "amd64", "gcc-12"),
            DEBIAN,
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1"
            "?arch=amd64&distro=debian-12&upstream=gcc-12",
        ),
        (
            Package("apk", "curl", "7.83.0-r0", "x86", "curl"),
            Distribution("alpine", "3.15.4"),
            "pkg:apk/alpine/curl@7.83.0-r0?arch=x86&distro=alpine-3.15.4",
        ),
        (
            Package("rpm", "curl", "7.50.3-1.fc25", "i386", "curl"),
            Distribution("fedora", "25"),
            "pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386&distro=fedora-25",
        ),
        (
            Package("rpm", "hello", "2:2.12.1-3.el9", "noarch", "hello"),
            Distribution("rhel", "9"),
            "pkg:rpm/rhel/hello@2.12.1-3.el9?arch=noarch&distro=rhel-9&epoch=2",
        ),
        (Package("python", "Django_Rest", "1.11.1"), DEBIAN, "pkg:pypi/django-rest@1.11.1"),
        (
            Package("npm", "@angular/animation", "12.3.1"),
            DEBIAN,
            "pkg:npm/%40angular/animation@12.3.1",
        ),
        (Package("npm", "foobar", "12.3.1"), DEBIAN, "pkg:npm/foobar@12.3.1"),
        (Package("apk", "x", "1"), Distribution(), "pkg:apk/x@1"),
    ],
)
def test_packages(package: Package, distribution: Distribution, url: str) -> None:
    assert package_purl(package, distribution) == url


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("debian:bookworm", "pkg:docker/debian@bookworm?platform=linux%2Famd64"),
        ("me/app", "pkg:docker/me/app@latest?platform=linux%2Famd64"),
        ("ghcr.io/x/y:1", "pkg:docker/ghcr.io/x/y@1?platform=linux%2Famd64"),
        ("localhost:5000/y:1", "pkg:docker/localhost:5000/y@1?platform=linux%2Famd64"),
        (
            "debian@sha256:" + "0" * 64,
            f"pkg:docker/debian?digest=sha256:{'0' * 64}&platform=linux%2Famd64",
        ),
    ],
)
def test_images(name: str, url: str) -> None:
    assert image_purl(Reference.parse(name), "linux/amd64") == url


def test_what_an_image_wrote_cannot_break_out_of_its_part() -> None:
    assert purl("npm", "a?b#c", "1&x=y") == "pkg:npm/a%3Fb%23c@1%26x%3Dy"
    assert purl("npm", "\udcff", "1") == "pkg:npm/%FF@1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n', ("debian", "12", "Debian 12")),
        ("ID='arch'\nNAME=\"Arch Linux\"\n", ("arch", "", "Arch Linux")),
        ("# ID=x\nVERSION_ID=1\n", ("linux", "1", "")),
        ('ID="unclosed\nNAME=a\\ b\n', ("linux", "", "a b")),
    ],
)
def test_the_distribution(text: str, found: tuple[str, str, str]) -> None:
    distribution = Distribution.parse(text)
    assert (distribution.id, distribution.version, distribution.name) == found
