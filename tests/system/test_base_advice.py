"""Advice about a base, held against programs that really run there or do not."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lamina.engine import open_engine
from lamina.explain.stack import open_stack
from lamina.layer.entry import Kind
from lamina.needs.closure import close, loaded
from lamina.needs.elf import read_elf
from lamina.needs.system import System
from tests.system.conftest import Lamina, Registry, need_tool

pytestmark = pytest.mark.system

APP = """\
FROM {base}
COPY tool /usr/local/bin/tool
COPY entry.sh /entry.sh
ENTRYPOINT ["/entry.sh"]
CMD ["tool", "--version"]
"""
SMALLER = "FROM debian:bookworm\nRUN rm -rf /usr/share/doc /usr/share/locale /usr/share/man\n"
POORER = "FROM smaller:1\nRUN rm /usr/lib/x86_64-linux-gnu/libz.so.1*\n"


def build(lamina: Lamina, folder: Path, name: str, dockerfile: str) -> None:
    (folder / "Dockerfile").write_text(dockerfile)
    lamina("build", "-q", "-t", name, str(folder))


@pytest.fixture
def bases(debian_store: Lamina, busybox_tar: Path, tmp_path: Path) -> Lamina:
    """A store with `debian:bookworm`, two smaller bases and an app that needs libz."""
    folder = tmp_path / "context"
    folder.mkdir()
    build(debian_store, folder, "with-docs:1", SMALLER)
    debian_store("slim", "with-docs:1", "--flatten", "-t", "smaller:1")
    build(debian_store, folder, "without-libz:1", POORER)
    debian_store("slim", "without-libz:1", "--flatten", "-t", "poorer:1")
    debian_store("import", str(busybox_tar), "busybox:latest")
    debian_store("rmi", "with-docs:1", "without-libz:1")
    # A real program, linked against libraries of the base and none of the image's own.
    debian_store("run", "--name", "donor", "debian:bookworm", "true")
    debian_store("cp", "donor:/usr/bin/dpkg-deb", str(folder / "tool"))
    debian_store("rm", "donor")
    (folder / "entry.sh").write_text('#!/bin/sh\nset -e\nexec "$@"\n')
    (folder / "entry.sh").chmod(0o755)
    build(debian_store, folder, "app:1", APP.format(base="debian:bookworm"))
    return debian_store


def advice(lamina: Lamina, *args: str) -> dict[str, Any]:
    """What is told of each candidate, by its name."""
    document = json.loads(lamina("slim", "--base", "app:1", "--format", "json", *args).stdout)
    assert document["base"] == "debian:bookworm"
    return {each["name"]: each for each in document["candidates"]}


def missing(told: dict[str, Any]) -> list[str]:
    return [
        each["name"]
        for each in told["answers"]
        if (each["holding"], each["weight"]) == ("missing", "must")
    ]


def test_what_is_advised_works_and_what_is_said_to_miss_something_fails(
    bases: Lamina, tmp_path: Path
) -> None:
    told = advice(bases)
    assert list(told) == ["smaller:1", "poorer:1", "busybox:latest"]
    assert told["smaller:1"]["holds_all"] and told["smaller:1"]["saves"] > 10_000_000
    assert missing(told["poorer:1"]) == ["libz.so.1"]
    # Its package is there and was emptied: to install it again would do nothing.
    assert told["poorer:1"]["packages"] == []
    assert "no dynamic loader" in told["busybox:latest"]["impossible"]
    assert "Debian" in bases("run", "--rm", "app:1").stdout
    for name, base in (("good:1", "smaller:1"), ("bad:1", "poorer:1"), ("no:1", "busybox:latest")):
        build(bases, tmp_path / "context", name, APP.format(base=base))
    assert "Debian" in bases("run", "--rm", "good:1").stdout
    failed = bases("run", "--rm", "bad:1", check=False)
    assert failed.returncode == 127 and "libz.so.1" in failed.stdout + failed.stderr
    assert bases("run", "--rm", "no:1", check=False).returncode == 127
    # The size that was told is that of the image which was built.
    document = json.loads(bases("explain", "good:1", "--format", "json").stdout)
    assert document["visible_bytes"] == told["smaller:1"]["bytes"]


def test_candidates_of_a_registry_and_of_a_list(
    bases: Lamina, registry: Registry, tmp_path: Path
) -> None:
    for tag, image in (("1", "smaller:1"), ("same", "smaller:1"), ("2", "poorer:1")):
        bases("tag", image, f"{registry.host}/bases:{tag}")
        bases("push", "-q", f"{registry.host}/bases:{tag}")
        bases("rmi", f"{registry.host}/bases:{tag}")
    repository = f"{registry.host}/bases"
    told = advice(bases, "--candidate", f"docker://{repository}")
    assert list(told) == [f"{repository}:1", f"{repository}:2"]
    assert told[f"{repository}:1"]["from"] == f"{repository}:1"
    bases("save", "smaller:1", "-o", str(tmp_path / "smaller.tar"))
    names = tmp_path / "names"
    names.write_text(f"# bases\n{tmp_path}/smaller.tar\n\nnot/there:1  # gone\nsmaller:1\n")
    done = bases("slim", "--base", "app:1", "--candidates", str(names), "--format", "json")
    document = json.loads(done.stdout)
    assert [each["name"] for each in document["unread"]] == ["not/there:1"]
    found = {each["name"]: each for each in document["candidates"]}
    archive = found[f"{tmp_path}/smaller.tar"]
    assert archive["from"] is None and archive["holds_all"]
    assert archive["bytes"] == found["smaller:1"]["bytes"]


def test_the_closure_is_what_the_loader_of_debian_opens(debian_store: Lamina) -> None:
    stack = open_stack(open_engine(debian_store.root).store, "debian:bookworm")
    system = System(stack)
    files = [
        located.entry.path
        for located in stack.union.walk()
        if located.entry.kind is Kind.FILE and system.files.elf(located.entry.path) is not None
    ]
    assert len(files) > 500
    loader = "/lib64/ld-linux-x86-64.so.2"
    lines = [f'echo "== {path}"; {loader} --list /{path} 2>&1' for path in files]
    done = debian_store(
        "run", "--rm", "-i", "debian:bookworm", "sh", stdin="\n".join(lines) + "\nexit 0\n"
    )
    blocks = done.stdout.split("== ")[1:]
    assert len(blocks) == len(files)
    for path, block in zip(files, blocks, strict=True):
        theirs = {
            stack.union.resolve(name)
            for name in re.findall(r"^\t(?:\S+ => )?(/\S+) \(", block, re.MULTILINE)
        }
        mine = {
            each
            for each in close(system, [path], [loaded])
            if system.files.elf(each) is not None and system.files.resolve(each) == each
        }
        assert mine - {path} == theirs - {path}, path


def test_elf_files_are_read_as_readelf_reads_them(debian_store: Lamina, tmp_path: Path) -> None:
    readelf = need_tool("readelf", "binutils")
    debian_store("run", "--name", "all", "debian:bookworm", "true")
    debian_store("export", "all", "-o", str(tmp_path / "root.tar"))
    debian_store("rm", "all")
    tree = tmp_path / "tree"
    tree.mkdir()
    subprocess.run(["tar", "xf", str(tmp_path / "root.tar"), "-C", str(tree)], check=True)
    compared = 0
    for path in sorted(tree.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        elf = read_elf(path.read_bytes())
        if elf is None:
            continue
        said = subprocess.run(
            [readelf, "-dlV", str(path)], capture_output=True, text=True, check=True
        ).stdout
        assert list(elf.needed) == re.findall(r"\(NEEDED\).*\[(.*)\]", said)
        assert [elf.soname] * bool(elf.soname) == re.findall(r"\(SONAME\).*\[(.*)\]", said)
        assert [elf.interpreter] * bool(elf.interpreter) == re.findall(r"interpreter: (.*)\]", said)
        assert ":".join(elf.runpath) == "".join(re.findall(r"\(RUNPATH\).*\[(.*)\]", said))
        wants = {each for versions in elf.wants.values() for each in versions}
        assert wants == set(re.findall(r"Name: (\S+)  Flags: none  Version", said))
        assert set(elf.defines) == set(re.findall(r"Cnt: \d+  Name: (\S+)", said))
        compared += 1
    assert compared > 500
