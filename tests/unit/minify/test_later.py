from __future__ import annotations

from lamina.minify.keep import Wishes, keep
from lamina.minify.later import Later, needed_later
from tests.unit.minify.trees import Content, tree_of


def later(files: dict[str, Content], *used: str) -> list[Later]:
    tree = tree_of(files, Env=["PATH=/usr/bin"])
    return list(needed_later(tree, keep(tree, used, Wishes())))


SITE = "usr/lib/python3/dist-packages"


def test_an_import_by_a_name_made_at_run_time_is_told() -> None:
    files: dict[str, Content] = {
        "app/a.py": "x = 1\nimportlib.import_module(name)\n",
        "app/b.py": "import_module('fine')\n",
        f"{SITE}/idle.py": "1",
        f"{SITE}/fine.py": "1",
    }
    (found,) = later(files, "app/a.py")
    assert found.path == "app/a.py"
    assert found.wants.endswith("(line 2); gone: idle.py")


def test_nothing_is_told_where_nothing_went() -> None:
    files: dict[str, Content] = {"app/a.py": "import_module(name)\n"}
    assert later(files, "app/a.py") == []


def test_a_package_required_by_a_name_made_at_run_time_is_told() -> None:
    files: dict[str, Content] = {
        "app/a.js": "require(name)",
        "app/node_modules/idle/index.js": "1",
    }
    (found,) = later(files, "app/a.js")
    assert found.wants.endswith("(line 1); gone: idle")


def test_programs_that_a_script_names_and_that_went_are_told() -> None:
    files: dict[str, Content] = {
        "app/run.sh": "#!/bin/sh\nif true; then curl x; fi\n/usr/bin/tar c | gzip # wget\n",
        "usr/bin/curl": "c",
        "usr/bin/tar": "t",
        "usr/bin/gzip": "g",
        "usr/bin/wget": "w",
    }
    found = later(files, "app/run.sh", "usr/bin/gzip")
    assert [each.keep for each in found] == ["/usr/bin/curl", "/usr/bin/tar"]


def test_a_program_that_stays_is_not_told() -> None:
    files: dict[str, Content] = {"app/run.sh": "#!/bin/sh\ncurl x\n", "usr/bin/curl": "c"}
    assert later(files, "app/run.sh", "usr/bin/curl") == []
