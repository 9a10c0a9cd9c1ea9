"""Recipes, release files, and the sources that an image gets."""

from __future__ import annotations

import pytest

from lamina.base.archive import DISTRIBUTIONS, Pocket, Release, parse_release, recipe_for, sources
from lamina.base.rootfs import ArchiveUnreachable, BadRecipe, NoRecipe

INRELEASE = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Suite: oldstable
Version: 12.15
Codename: bookworm
Date: Sat, 11 Jul 2026 10:16:37 UTC
SHA256:
 0000 1 main/Contents
"""
DEBIAN = DISTRIBUTIONS["debian"]


def test_a_release_file_gives_the_date_of_everything() -> None:
    assert parse_release(INRELEASE, what="x") == Release(1783764997, "12.15", "bookworm")


def test_a_rolling_suite_has_no_version() -> None:
    text = "Codename: sid\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n"
    assert parse_release(text, what="x").version == ""


@pytest.mark.parametrize("text", ["<html>log in</html>", "", "Date: yesterday\n"])
def test_another_page_in_its_place_is_named(text: str) -> None:
    with pytest.raises(ArchiveUnreachable, match="http://a/InRelease is not a release file"):
        parse_release(text, what="http://a/InRelease")


def test_the_image_names_public_addresses_whatever_was_fetched_from() -> None:
    private = "http://mirror.internal:3142/debian"
    text = sources(
        [
            Pocket(private, DEBIAN.archive, "bookworm"),
            Pocket(private, DEBIAN.archive, "bookworm-updates"),
            Pocket(private, DEBIAN.security, "bookworm-security"),
        ],
        DEBIAN,
    )
    assert "internal" not in text
    first, second = text.split("\n\n")
    assert "URIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\n" in first
    assert "URIs: http://deb.debian.org/debian-security\nSuites: bookworm-security\n" in second
    assert all(f"Signed-By: {DEBIAN.keyring}" in stanza for stanza in (first, second))


def test_an_unknown_distribution_says_what_there_is() -> None:
    with pytest.raises(NoRecipe, match="fedora") as caught:
        recipe_for("fedora", "40")
    assert "lamina import" in caught.value.hint


def test_a_misspelt_distribution_gets_a_suggestion() -> None:
    with pytest.raises(NoRecipe) as caught:
        recipe_for("debain", "bookworm")
    assert caught.value.hint == "did you mean debian?"


@pytest.mark.parametrize("suite", ["", "../etc", "book worm", "-o", "a;b"])
def test_a_suite_that_no_archive_can_have(suite: str) -> None:
    with pytest.raises(BadRecipe, match="not the name of a suite"):
        recipe_for("debian", suite)


def test_a_package_name_cannot_be_an_option() -> None:
    with pytest.raises(BadRecipe, match="'--force'"):
        recipe_for("debian", "bookworm", include=("--force",))


def test_an_unknown_variant_lists_those_there_are() -> None:
    with pytest.raises(BadRecipe) as caught:
        recipe_for("debian", "bookworm", variant="tiny")
    assert "minbase" in caught.value.hint
