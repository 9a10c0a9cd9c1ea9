"""`slim --minify` on a real kernel: images that others break by it go on working."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.explain.stack import open_stack
from lamina.layer.union import Union
from lamina.minify.removed import removed_layers
from lamina.repack.repack import tree_of
from lamina.repack.tree import records
from lamina.store.root import open_store
from tests.rights import AS_USER
from tests.system.conftest import Lamina, need_tool
from tests.system.minifying import (
    build,
    distribution,
    image_id,
    minified,
    nothing_left,
    write,
)

SERVICE = "from http.server import test, SimpleHTTPRequestHandler as H; test(H, port=8000)"


def test_a_recorder_hears_the_loader_and_the_libraries(python: Lamina) -> None:
    told = minified(python, "app:1", "--dry-run", "--cmd", "python3 -c 'import json'")
    used = next(each for each in told["kept"] if each["name"] == "used by a probe")
    assert told["files_used"] == used["files"] > 20
    assert told["recorded_by"] == ("access times" if AS_USER else "fanotify")
    gone = set(told["removed_paths"])
    for path in ("ld-linux-x86-64.so.2", "libc.so.6", "libz.so.1.2.13"):
        assert f"/usr/lib/x86_64-linux-gnu/{path}" not in gone


# Python


LAZY = {
    "site/lazy/__init__.py": "def late():\n    from lazy import deep\n    return deep.answer()\n",
    "site/lazy/deep.py": "def answer():\n    import needed\n    return needed.VALUE\n",
    "site/lazy/data.txt": "data\n",
    "site/lazy-1.0.dist-info/METADATA": "Name: lazy\nVersion: 1.0\nRequires-Dist: needed>=1\n",
    "site/lazy-1.0.dist-info/RECORD": (
        "lazy/__init__.py,,\nlazy/deep.py,,\nlazy/data.txt,,\nlazy-1.0.dist-info/METADATA,,\n"
    ),
    "site/needed/__init__.py": "VALUE = 42\n",
    "site/needed-1.0.dist-info/METADATA": "Name: needed\nVersion: 1.0\n",
    "site/needed-1.0.dist-info/RECORD": "needed/__init__.py,,\n",
    "site/named/__init__.py": "VALUE = 'named'\n",
    "site/idle/__init__.py": "VALUE = 'idle'\n",
    "site/idle-1.0.dist-info/METADATA": "Name: idle\nVersion: 1.0\n",
    "site/idle-1.0.dist-info/RECORD": "idle/__init__.py,,\n",
    "app/main.py": (
        "import sys, lazy\n"
        "if sys.argv[1:] == ['late']:\n"
        "    import named, sqlite3, xml.dom.minidom, views.page\n"
        "    print(lazy.late(), named.VALUE, views.page.TEXT)\n"
        "elif sys.argv[1:] == ['zlib']:\n"
        "    import ctypes\n"
        "    print(ctypes.CDLL('libexpat.so.1') is not None)\n"
        "elif sys.argv[1:2] == ['by']:\n"
        "    import importlib\n"
        "    print(importlib.import_module(sys.argv[2]).VALUE)\n"
        "else:\n"
        "    print('hello')\n"
    ),
    "app/views/page.py": "TEXT = 'page'\n",
}


@pytest.fixture
def python(root_only: None, lamina: Lamina, tmp_path: Path) -> Lamina:
    """A store with `app:1`: a Python program whose imports come late."""
    lamina("import", str(distribution("python", "python3")), "debian:python")
    build(
        lamina,
        tmp_path / "python",
        "app:1",
        "FROM debian:python\nCOPY site /usr/local/lib/python3.11/dist-packages\n"
        'COPY app /app\nENTRYPOINT ["python3", "/app/main.py"]\n',
        LAZY,
    )
    return lamina


def test_what_python_imports_late_is_still_there(python: Lamina) -> None:
    told = minified(python, "app:1", "-t", "app:min", "--cmd", "early")
    assert [each["verdict"] for each in told["probes"]] == ["same"]
    assert told["bytes_after"] < told["bytes_before"] / 2
    assert python("run", "--rm", "app:min", "late").stdout == "42 named page\n"
    assert python("run", "--rm", "app:min", "zlib").stdout == "True\n"
    gone = set(told["removed_paths"])
    assert "/usr/bin/perl" in gone
    assert "/usr/local/lib/python3.11/dist-packages/idle/__init__.py" in gone
    nothing_left(python)


def test_it_says_what_may_be_missed_before_it_is(python: Lamina) -> None:
    told = minified(python, "app:1", "-t", "app:min", "--cmd", "early")
    (later,) = [each for each in told["later"] if each["path"] == "/app/main.py"]
    assert "idle" in later["wants"]
    assert python("run", "--rm", "app:min", "by", "idle", check=False).returncode == 1
    minified(python, "app:1", "-t", "app:kept", "--cmd", "early", "--keep-package", "idle")
    assert python("run", "--rm", "app:kept", "by", "idle").stdout == "idle\n"


def test_the_same_probes_give_the_same_image(python: Lamina) -> None:
    for number in range(3):
        minified(python, "app:1", "-t", f"app:min{number}", "--cmd", "early")
    assert len({image_id(python, f"app:min{number}") for number in range(3)}) == 1


def test_what_was_removed_can_be_had_back(python: Lamina) -> None:
    told = minified(python, "app:1", "-t", "app:min", "--cmd", "early", "--keep-removed")
    assert told["removed_attached"]
    perl = ("--rm", "--entrypoint", "perl")
    assert python("run", *perl, "app:min", "-v", check=False).returncode == 127
    assert "perl 5" in python("run", "--with-removed", *perl, "app:min", "-v").stdout
    assert python("run", "--rm", "--with-removed", "app:min", "late").stdout == "42 named page\n"
    python("prune", "-f", check=False)
    assert "perl 5" in python("run", "--with-removed", *perl, "app:min", "-v").stdout
    refused = python("run", "--rm", "--with-removed", "app:1", check=False)
    assert refused.returncode == 125
    assert "no removed files" in refused.stderr


def test_a_container_with_what_was_removed_can_be_committed(python: Lamina) -> None:
    minified(python, "app:1", "-t", "app:min", "--cmd", "early", "--keep-removed")
    args = ("--name", "again", "--with-removed", "--entrypoint", "perl", "app:min")
    python("run", *args, "-e", "open(F, '>', '/new'); print F 'x'")
    python("commit", "again", "app:again")
    assert "perl 5" in python("run", "--rm", "--entrypoint", "perl", "app:again", "-v").stdout
    assert python("cat", "app:again", "/new").stdout == "x"
    assert python("diff", "again").stdout == "A /new\n"


def test_with_removed_the_tree_is_the_old_one(python: Lamina) -> None:
    minified(python, "app:1", "-t", "app:min", "--cmd", "early", "--keep-removed")
    store = open_store(python.root)
    old = tree_of(open_stack(store, "app:1"))
    small = store.images.find("app:min")
    layers = (*small.layers, *removed_layers(store, small))
    listings = [store.layers.hashed(layer) for layer in layers]
    assert records(listings, Union.of(listings)) == old


def test_nobody_can_tell_a_service_from_the_smaller_one(python: Lamina, tmp_path: Path) -> None:
    build(
        python,
        tmp_path / "site",
        "site:1",
        "FROM debian:python\nWORKDIR /srv/site\nCOPY . .\n"
        f'CMD ["python3", "-u", "-c", "{SERVICE}"]\n',
        {"index.html": "<p>hello</p>\n", "other.html": "<p>other</p>\n"},
    )
    told = minified(
        python,
        *("site:1", "-t", "site:min", "--http", "8000/", "--http", "HEAD:8000/index.html"),
        *(
            "--http",
            "8000/nothing=>404",
            "--test",
            "echo $LAMINA_HTTP; test -d /proc/$LAMINA_CONTAINER_PID",
        ),
    )
    assert [each["verdict"] for each in told["probes"]] == ["same"] * 4
    assert python("cat", "site:min", "/srv/site/other.html").stdout == "<p>other</p>\n"
    nothing_left(python)


# Node, nginx, dlopen


def node_package(name: str, source: str, **fields: object) -> dict[str, str]:
    place = f"app/node_modules/{name}"
    document = {"name": name, "version": "1.0.0", **fields}
    return {f"{place}/package.json": json.dumps(document), f"{place}/index.js": source}


@pytest.fixture
def web(root_only: None, lamina: Lamina, tmp_path: Path) -> Lamina:
    """A store with `web:1`: nginx with a site, and a Node program whose requires come late."""
    lamina("import", str(distribution("web", "nodejs", "nginx-light")), "debian:web")
    build(
        lamina,
        tmp_path / "web",
        "web:1",
        "FROM debian:web\nCOPY site /var/www/html\nCOPY app /app\nEXPOSE 80\n"
        'CMD ["nginx", "-g", "daemon off;"]\n',
        {
            "site/index.html": "<p>hello</p>\n",
            "site/img/late.svg": "<svg/>\n",
            "app/index.js": "console.log(process.argv[2] ? require('lazy').late() : 'hello')\n",
            "app/package.json": '{"name": "app", "dependencies": {"lazy": "1"}}',
            **node_package(
                "lazy",
                "exports.late = () => require('./deep/late').value",
                dependencies={"needed": "1"},
            ),
            "app/node_modules/lazy/deep/late.js": "exports.value = require('needed')\n",
            **node_package("needed", "module.exports = 'late'\n"),
            **node_package("idle", "module.exports = 'idle'\n"),
        },
    )
    return lamina


def test_what_node_requires_late_is_still_there(web: Lamina) -> None:
    told = minified(web, "web:1", "-t", "web:min", "--cmd", "node /app/index.js")
    assert [each["verdict"] for each in told["probes"]] == ["same"]
    assert web("run", "--rm", "web:min", "node", "/app/index.js", "x").stdout == "late\n"
    assert "/app/node_modules/idle/index.js" in told["removed_paths"]


def test_a_site_is_more_than_the_page_that_was_asked_for(web: Lamina) -> None:
    script = (
        f"{sys.executable} -c 'import urllib.request as u;"
        " print(u.urlopen(\"'$LAMINA_HTTP'/index.html\").read())'"
    )
    told = minified(web, "web:1", "-t", "web:min", "--test", script)
    assert [each["verdict"] for each in told["probes"]] == ["same"]
    assert told["bytes_after"] < told["bytes_before"] / 5
    again = minified(
        web, "web:min", "--dry-run", "--http", "80/img/late.svg", "--http", "80/nothing=>404"
    )
    assert [each["result"] for each in again["probes"]] == ["HTTP status 200", "HTTP status 404"]
    assert web("run", "--rm", "web:min", "sh", check=False).returncode == 127


def test_a_library_that_a_program_would_open_is_still_there(python: Lamina, tmp_path: Path) -> None:
    compiler = need_tool("gcc", "gcc")
    source = tmp_path / "main.c"
    source.write_text(
        "#include <dlfcn.h>\n#include <stdio.h>\n"
        "int main(int n, char **v) {\n"
        '  if (n < 2) return puts("hello") < 0;\n'
        '  return puts(dlopen("libexpat.so.1", RTLD_NOW) ? "opened" : dlerror()) < 0;\n}\n'
    )
    place = tmp_path / "c"
    place.mkdir()
    subprocess.run([compiler, str(source), "-o", str(place / "main")], check=True)
    write(place, {"Dockerfile": 'FROM debian:python\nCOPY main /usr/bin/\nCMD ["main"]\n'})
    python("build", "-q", "-t", "c:1", str(place))
    told = minified(python, "c:1", "-t", "c:min")
    assert told["bytes_after"] < told["bytes_before"] / 5
    assert "/usr/bin/python3.11" in told["removed_paths"]
    assert python("run", "--rm", "c:min", "main", "late").stdout == "opened\n"
