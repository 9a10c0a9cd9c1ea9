from __future__ import annotations

from collections.abc import Sequence

from lamina.minify.keep import Wishes
from tests.unit.minify.trees import Content, gone, kept

SITE = "usr/lib/python3.11/site-packages"
LIBRARY: dict[str, Content] = {
    "usr/bin/python3.11": "p",
    "usr/lib/python3.11/os.py": "1",
    "usr/lib/python3.11/xml/dom.py": "1",
    "usr/lib/python3.11/test/test_os.py": "1",
    "usr/lib/python3.11/ctypes/test/test_x.py": "1",
    "usr/lib/python3.11/config/libpython.a": "1",
}


def dist(name: str, requires: str = "", record: str = "", **files: str) -> dict[str, Content]:
    lines = "".join(f"Requires-Dist: {each}\n" for each in requires.split(",") if each)
    info = f"{SITE}/{name}-1.0.dist-info"
    found: dict[str, Content] = {f"{info}/METADATA": f"Name: {name}\nVersion: 1.0\n{lines}\n"}
    found |= {f"{SITE}/{path.replace('__', '/')}.py": text for path, text in files.items()}
    names = record or "".join(f"{path.replace('__', '/')}.py,,\n" for path in files)
    found[f"{info}/RECORD"] = f"{names}{name}-1.0.dist-info/METADATA,,\n"
    return found


def modules(paths: Sequence[str]) -> set[str]:
    """The files among these, below the site."""
    return {path.removeprefix(f"{SITE}/") for path in paths if path.endswith(".py")}


def test_the_library_stays_whole_but_for_its_tests() -> None:
    assert gone(LIBRARY, "usr/lib/python3.11/os.py") == [
        "usr/bin/python3.11",
        "usr/lib/python3.11/config/libpython.a",
        "usr/lib/python3.11/ctypes/test/test_x.py",
        "usr/lib/python3.11/test/test_os.py",
    ]


def test_the_interpreter_alone_brings_its_library() -> None:
    assert "usr/lib/python3.11/xml/dom.py" not in gone(LIBRARY, "usr/bin/python3.11")


def test_a_test_that_is_used_stays() -> None:
    files = gone(LIBRARY, "usr/lib/python3.11/test/test_os.py")
    assert "usr/lib/python3.11/test/test_os.py" not in files


def test_a_distribution_stays_whole_with_what_it_requires() -> None:
    files = LIBRARY | dist("one", "Two_x (>=1),three; extra == 'all'", one__a="1", one__b="1")
    files |= dist("two-x", two__c="1") | dist("three", three__d="1")
    assert modules(gone(files, f"{SITE}/one/a.py")) >= {"three/d.py"}
    assert not modules(gone(files, f"{SITE}/one/a.py")) & {"one/b.py", "two/c.py"}


def test_what_an_import_names_anywhere_stays() -> None:
    files = LIBRARY | dist("one", one="1") | dist("two", two__x="1") | dist("three", three="1")
    files["app/main.py"] = "def f():\n    import one\n    x = import_module('two.x')\n"
    assert modules(gone(files, "app/main.py", "usr/lib/python3.11/os.py")) >= {"three.py"}
    assert not modules(gone(files, "app/main.py")) & {"one.py", "two/x.py"}


def test_imports_are_followed_from_distribution_to_distribution() -> None:
    files = LIBRARY | dist("a", a="from b import x\n") | dist("b", b="import c.d\n")
    files |= dist("c", c__d="1") | dist("e", e="1")
    assert modules(gone(files, f"{SITE}/a.py")) >= {"e.py"}
    assert not modules(gone(files, f"{SITE}/a.py")) & {"b.py", "c/d.py"}


def test_the_standard_library_names_no_third_party() -> None:
    files = LIBRARY | dist("one", one="1")
    files["usr/lib/python3.11/os.py"] = "import one\n"
    assert "one.py" in modules(gone(files, "usr/lib/python3.11/os.py"))


def test_a_shared_namespace_is_parted_by_its_records() -> None:
    files = LIBRARY | dist("ns-a", ns__a="1", ns__a2="1") | dist("ns-b", ns__b="1")
    assert modules(gone(files, f"{SITE}/ns/a.py")) >= {"ns/b.py"}
    assert "ns/a2.py" not in modules(gone(files, f"{SITE}/ns/a.py"))


def test_a_module_without_any_record_stays_whole() -> None:
    files = LIBRARY | {f"{SITE}/loose/a.py": "1", f"{SITE}/loose/b.py": "1", f"{SITE}/c.py": "1"}
    found = modules(gone(files, f"{SITE}/loose/a.py"))
    assert "c.py" in found
    assert "loose/b.py" not in found


def test_an_egg_names_its_modules() -> None:
    place = "usr/lib/python3/dist-packages"
    files = LIBRARY | {
        f"{place}/Thing-2.egg-info/top_level.txt": "thing\n",
        f"{place}/Thing-2.egg-info/requires.txt": "other>=1\n\n[test]\nunwanted\n",
        f"{place}/thing/a.py": "1",
        f"{place}/thing/data.txt": "1",
        f"{place}/other-1.egg-info/top_level.txt": "other\n",
        f"{place}/other.py": "1",
        f"{place}/unwanted-1.egg-info/top_level.txt": "unwanted\n",
        f"{place}/unwanted.py": "1",
    }
    found = set(gone(files, f"{place}/thing/a.py"))
    assert f"{place}/unwanted.py" in found
    assert not found & {f"{place}/thing/data.txt", f"{place}/other.py"}


def test_a_record_may_lead_out_of_the_site() -> None:
    files = LIBRARY | dist("tool", record="tool.py,,\n../../../bin/tool,,\n", tool="1")
    files["usr/bin/tool"] = "t"
    assert "usr/bin/tool" not in gone(files, f"{SITE}/tool.py")


def test_a_distribution_is_kept_by_its_name() -> None:
    files = LIBRARY | dist("Some.Thing", some="1")
    wishes = Wishes(packages=("some-thing",))
    found = kept(files, "usr/lib/python3.11/os.py", wishes=wishes)
    assert f"{SITE}/some.py" in found.reasons


def test_libraries_that_a_source_names_stay() -> None:
    files: dict[str, Content] = {
        "app/a.py": "find_library('magic')\nCDLL(\"libfoo.so.1\")\n",
        "usr/lib/libmagic.so.1": "x",
        "usr/lib/libfoo.so.2": "x",
        "usr/lib/libbar.so.2": "x",
    }
    assert gone(files, "app/a.py") == ["usr/lib/libbar.so.2"]
