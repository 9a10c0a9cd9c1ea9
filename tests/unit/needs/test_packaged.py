"""Records of package managers."""

from __future__ import annotations

from lamina.needs.files import Files
from lamina.needs.packaged import Installed, Packaged
from tests.fakes.systems import dpkg, program, system


def test_whose_a_file_is_through_the_links_above_it() -> None:
    tree = {
        "bin": "usr/bin",
        "usr/bin/sh": "dash",
        "usr/bin/dash": program(),
        **dpkg("dash : bin/sh bin/dash bin usr/gone"),
    }
    packaged = Packaged(Files(system(tree)))
    assert packaged.manager == "dpkg"
    assert packaged.owner == {"usr/bin/sh": "dash", "usr/bin/dash": "dash", "bin": "dash"}


def test_what_packages_depend_on_at_any_depth() -> None:
    tree = dpkg("a b (>= 1), x | c", "b d", "c ", "d a", "e ")
    packaged = Packaged(Files(system(tree)))
    assert packaged.needed_by(["a"]) == {"b": "a", "d": "b", "c": "a"}
    assert packaged.installed["a"] == Installed("a", "1.0", 102400, (("b",), ("x", "c")))


def test_a_provided_name_does_and_a_removed_package_is_none() -> None:
    status = (
        "Package: mawk\nStatus: install ok installed\nVersion: 1\nProvides: awk (= 1)\n\n"
        "Package: a\nStatus: install ok installed\nVersion: 1\nDepends:\n awk,\n libc6:any\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
    )
    packaged = Packaged(Files(system({"var/lib/dpkg/status": status.encode()})))
    assert packaged.needed_by(["a"]) == {"mawk": "a"}
    assert set(packaged.installed) == {"mawk", "a"}


def test_apk_keeps_it_all_in_one_file() -> None:
    records = (
        "P:zlib\nV:1.3\nI:1000\np:so:libz.so.1=1.3\nF:lib\nR:libz.so.1\n\n"
        "P:curl\nV:8\nI:2000\nD:so:libz.so.1>=1 !bad ca\nF:usr/bin\nR:curl\n\n"
    )
    tree = {
        "lib/apk/db/installed": records.encode(),
        "lib/libz.so.1": b"",
        "usr/bin/curl": program(),
    }
    packaged = Packaged(Files(system(tree)))
    assert packaged.manager == "apk"
    assert packaged.owner == {"lib/libz.so.1": "zlib", "usr/bin/curl": "curl"}
    assert packaged.needed_by(["curl"]) == {"zlib": "curl"}
    assert packaged.installed["zlib"].bytes == 1000


def test_an_image_with_packages_and_no_manager() -> None:
    tree = {
        "var/lib/dpkg/status.d/tz": b"Package: tz\nVersion: 1\n",
        "var/lib/dpkg/status.d/tz.md5sums": b"0123  usr/share/zone\n",
        "usr/share/zone": b"x",
    }
    packaged = Packaged(Files(system(tree)))
    assert packaged.manager == "dpkg" and packaged.owner == {"usr/share/zone": "tz"}
    assert Packaged(Files(system({"a": b""}))).manager == ""
