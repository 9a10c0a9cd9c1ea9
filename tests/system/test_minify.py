"""`slim --minify` on a real kernel: images that others break by it go on working."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lamina.base.archive import recipe_for
from lamina.base.bootstrap import distribution_rootfs
from lamina.errors import EngineError
from lamina.explain.stack import Stack, open_stack
from lamina.layer.union import Union
from lamina.minify.keep import Wishes
from lamina.minify.minify import Observed, observe
from lamina.minify.probe import CommandProbe
from lamina.minify.recorder import Way
from lamina.minify.trial import Laboratory, Settings
from lamina.repack.repack import tree_of
from lamina.store.root import open_store
from tests.system.conftest import CACHE, COMMAND, Lamina, need_root, need_tool

SERVICE = "from http.server import test, SimpleHTTPRequestHandler as H; test(H, port=8000)"


def distribution(name: str, *packages: str) -> Path:
    """Debian with these packages as a tar: made once, then kept in `.cache/`."""
    path = CACHE / f"debian-bookworm-{name}.tar"
    CACHE.mkdir(exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            need_root()
            partial = path.with_suffix(".partial")
            recipe = recipe_for("debian", "bookworm", include=packages)
            try:
                with (
                    distribution_rootfs(recipe, environment=os.environ) as rootfs,
                    partial.open("wb") as output,
                ):
                    output.writelines(rootfs.chunks)
            except EngineError as error:
                partial.unlink(missing_ok=True)
                pytest.skip(f"cannot make debian with {name}: {error}")
            partial.rename(path)
    return path


def write(place: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)


def build(lamina: Lamina, place: Path, tag: str, dockerfile: str, files: Mapping[str, str]) -> None:
    place.mkdir()
    write(place, {"Dockerfile": dockerfile, **files})
    lamina("build", "-q", "-t", tag, str(place))


def names(lamina: Lamina) -> list[str]:
    return lamina("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()


def image_id(lamina: Lamina, name: str) -> str:
    return lamina("inspect", "--format", "{{.Id}}", name).stdout.strip()


def minified(lamina: Lamina, *args: str, status: int = 0) -> Any:
    """The report of `slim --minify`."""
    done = lamina("slim", "--minify", *args, "--format", "json", check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def nothing_left(lamina: Lamina) -> None:
    builds = lamina.root / "builds"
    assert not builds.exists() or not any(builds.iterdir())
    assert str(builds) not in Path("/proc/mounts").read_text()


# the recorders: one contract


@pytest.fixture
def busybox(busybox_store: Lamina, tmp_path: Path) -> Lamina:
    build(
        busybox_store,
        tmp_path / "boxed",
        "box:1",
        "FROM busybox\nCOPY data /data\n"
        'RUN ln -s read /data/link && ln /data/one /data/two\nCMD ["true"]\n',
        {
            "data/read": "read\n",
            "data/unread": "unread\n",
            "data/script": ". /data/sourced\n",
            "data/sourced": "cat /data/link /data/two; echo x > /data/written\n",
            "data/one": "twice\n",
            "data/first-run": "cat /data/unread > /dev/null; rm /data/first-run\n",
            "data/template": "template\n",
            "data/private": "private\n",
            "data/replaced": "old\n",
            "data/change": (
                ". /data/first-run; mv /data/template /data/made; chmod 600 /data/private\n"
                "sed -i s/old/new/ /data/replaced\n"
            ),
        },
    )
    return busybox_store


def observed(lamina: Lamina, probe: CommandProbe, way: Way) -> Observed:
    """What a probe shows of `box:1`, watched that way."""
    store = open_store(lamina.root)
    work = lamina.root / "builds" / "ab"
    work.mkdir(parents=True)
    cache, settings = store.root / "cache", Settings((probe,))
    laboratory = Laboratory(store.layers, work, cache, settings, lambda _: None)
    image, stack = store.images.find("box:1"), open_stack(store, "box:1")
    try:
        return observe(image, stack, laboratory, Wishes(), way)
    finally:
        shutil.rmtree(work)


@pytest.mark.parametrize("way", ["fanotify", "access times"])
def test_every_recorder_tells_the_same(busybox: Lamina, way: Way) -> None:
    seen = observed(busybox, CommandProbe(("sh", "/data/script")), way)
    data = {path for path in seen.used if path.startswith("data/")}
    # What is read through a further name counts under either: they are one file.
    assert data - {"data/one"} == {"data/read", "data/script", "data/sourced", "data/two"}
    assert seen.way == way
    assert any(path.startswith("bin/") for path in seen.used), "the program itself"
    assert seen.outcomes[0].outputs[0] == ("stdout", b"read\ntwice\n")


@pytest.mark.parametrize("way", ["fanotify", "access times"])
def test_what_is_removed_renamed_or_changed_is_used(busybox: Lamina, way: Way) -> None:
    used = observed(busybox, CommandProbe(("sh", "/data/change")), way).used
    assert {path for path in used if path.startswith("data/")} == {
        *("data/change", "data/first-run", "data/unread"),
        *("data/template", "data/private", "data/replaced"),
    }


def test_a_recorder_hears_the_loader_and_the_libraries(python: Lamina) -> None:
    told = minified(python, "app:1", "--dry-run", "--cmd", "python3 -c 'import json'")
    used = next(each for each in told["kept"] if each["name"] == "used by a probe")
    assert told["files_used"] == used["files"] > 20
    assert told["recorded_by"] == "fanotify"
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
    from lamina.minify.removed import removed_layers

    minified(python, "app:1", "-t", "app:min", "--cmd", "early", "--keep-removed")
    store = open_store(python.root)
    old = tree_of(open_stack(store, "app:1"))
    small = store.images.find("app:min")
    layers = (*small.layers, *removed_layers(store, small))
    listings = [store.layers.hashed(layer) for layer in layers]
    from lamina.repack.tree import records

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


# what goes wrong


def test_a_probe_that_fails_stops_it(busybox: Lamina) -> None:
    command = "sh -c 'echo it is broken >&2; exit 3'"
    done = busybox("slim", "--minify", "box:1", "-t", "box:min", "--cmd", command, check=False)
    assert done.returncode == 1
    assert "exit status 3" in done.stderr
    assert "it is broken" in done.stderr
    assert "box:min" not in names(busybox)
    nothing_left(busybox)


def test_a_program_that_is_not_there_is_a_probe_that_fails(busybox: Lamina) -> None:
    done = busybox("slim", "--minify", "box:1", "-t", "box:min", "--cmd", "nosuch", check=False)
    assert done.returncode == 1
    assert "not found" in done.stderr


def test_a_service_that_never_answers_is_told(busybox: Lamina) -> None:
    done = busybox(
        *("slim", "--minify", "box:1", "-t", "box:min", "--http", "80/", "--timeout", "1"),
        check=False,
    )
    assert done.returncode == 1
    assert "ended" in done.stderr
    nothing_left(busybox)


@pytest.mark.parametrize("turns", ["second", "first second"])
def test_a_difference_undoes_it_and_says_what_is_missing(
    busybox: Lamina, tmp_path: Path, turns: str
) -> None:
    build(
        busybox,
        tmp_path / "halves",
        "halves:1",
        "FROM busybox\nCOPY first /opt/first\nCOPY second /opt/second\n"
        'CMD ["httpd", "-f", "-p", "8080", "-h", "/opt"]\n',
        {"first/page": "first\n", "second/page": "second\n"},
    )
    # Another page the second time; then that again, or what was asked for at first.
    (tmp_path / "turns").write_text(f"first second {turns} second second")
    script = f"""
        cd {tmp_path}; read page rest < turns; echo $rest > turns
        {sys.executable} -c 'import sys, urllib.request as u
print(u.urlopen(sys.argv[1]).read())' $LAMINA_HTTP:8080/$page/page || echo nothing
        """
    args = ("halves:1", "-t", "halves:min", "--http", "8080/first/page", "--test", script)
    told = minified(busybox, *args, status=3)
    assert told["new"] is None
    assert told["missing"] == ["/opt/second/page"]
    assert [each["verdict"] for each in told["probes"]] == ["same", "differs"]
    assert "halves:min" not in names(busybox)
    nothing_left(busybox)


def test_an_output_that_varies_by_itself_is_no_difference(busybox: Lamina) -> None:
    command = "sh -c 'cat /proc/sys/kernel/random/uuid'"
    told = minified(busybox, "box:1", "-t", "box:min", "--cmd", command)
    assert [each["verdict"] for each in told["probes"]] == ["varies"]
    assert "box:min" in names(busybox)


def test_an_interrupt_leaves_nothing(busybox: Lamina) -> None:
    command = [str(COMMAND), "--root", str(busybox.root), "slim", "--minify", "box:1"]
    running = subprocess.Popen(
        [*command, "-t", "box:min", "--cmd", "sleep 1000"], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 20
    while not _sleeping(running.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    inside = _sleeping(running.pid)
    assert inside
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=20) == 130
    assert not [pid for pid in inside if Path(f"/proc/{pid}").exists()]
    assert "box:min" not in names(busybox)
    nothing_left(busybox)


def _sleeping(pid: int) -> list[int]:
    """The children of a process that are the container's program."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [
        int(child)
        for child in text.split()
        if b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


# what is kept exactly


def test_an_image_without_a_shell(busybox_store: Lamina, tmp_path: Path) -> None:
    box = shutil.which("busybox")
    assert box is not None
    place = tmp_path / "scratch"
    place.mkdir()
    shutil.copy(box, place / "busybox")
    write(
        place,
        {
            "Dockerfile": "FROM scratch\nCOPY busybox /busybox\nCOPY junk /junk\n"
            'CMD ["/busybox", "echo", "hi"]\n',
            "junk/a": "a" * 5000,
        },
    )
    busybox_store("build", "-q", "-t", "bare:1", str(place))
    told = minified(busybox_store, "bare:1", "-t", "bare:min")
    assert told["removed_paths"] == ["/junk", "/junk/a"]
    assert busybox_store("run", "--rm", "bare:min").stdout == "hi\n"


def test_devices_attributes_and_empty_directories_stay(
    root_only: None, lamina: Lamina, tmp_path: Path
) -> None:
    box = shutil.which("busybox")
    assert box is not None
    archive = tmp_path / "odd.tar"
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "busybox", Path(box).read_bytes(), mode=0o4755)
        _add(tar, "device", None, type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o640, uid=7)
        _add(tar, "pipe", None, type=tarfile.FIFOTYPE, mode=0o600)
        _add(tar, "spool", None, type=tarfile.DIRTYPE, mode=0o1777, mtime=1234567890)
        _add(tar, "junk", b"junk")
        attribute = {"SCHILY.xattr.user.note": "kept"}
        _add(tar, "etc/marked", b"marked", uid=5, pax_headers=attribute)
        _add(tar, "etc/again", None, type=tarfile.LNKTYPE, linkname="etc/marked")
        _add(tar, "nowhere", None, type=tarfile.SYMTYPE, linkname="/not/there")
    lamina("import", "--change", 'CMD ["/busybox", "true"]', str(archive), "odd:1")
    minified(lamina, "odd:1", "-t", "odd:min")
    store = open_store(lamina.root)
    old, new = (tree_of(_opened(store, name)) for name in ("odd:1", "odd:min"))
    assert old.keys() - new.keys() == {"junk"}
    assert {path: old[path] for path in new} == new
    assert new["etc/marked"].xattrs == "user.note=6b657074"


def _opened(store: Any, name: str) -> Stack:
    return open_stack(store, name)


def _add(tar: tarfile.TarFile, name: str, content: bytes | None, **fields: Any) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content or b"")
    info.mode = 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    tar.addfile(info, io.BytesIO(content or b""))


def test_a_dry_run_makes_nothing(busybox: Lamina) -> None:
    told = minified(busybox, "box:1", "--dry-run", "--cmd", "cat /data/read")
    assert told["new"] is None
    assert [each["verdict"] for each in told["probes"]] == [None]
    nothing_left(busybox)
