from __future__ import annotations

import json

from lamina.minify.keep import Wishes
from lamina.minify.keep_node import package_of
from tests.unit.minify.trees import Content, Link, gone, kept


def package(place: str, **fields: object) -> dict[str, Content]:
    name = place.rpartition("node_modules/")[2]
    document = {"name": name, "version": "1.0.0", **fields}
    return {f"{place}/package.json": json.dumps(document), f"{place}/index.js": "1"}


APP: dict[str, Content] = {
    "app/package.json": json.dumps({"name": "app", "dependencies": {"a": "1"}}),
    "app/index.js": "if (late) require('b/deep'); import('@s/c')",
    **package("app/node_modules/a", dependencies={"d": "1"}, optionalDependencies={"e": "1"}),
    "app/node_modules/a/lib/late.js": "require('f')",
    **package("app/node_modules/a/node_modules/d"),
    **package("app/node_modules/b"),
    **package("app/node_modules/@s/c"),
    **package("app/node_modules/d"),
    **package("app/node_modules/e"),
    **package("app/node_modules/f"),
    **package("app/node_modules/unused", dependencies={"f": "1"}),
}


def test_packages_are_found_by_their_directories() -> None:
    assert package_of("app/node_modules/a/lib/x.js") == ("app/node_modules/a", "a")
    assert package_of("app/node_modules/a/node_modules/@s/b/x") == (
        "app/node_modules/a/node_modules/@s/b",
        "@s/b",
    )
    assert package_of("usr/share/nodejs/undici/index.js") == ("usr/share/nodejs/undici", "undici")
    assert package_of("app/node_modules/.bin/tool") is None
    assert package_of("app/src/x.js") is None


def test_what_a_program_may_require_stays_and_the_rest_goes() -> None:
    found = {path for path in gone(APP, "app/index.js") if path.endswith("index.js")}
    # The copy of d that `a` would find is its own.
    assert found == {"app/node_modules/d/index.js", "app/node_modules/unused/index.js"}


def test_a_package_in_use_stays_whole() -> None:
    files = dict(APP)
    del files["app/index.js"]
    found = gone(files, "app/node_modules/a/index.js")
    assert "app/node_modules/a/lib/late.js" not in found
    assert "app/node_modules/f/index.js" not in found
    assert "app/node_modules/b/index.js" in found


def test_a_package_that_is_a_link_stays_where_it_lies() -> None:
    files: dict[str, Content] = {
        "app/index.js": "require('w')",
        "app/node_modules/w": Link("../../store/w"),
        "store/w/index.js": "1",
        "store/w/package.json": "{}",
        "store/v/index.js": "1",
    }
    assert gone(files, "app/index.js") == ["store/v/index.js"]


def test_a_package_of_the_distribution_is_found() -> None:
    files = {"srv/a/x.js": "require('y')", "usr/share/nodejs/y.js": "1"}
    files["usr/share/nodejs/z.js"] = "1"
    assert gone(files, "srv/a/x.js") == ["usr/share/nodejs/z.js"]


def test_a_package_is_kept_by_its_name() -> None:
    found = kept(APP, "app/node_modules/b/index.js", wishes=Wishes(packages=("@s/c",)))
    assert "app/node_modules/@s/c/index.js" in found.reasons


def test_a_damaged_package_json_names_nothing() -> None:
    files = {"app/node_modules/a/package.json": "[1", "app/node_modules/a/x.js": "1"}
    assert gone(files, "app/node_modules/a/x.js") == []
