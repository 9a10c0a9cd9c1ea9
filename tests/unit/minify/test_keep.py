from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.minify.keep import NothingMatches, Wishes, keep
from lamina.minify.reasons import Why
from tests.unit.minify.trees import Content, Link, Same, gone, kept, tree_of


def test_what_is_not_used_goes_and_its_directory_with_it() -> None:
    files = {"usr/share/a/one": "1", "usr/share/b/two": "2"}
    assert kept(files, "usr/share/a/one").removed == {"usr/share/b", "usr/share/b/two"}


def test_a_reason_is_known_for_everything_that_stays() -> None:
    files = {"usr/share/a/one": "1", "etc/conf": "x", "usr/share/b/two": "2"}
    found = kept(files, "usr/share/a/one")
    assert {path: reason.why for path, reason in found.reasons.items()} == {
        "usr/share/a/one": Why.USED,
        "etc/conf": Why.SYSTEM,
    }


def test_links_stay_that_lead_to_what_stays() -> None:
    files: dict[str, Content] = {
        "usr/bin/real": "x",
        "usr/bin/link": Link("chain"),
        "usr/bin/chain": Link("real"),
        "usr/bin/other": "y",
        "usr/bin/gone": Link("other"),
        "usr/bin/dangling": Link("/nowhere"),
        "bin": Link("usr/bin"),
        "etc/alternatives/other": Link("/usr/bin/other"),
    }
    assert gone(files, "usr/bin/real") == [
        "etc/alternatives/other",
        "usr/bin/gone",
        "usr/bin/other",
    ]


def test_all_names_of_a_file_stay_together() -> None:
    files = {"opt/a/one": "x", "opt/b/two": Same("opt/a/one"), "opt/c/three": "y"}
    assert gone(files, "opt/b/two") == ["opt/c/three"]


def test_empty_directories_and_places_to_write_in_stay() -> None:
    files: dict[str, Content] = {
        "usr/bin/a": "a",
        "usr/share/empty": None,
        "var/cache/app/old": "x",
        "usr/share/full/file": "x",
    }
    assert kept(files, "usr/bin/a").removed == {
        "usr/share/full",
        "usr/share/full/file",
        "var/cache/app/old",
    }


def test_empty_files_stay_for_they_are_looked_for_and_never_opened() -> None:
    files = {"usr/bin/a": "a", "usr/lib/marker": "", "usr/share/doc/a/empty": ""}
    assert gone(files, "usr/bin/a") == ["usr/share/doc/a/empty"]


def test_what_the_configuration_names_stays() -> None:
    files = {"usr/bin/app": "#!/usr/bin/tool\n", "usr/bin/tool": "t", "usr/bin/check": "c"}
    files |= {"usr/bin/probe": "p", "usr/bin/other": "o"}
    check = {"Test": ["CMD-SHELL", "check --now || exit 1"]}
    assert gone(files, "usr/bin/probe", Cmd=["app"], Healthcheck=check) == ["usr/bin/other"]
    command = ["/bin/sh", "-c", "app --now"]
    assert gone(files, "usr/bin/probe", Cmd=command) == ["usr/bin/check", "usr/bin/other"]


def test_patterns_keep_files_and_directories() -> None:
    files = {"usr/bin/a": "a", "usr/share/x/one": "1", "usr/share/y/two.dat": "2"}
    for pattern in ("/usr/share/x", "/usr/share/x/*", "usr/share/*/one"):
        found = kept(files, "usr/bin/a", wishes=Wishes(patterns=(pattern,)))
        assert found.removed == {"usr/share/y", "usr/share/y/two.dat"}, pattern
        assert found.reasons["usr/share/x/one"].why is Why.ASKED


@pytest.mark.parametrize("pattern", ["/bin/sh", "/bin/s*", "bin/sh"])
def test_a_pattern_is_taken_through_links_of_directories(pattern: str) -> None:
    files: dict[str, Content] = {
        "bin": Link("usr/bin"),
        "usr/bin/a": "a",
        "usr/bin/sh": Link("dash"),
        "usr/bin/dash": "d",
        "usr/bin/other": "o",
    }
    found = kept(files, "usr/bin/a", wishes=Wishes(patterns=(pattern,)))
    assert found.removed == {"usr/bin/other"}


@pytest.mark.parametrize("wishes", [Wishes(patterns=("/no*",)), Wishes(packages=("none",))])
def test_a_wish_that_is_about_nothing_is_refused(wishes: Wishes) -> None:
    with pytest.raises(NothingMatches):
        kept({"usr/bin/a": "a"}, "usr/bin/a", wishes=wishes)


FILES: dict[str, Content] = {
    "usr/bin/python3.11": "p",
    "usr/lib/python3.11/os.py": "import x\n",
    "usr/lib/python3.11/json/__init__.py": "",
    "usr/lib/python3/dist-packages/x/__init__.py": "import y\n",
    "usr/lib/python3/dist-packages/y.py": "1",
    "usr/lib/python3/dist-packages/z.py": "1",
    "app/main.py": "import z\n",
    "app/data/page": "1",
    "app/node_modules/n/package.json": '{"dependencies":{"m":"1"}}',
    "app/node_modules/m/index.js": "1",
    "usr/share/p/one": "1",
    "usr/share/p/two": Link("one"),
    "usr/bin/q": "q",
    "var/lib/dpkg/info/p.list": "/usr/share/p/one\n/usr/bin/q\n/usr/lib/p.so\n",
    "usr/lib/p.so": "p",
}
SOME = st.sets(st.sampled_from([path for path in FILES if path != "usr/share/p/two"]))


@given(SOME)
def test_kept_and_removed_are_all_there_is(used: set[str]) -> None:
    tree = tree_of(FILES)
    found = keep(tree, used, Wishes())
    assert used <= found.reasons.keys()
    assert not found.reasons.keys() & found.removed
    for path in found.removed:
        below = [each for each in tree.entries if each.startswith(f"{path}/")]
        assert set(below) <= found.removed, "with a directory goes what is in it"


@given(SOME, SOME)
def test_who_uses_more_keeps_no_less(used: set[str], more: set[str]) -> None:
    tree = tree_of(FILES)
    assert keep(tree, used | more, Wishes()).removed <= keep(tree, used, Wishes()).removed


@given(SOME)
def test_using_what_was_kept_keeps_nothing_more_of_packages(used: set[str]) -> None:
    tree = tree_of(FILES)
    once = keep(tree, used, Wishes())
    wholes = {
        path
        for path, reason in once.reasons.items()
        if reason.why in {Why.DISTRIBUTION, Why.LANGUAGE, Why.PACKAGE}
    }
    assert keep(tree, used | wholes, Wishes()).removed == once.removed
