"""Where loaders find libraries."""

from __future__ import annotations

from lamina.needs.system import System
from lamina.oci.config import Execution
from tests.fakes.elves import elf
from tests.fakes.systems import LIBC, Tree, glibc, program, system

USUAL = "usr/lib/x86_64-linux-gnu/libx.so"
LIBRARY = elf(soname="libx.so")


def found(tree: Tree, path: str = "opt/bin/app", **options: object) -> dict[str, tuple[str, ...]]:
    """Library → where it is found, for the program at `path`."""
    execution = Execution(env=tuple(f"{name}={value}" for name, value in options.items()))
    looked = System(system(tree, execution=execution))
    return {link.name: link.paths for link in looked.linker.links(path)}


def test_the_directories_of_the_architecture() -> None:
    tree = {"opt/bin/app": program("libx.so", "libc.so.6"), USUAL: LIBRARY, **glibc()}
    assert found(tree) == {"libx.so": (USUAL,), "libc.so.6": (LIBC,)}


def test_what_is_not_there() -> None:
    assert found({"opt/bin/app": program("libx.so")}) == {"libx.so": ()}


def test_a_library_for_another_machine_is_passed_over() -> None:
    wrong = elf(soname="libx.so", machine=183)
    tree = {"opt/bin/app": program("libx.so"), USUAL: wrong, "usr/lib/libx.so": LIBRARY}
    assert found(tree) == {"libx.so": ("usr/lib/libx.so",)}
    narrow = elf(soname="libx.so", bits=32)
    assert found({**tree, "usr/lib/libx.so": narrow}) == {"libx.so": ()}


def test_directories_of_ld_so_conf_come_before_the_usual_ones() -> None:
    tree = {
        "opt/bin/app": program("libx.so"),
        USUAL: LIBRARY,
        "opt/lib/libx.so": LIBRARY,
        "etc/ld.so.conf": b"# mine\ninclude /etc/ld.so.conf.d/*.conf\ninclude ld.so.conf\n",
        "etc/ld.so.conf.d/a.conf": b"/opt/lib  # here\n",
        "etc/ld.so.conf.d/a.off": b"/nowhere\n",
    }
    assert found(tree) == {"libx.so": ("opt/lib/libx.so",)}


def test_runpath_comes_after_the_environment_and_rpath_before() -> None:
    places = {USUAL: LIBRARY, "opt/lib/libx.so": LIBRARY, "env/libx.so": LIBRARY}
    after = {"opt/bin/app": program("libx.so", runpath="$ORIGIN/../lib"), **places}
    before = {"opt/bin/app": program("libx.so", rpath="${ORIGIN}/../lib"), **places}
    assert found(after) == found(before) == {"libx.so": ("opt/bin/../lib/libx.so",)}
    assert found(after, LD_LIBRARY_PATH="/env") == {"libx.so": ("env/libx.so",)}
    assert found(before, LD_LIBRARY_PATH="/env") == {"libx.so": ("opt/bin/../lib/libx.so",)}


def test_a_runpath_makes_rpath_count_for_nothing() -> None:
    tree = {
        "opt/bin/app": program("libx.so", rpath="/opt/lib", runpath="/other"),
        "opt/lib/libx.so": LIBRARY,
        USUAL: LIBRARY,
    }
    assert found(tree) == {"libx.so": (USUAL,)}


def test_rpath_is_handed_on_to_libraries_and_runpath_is_not() -> None:
    tree = {
        "opt/bin/app": program("liba.so", rpath="/opt/lib"),
        "opt/lib/liba.so": elf("libx.so", soname="liba.so"),
        "opt/lib/libx.so": LIBRARY,
    }
    assert found(tree) == {"liba.so": ("opt/lib/liba.so",), "libx.so": ("opt/lib/libx.so",)}
    tree["opt/bin/app"] = program("liba.so", runpath="/opt/lib")
    assert found(tree) == {"liba.so": ("opt/lib/liba.so",)}


def test_lib_has_the_meanings_of_distributions() -> None:
    tree = {"opt/bin/app": program("libx.so", runpath="/opt/$LIB"), "opt/lib64/libx.so": LIBRARY}
    assert found(tree) == {"libx.so": ("opt/lib64/libx.so",)}


def test_copies_for_better_processors_follow() -> None:
    better = "usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libx.so"
    tree = {"opt/bin/app": program("libx.so"), USUAL: LIBRARY, better: LIBRARY}
    assert found(tree) == {"libx.so": (USUAL, better)}


def test_a_name_with_a_slash_is_a_path() -> None:
    tree = {"opt/bin/app": program("/opt/libx.so", "/none.so"), "opt/libx.so": LIBRARY}
    assert found(tree) == {"/opt/libx.so": ("opt/libx.so",), "/none.so": ()}


def test_musl_has_directories_and_a_libc_of_its_own() -> None:
    loader = "lib/ld-musl-x86_64.so.1"
    app = elf("libc.musl-x86_64.so.1", "libx.so", interpreter=f"/{loader}")
    tree = {"opt/bin/app": app, loader: elf(), "usr/local/lib/libx.so": LIBRARY, USUAL: LIBRARY}
    assert found(tree) == {
        "libc.musl-x86_64.so.1": (loader,),
        "libx.so": ("usr/local/lib/libx.so",),
    }
    tree["etc/ld-musl-x86_64.path"] = b"/mine:/lib\n/usr/lib\n"
    tree["mine/libx.so"] = LIBRARY
    assert found(tree)["libx.so"] == ("mine/libx.so",)


def test_libraries_that_load_each_other_come_to_an_end() -> None:
    tree = {
        "opt/bin/app": program("liba.so", rpath="/opt/lib"),
        "opt/lib/liba.so": elf("libb.so", soname="liba.so", rpath="/opt/a"),
        "opt/lib/libb.so": elf("liba.so", soname="libb.so", rpath="/opt/b"),
    }
    assert found(tree)["libb.so"] == ("opt/lib/libb.so",)
