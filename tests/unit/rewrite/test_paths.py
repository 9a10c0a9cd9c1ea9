"""What a script writes and removes, as far as its words tell."""

from __future__ import annotations

import pytest

from lamina.rewrite.paths import SOMEWHERE, covers, removed, written
from lamina.shell.parse import parse
from lamina.shell.script import Script


def read(text: str) -> Script:
    found = parse(text)
    assert isinstance(found, Script)
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rm -rf /a b", ["/a", "/w/b"]),
        ("rm -rf /a/*", ["/a"]),
        ("rm *.o", []),
        ('rm -rf "$HOME" ~/x', []),
        ("rm -rf / /.", []),
        ("cd /srv && rm b", ["/srv/b"]),
        ("apt-get clean", ["/var/lib/apt/lists", "/var/cache/apt"]),
        ("apt-get purge -y gcc make", ["apt:gcc", "apt:make"]),
        ("ls /a", []),
    ],
)
def test_removed(text: str, found: list[str]) -> None:
    assert removed(read(text), "/w") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dd if=/dev/zero of=f bs=1M count=50", {"/w/f": 50 << 20}),
        ("dd if=/dev/zero of=f bs=512 count=2k", {"/w/f": 512 * 2048}),
        ("truncate -s 1G /f", {"/f": 1 << 30, "/w/1G": 1 << 30}),
        ("curl -o /t/a https://x.org/b", {"/t/a": 0, "/w/b": 0}),
        ("wget 'https://x.org/a.tgz?v=1'", {"/w/a.tgz": 0}),
        ("git clone https://x.org/a.git", {"/w/a": 0, "/w/a.git": 0}),
        ("cp -r /a /b", {"/b": 0}),
        ("tar -xzf /t/a.tgz -C /opt", {"/opt": 0}),
        ("cat /a > /b", {"/b": 0}),
        ("sh /fill.sh", {}),
        ("cd /d; touch e", {"/d/e": 0}),
    ],
)
def test_written(text: str, found: dict[str, int]) -> None:
    told = dict(written(read(text), "/w"))
    assert {path: told.get(path) for path in found} == found
    assert set(told) - {"/w/clone"} == set(found)


def test_a_directory_that_only_the_base_knows_is_the_same_in_both() -> None:
    (path,) = dict(written(read("touch a"), ""))
    assert removed(read("rm a"), "") == [path] == [f"{SOMEWHERE}/a"]


def test_covers() -> None:
    assert covers("/a", "/a")
    assert covers("/a", "/a/b")
    assert not covers("/a", "/ab")
    assert not covers("/a/b", "/a")
