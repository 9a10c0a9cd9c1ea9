"""Reproducible builds on the real kernel: the same digest in two stores, and what differs named."""

from __future__ import annotations

import io
import json
import os
import py_compile
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.engine import open_engine
from lamina.layer.entry import Entry
from lamina.store.contract import Image
from tests.fakes.repositories import Repository
from tests.system.conftest import Lamina, unmounted

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("started")]
COMMITTED = 1_700_000_000
"""When `Repository` commits."""
STAMP = "2023-11-14T22:13:20Z"
DOCKERFILE = """\
FROM busybox AS made
RUN echo made > /made && touch -d @1000000000 /old
FROM busybox
ARG SOURCE_DATE_EPOCH
WORKDIR /w
RUN mkdir d && for n in c a b; do echo $n > d/$n; done && ln d/a d/hard && ln -s a d/soft \\
    && mkfifo pipe && chmod 4755 d/b && chown 7:8 d/c && rm /bin/vi && hostname > host \\
    && echo $SOURCE_DATE_EPOCH > epoch && touch -d @5 older
COPY . /src/
COPY --from=made /made /old /m/
ADD some.tar /unpacked/
COPY <<END /heredoc
text
END
LABEL a=b
"""


@contextmanager
def masked(bits: int) -> Iterator[None]:
    """Another umask for what is started in the block."""
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def stores(busybox_store: Lamina, tmp_path: Path) -> Iterator[tuple[Lamina, Lamina]]:
    """Two stores that have the same busybox."""
    other = Lamina(tmp_path / "other")
    busybox_store("save", "-q", "-o", str(tmp_path / "busybox.tar"), "busybox")
    other("load", "-i", str(tmp_path / "busybox.tar"))
    yield busybox_store, other
    unmounted(other.root)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    return place


def image(lamina: Lamina, name: str = "t") -> Image:
    return open_engine(lamina.root).store.images.find(name)


def entries(lamina: Lamina, name: str = "t", *, above: int = 1) -> dict[str, Entry]:
    layers = open_engine(lamina.root).store.layers
    chain = image(lamina, name).layers[above:]
    return {entry.path: entry for each in chain for entry in layers.listing(each).entries}


def content(lamina: Lamina, path: str, name: str = "t") -> bytes:
    layers = open_engine(lamina.root).store.layers
    for diff_id in reversed(image(lamina, name).layers):
        for entry in layers.listing(diff_id).entries:
            if entry.path == path:
                with layers.open_file(diff_id, entry) as file:
                    return file.read()
    raise AssertionError(path)


def seconds(lamina: Lamina, path: str) -> float:
    return entries(lamina)[path].mtime / 1e9


def build(lamina: Lamina, context: Path, *args: str, check: bool = True) -> str:
    done = lamina("build", "-t", "t", *args, str(context), check=check)
    return done.stdout + done.stderr


def project(path: Path) -> Repository:
    """A repository with DOCKERFILE and what it copies."""
    repository = Repository.create(path, Dockerfile=DOCKERFILE, sub__a="1", b="2")
    with tarfile.open(path / "some.tar", "w") as tar:
        for name, when in (("in/new", COMMITTED + 99), ("in/old", 7)):
            member = tarfile.TarInfo(name)
            member.mtime = when
            tar.addfile(member, io.BytesIO())
    (path / "sub" / "link").symlink_to("a")
    (path / ".dockerignore").write_text(".git\n")
    repository.commit()
    return repository


def test_one_commit_gives_one_digest_in_two_stores(
    stores: tuple[Lamina, Lamina], tmp_path: Path
) -> None:
    repository = project(tmp_path / "project")
    found = []
    for number, (lamina, mask) in enumerate(zip(stores, (0o022, 0o077), strict=True)):
        clone = tmp_path / f"clone-{number}"
        repository.git("clone", "--quiet", repository.address, str(clone))
        for place in clone.rglob("*"):
            # One checkout is older than the commit, the other one newer.
            when = COMMITTED + (-1000, 1000)[number] - len(place.name)
            os.utime(place, (when, when), follow_symlinks=False)
        environment = {
            "TZ": ("UTC", "Asia/Tokyo")[number],
            "LANG": ("C", "de_DE.UTF-8")[number],
            "HOSTNAME": f"host-{number}",
            "PYTHONHASHSEED": str(number),
        }
        where = (clone, "."), (tmp_path, str(clone))
        with masked(mask):
            args = ("build", "--reproducible", "-t", "t", where[number][1])
            lamina(*args, cwd=where[number][0], env=environment)
        found.append(image(lamina))
    first, second = found
    assert first.config.raw == second.config.raw
    assert first.manifest.digest == second.manifest.digest


def test_no_time_is_later_than_the_commit(busybox_store: Lamina, tmp_path: Path) -> None:
    place = project(tmp_path / "project").path
    base = image(busybox_store, "busybox")
    build(busybox_store, place, "--reproducible")
    found = image(busybox_store)
    assert found.layers[0] == base.layers[0]
    assert found.config.created == STAMP
    assert {line.created for line in found.config.history} == {STAMP}
    times = {path: entry.mtime / 1e9 for path, entry in entries(busybox_store).items()}
    assert max(times.values()) == COMMITTED
    earlier = {path: time for path, time in times.items() if time < COMMITTED}
    assert earlier == {"w/older": 5, "m/old": 1e9, "unpacked/in/old": 7}
    assert content(busybox_store, "w/epoch") == f"{COMMITTED}\n".encode()
    assert content(busybox_store, "w/host") == b"lamina\n"


def test_a_later_build_from_the_cache_is_the_same_image(
    busybox_store: Lamina, tmp_path: Path
) -> None:
    place = project(tmp_path / "project").path
    build(busybox_store, place, "--reproducible")
    before = image(busybox_store).manifest.digest
    os.utime(place / "b", (9, 9))
    assert "CACHED" in build(busybox_store, place, "--reproducible")
    assert image(busybox_store).manifest.digest == before
    build(busybox_store, place, "--reproducible", "--no-cache")
    assert image(busybox_store).manifest.digest == before


def test_without_an_epoch_times_are_real(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nCOPY f /\nRUN touch /r\n")
    (context / "f").write_text("")
    os.utime(context / "f", (1_600_000_000, 1_600_000_000))
    build(busybox_store, context)
    assert seconds(busybox_store, "f") == 1_600_000_000
    assert seconds(busybox_store, "r") > COMMITTED
    assert (image(busybox_store).config.created or "") > STAMP


@pytest.mark.parametrize(
    ("args", "environment"),
    [
        (("--build-arg", "SOURCE_DATE_EPOCH=86400"), {"SOURCE_DATE_EPOCH": "5"}),
        ((), {"SOURCE_DATE_EPOCH": "86400"}),
        (("--reproducible",), {"SOURCE_DATE_EPOCH": "86400"}),
        (("--build-arg", "SOURCE_DATE_EPOCH"), {"SOURCE_DATE_EPOCH": "86400"}),
        (("--reproducible",), {}),
        (("--build-arg", "SOURCE_DATE_EPOCH=context"), {}),
    ],
)
def test_where_the_epoch_is_from(
    busybox_store: Lamina, context: Path, args: tuple[str, ...], environment: dict[str, str]
) -> None:
    """Without a repository the newest file that is not ignored says it."""
    (context / "Dockerfile").write_text("FROM busybox\nRUN touch /r\n")
    (context / ".dockerignore").write_text("ignored\n")
    for name, when in (("Dockerfile", 86_400), (".dockerignore", 5), ("ignored", 99_999)):
        (context / name).touch()
        os.utime(context / name, (when, when))
    busybox_store("build", "-t", "t", *args, str(context), env=environment)
    assert image(busybox_store).config.created == "1970-01-02T00:00:00Z"
    assert seconds(busybox_store, "r") == 86_400


def test_an_epoch_that_is_none_is_said(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\n")
    done = busybox_store("build", str(context), env={"SOURCE_DATE_EPOCH": "yesterday"}, check=False)
    assert done.returncode == 1
    assert "SOURCE_DATE_EPOCH is not a time: 'yesterday'" in done.stderr
    assert "Traceback" not in done.stderr


def test_python_takes_what_was_compiled_in_the_context(
    busybox_store: Lamina, context: Path, tmp_path: Path
) -> None:
    package = context / "src"
    package.mkdir()
    for name, when in (("newer", COMMITTED + 5), ("older", COMMITTED - 5)):
        source = package / f"{name}.py"
        source.write_text("x = 1\n")
        os.utime(source, (when, when))
        py_compile.compile(str(source), doraise=True)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY src /src\n")
    out = tmp_path / "out"
    epoch = ("--build-arg", f"SOURCE_DATE_EPOCH={COMMITTED}")
    busybox_store("build", "-t", "t", *epoch, str(context))
    busybox_store("build", "-o", str(out), *epoch, str(context))
    for name in ("newer", "older"):
        source = out / "src" / f"{name}.py"
        assert source.stat().st_mtime == COMMITTED
        done = subprocess.run(
            [sys.executable, "-v", "-c", f"import {name}"],
            env={"PYTHONPATH": str(out / "src")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"matches {source}" in done.stderr
    times = {entry.mtime / 1e9 for entry in entries(busybox_store, above=0).values()}
    assert times == {COMMITTED}


def test_options_of_copy_mean_the_same_with_an_epoch(busybox_store: Lamina, context: Path) -> None:
    for name in ("a/x/1", "a/x/2", "a/y/1"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(name)
    (context / "a" / "x").chmod(0o711)
    os.link(context / "a/x/1", context / "a/x/hard")
    (context / "Dockerfile").write_text(
        "FROM scratch\n"
        "COPY --exclude=**/2 a /e/\n"
        "COPY --parents a/*/1 /p/\n"
        "COPY --chown=3:4 --chmod=600 a/x /c/\n"
    )

    def shapes() -> list[tuple[object, ...]]:
        found = entries(busybox_store, above=0).values()
        return sorted((e.path, e.kind, e.mode, e.uid, e.gid, e.link) for e in found)

    build(busybox_store, context)
    real = shapes()
    build(busybox_store, context, "--reproducible")
    assert shapes() == real


VARYING = """\
FROM busybox
RUN echo same > /same
RUN date > /date && mkdir -p /var/log && date > /var/log/x.log
RUN rm /var/log/x.log
"""


def test_what_differs_is_named_with_its_instruction(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text(VARYING)
    args = ("build", "-t", "t", "--verify-reproducible", str(context))
    done = busybox_store(*args, check=False)
    assert done.returncode == 3
    assert "not reproducible: 2 files differ" in done.stderr
    report = done.stdout[done.stdout.index("   layer ") :]
    assert report.startswith("   layer 3   RUN date > /date && mkdir -p /var/log")
    assert "~   /date   content from line 1   time" in report
    # Hidden by the next layer, and still the reason why the image is another one.
    assert "~   /var/log/x.log   content from line 1   log" in report
    assert "rm -rf /var/log/*" in report
    assert "/same" not in report
    names = busybox_store("images", "--all", "--format", "{{.Repository}}").stdout.split()
    assert names == ["busybox"]
    assert list((busybox_store.root / "builds").iterdir()) == []


def test_programs_are_told_as_well(busybox_store: Lamina, context: Path) -> None:
    args = ("build", "-q", "--verify-reproducible", "--format", "json", str(context))
    (context / "Dockerfile").write_text("FROM busybox\nRUN date > /date\n")
    done = busybox_store(*args, check=False)
    assert done.returncode == 3
    (found,) = json.loads(done.stdout)
    assert found["platform"].startswith("linux/")
    (file,) = found["files"]
    assert (file["path"], file["aspects"], file["layer"]) == ("/date", ["content"], "2")
    assert file["instruction"] == "RUN date > /date"
    assert file["cause"]["name"] == "time"
    assert file["spot"]["line"] == 1
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo > /date\n")
    first, *_ = busybox_store(*args).stdout.splitlines()
    assert json.loads(first) == []


def test_what_comes_out_the_same_is_named(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo 1 > /f\nCOPY . /c/\n")
    output = build(busybox_store, context, "--verify-reproducible")
    assert "the same both times" in output
    # Nothing came from the cache, not even when it could have.
    assert "CACHED" not in build(busybox_store, context, "--verify-reproducible").replace(
        "#0 CACHED", ""
    )
    assert entries(busybox_store)["f"].size == 2
    names = busybox_store("images", "--all", "--format", "{{.Repository}}").stdout.split()
    assert sorted(names) == ["busybox", "t"]
