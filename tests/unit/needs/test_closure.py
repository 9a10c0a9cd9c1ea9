"""What files need, closed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lamina.needs.closure import RULES, Reason, Why, close, loaded
from tests.fakes.elves import elf
from tests.fakes.systems import LIBC, LOADER, glibc, program, system


def test_a_program_with_its_loader_libraries_and_every_link_on_the_way() -> None:
    stack = system(
        {
            "bin": "usr/bin",
            "lib": "usr/lib",
            "lib64": "usr/lib64",
            "usr/bin/app": program("libz.so.1"),
            "usr/lib/x86_64-linux-gnu/libz.so.1": "libz.so.1.2",
            "usr/lib/x86_64-linux-gnu/libz.so.1.2": elf(soname="libz.so.1"),
            "usr/lib64/ld-linux-x86-64.so.2": elf(),
            "etc/ld.so.cache": b"cache",
            "usr/bin/other": program(),
        }
    )
    used, loader, library = (
        Reason(Why.USED),
        Reason(Why.LOADER, "usr/bin/app"),
        Reason(Why.LIBRARY, "usr/bin/app"),
    )
    assert close(stack, ["/bin/app", "/not/there"]) == {
        "bin": used,
        "usr/bin/app": used,
        "usr/bin": used,
        "lib64": loader,
        "usr/lib64/ld-linux-x86-64.so.2": loader,
        "usr/lib64": loader,
        "etc/ld.so.cache": loader,
        "lib": library,
        "usr/lib/x86_64-linux-gnu/libz.so.1": library,
        "usr/lib/x86_64-linux-gnu/libz.so.1.2": library,
        "usr/lib": library,
    }
    assert str(library) == "library of /usr/bin/app"


def test_scripts_bring_their_interpreter_and_what_env_finds() -> None:
    stack = system(
        {
            "app": b"#!/usr/bin/env -S python3 -u\n",
            "usr/bin/env": program(),
            "usr/bin/python3": "python3.11",
            "usr/bin/python3.11": program(),
            "usr/local/bin/python3": b"no program",
        }
    )
    kept = close(stack, ["app"], RULES)
    assert {"usr/bin/env", "usr/bin/python3", "usr/bin/python3.11"} < kept.keys()
    assert "usr/local/bin/python3" not in kept
    assert kept["usr/bin/python3.11"] == Reason(Why.INTERPRETER, "app")


def test_libraries_that_are_opened_by_name_and_the_services_of_names() -> None:
    stack = system(
        {
            "app": program("libc.so.6", strings=["libplugin.so", "libnone.so"]),
            **glibc(),
            "usr/lib/libplugin.so": elf(soname="libplugin.so"),
            "lib/libnss_ldap.so.2": elf(),
            "lib/libnss_db.so.2": elf(),
            "etc/nsswitch.conf": b"passwd: files ldap # db\n",
        }
    )
    kept = close(stack, ["app"])
    assert kept["usr/lib/libplugin.so"] == Reason(Why.OPENED, "app")
    assert kept["lib/libnss_ldap.so.2"] == Reason(Why.NAMES, LIBC)
    assert "etc/nsswitch.conf" in kept and "lib/libnss_db.so.2" not in kept
    assert close(stack, ["app"], [loaded]).keys() == {"app", LOADER, LIBC}


def test_what_is_preloaded_everywhere() -> None:
    stack = system(
        {
            "app": program(),
            "etc/ld.so.preload": b"/opt/libpre.so\n",
            "opt/libpre.so": elf("libx.so"),
            "usr/lib/libx.so": elf(),
        }
    )
    assert {"etc/ld.so.preload", "opt/libpre.so", "usr/lib/libx.so"} < close(stack, ["app"]).keys()


def test_circles_of_links_end() -> None:
    stack = system({"a": "b", "b": "a", "c": "c/d"})
    assert close(stack, ["a", "c", "a/x"]).keys() == {"a", "b", "c"}


NAMES = [f"lib{letter}.so" for letter in "abcde"]
PLACES = ["usr/lib", "lib", "opt/lib", "opt/other"]


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes | str | None]:
    """Libraries in several places that need each other, found by RPATH, RUNPATH or by links."""
    tree: dict[str, bytes | str | None] = {}
    paths = [f"{place}/{name}" for place in PLACES for name in NAMES]
    folders = st.sampled_from(["", "/opt/lib", "$ORIGIN", "/opt/other:/opt/lib", "$ORIGIN/../lib"])
    for path in draw(st.lists(st.sampled_from(paths), unique=True, min_size=1, max_size=12)):
        kind = draw(st.sampled_from(["object", "object", "link", "script"]))
        if kind == "link":
            tree[path] = "/" + draw(st.sampled_from(paths))
        elif kind == "script":
            tree[path] = f"#!/{draw(st.sampled_from(paths))}\n".encode()
        else:
            tree[path] = elf(
                *draw(st.lists(st.sampled_from(NAMES), max_size=3)),
                rpath=draw(folders),
                runpath=draw(folders),
                strings=draw(st.lists(st.sampled_from(NAMES), max_size=1)),
            )
    return tree


@given(trees(), st.data())
def test_closing_again_adds_nothing_and_who_uses_more_keeps_no_less(
    tree: dict[str, bytes | str | None], data: st.DataObject
) -> None:
    stack = system(tree)
    paths = st.sampled_from(sorted(tree))
    few = data.draw(st.sets(paths))
    more = few | data.draw(st.sets(paths))
    kept = close(stack, few)
    assert few <= kept.keys()
    assert close(stack, kept).keys() == kept.keys()
    assert kept.keys() <= close(stack, more).keys()
    for path, reason in kept.items():
        assert stack.union.get(path) is not None
        assert reason.by in kept if reason.by else reason.why is Why.USED
