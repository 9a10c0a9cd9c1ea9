"""`lamina build` from contexts of every kind, and ADD from addresses, on the real kernel."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.engine import open_engine
from lamina.layer.entry import Entry
from lamina.layer.union import Union
from tests.fakes.repositories import ENVIRONMENT, Repository
from tests.fakes.web import FakeWeb, Page
from tests.system.conftest import COMMAND, Lamina

pytestmark = pytest.mark.system

COPY = "FROM busybox\nCOPY . /c/\n"


@pytest.fixture
def server() -> Iterator[FakeWeb]:
    with FakeWeb() as running:
        yield running


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    (place / "sub").mkdir(parents=True)
    (place / "Dockerfile").write_text(COPY)
    (place / "sub" / "f").write_text("f")
    return place


def build(
    lamina: Lamina, *args: str, stdin: bytes = b"", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """`lamina build -t t`, with bytes on standard input and without the user's git."""
    environment = {**os.environ, **ENVIRONMENT, "PATH": os.environ["PATH"]}
    command = [str(COMMAND), "--root", str(lamina.root), "build", "-t", "t", *args]
    done = subprocess.run(command, input=stdin, capture_output=True, env=environment, check=False)
    result = subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode(), done.stderr.decode()
    )
    if check and result.returncode:
        pytest.fail(result.stdout + result.stderr)
    assert not list(lamina.root.glob("builds/*"))
    return result


def cached(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether the last step came from the cache."""
    return "#1 CACHED" in done.stderr + done.stdout


def files(lamina: Lamina) -> dict[str, Entry]:
    """What the build put over its base."""
    store = open_engine(lamina.root).store
    chain = store.images.find("t").layers[1:]
    union = Union.of([store.layers.listing(each) for each in chain])
    return {each.entry.path: each.entry for each in union.walk()}


def content(lamina: Lamina, path: str) -> str:
    store = open_engine(lamina.root).store
    chain = store.images.find("t").layers
    found = Union.of([store.layers.listing(each) for each in chain]).content(path)
    assert found is not None, path
    with store.layers.open_file(chain[found.layer], found.entry) as file:
        return file.read().decode()


def tar(directory: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(directory, ".")
    return out.getvalue()


def test_the_same_files_give_the_same_layer_wherever_they_come_from(
    busybox_store: Lamina, context: Path, server: FakeWeb
) -> None:
    archive = tar(context)
    server.pages["/ctx.tgz"] = Page(gzip.compress(archive))
    build(busybox_store, str(context))
    assert set(files(busybox_store)) == {"c", "c/Dockerfile", "c/sub", "c/sub/f"}
    first = open_engine(busybox_store.root).store.images.find("t").layers
    repository = Repository(context)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit()
    for place, stdin in (("-", archive), (f"{server.url}/ctx.tgz", b""), (repository.address, b"")):
        assert cached(build(busybox_store, place, stdin=stdin)), place
        assert open_engine(busybox_store.root).store.images.find("t").layers == first


def test_a_dockerfile_alone(busybox_store: Lamina) -> None:
    build(busybox_store, "-", stdin=b"FROM busybox\nRUN echo hi > /f\n")
    assert content(busybox_store, "f") == "hi\n"


def test_a_dockerfile_in_an_archive(busybox_store: Lamina, context: Path) -> None:
    (context / "sub" / "D").write_text("FROM busybox\nCOPY sub/f /g\n")
    build(busybox_store, "-f", "sub/D", "-", stdin=gzip.compress(tar(context)))
    assert content(busybox_store, "g") == "f"


def test_a_branch_of_a_repository(busybox_store: Lamina, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "r", dir__Dockerfile=COPY, dir__f="1", other="x")
    repository.git("checkout", "--quiet", "-b", "dev")
    repository.commit(dir__f="2")
    build(busybox_store, f"{repository.address}#dev:dir")
    assert set(files(busybox_store)) == {"c", "c/Dockerfile", "c/f"}
    assert content(busybox_store, "c/f") == "2"


def test_adding_a_file_of_the_web(busybox_store: Lamina, context: Path, server: FakeWeb) -> None:
    server.pages["/a/f.txt"] = Page(b"hello", modified=1_600_000_000)
    (context / "Dockerfile").write_text(f"FROM busybox\nADD {server.url}/a/f.txt /d/\n")
    build(busybox_store, str(context))
    entry = files(busybox_store)["d/f.txt"]
    assert (entry.mode, entry.uid, entry.mtime) == (0o600, 0, 1_600_000_000 * 10**9)
    assert content(busybox_store, "d/f.txt") == "hello"
    assert cached(build(busybox_store, str(context)))
    assert server.sent == 5
    server.pages["/a/f.txt"] = Page(b"changed")
    build(busybox_store, str(context))
    assert content(busybox_store, "d/f.txt") == "changed"


def test_adding_what_is_not_there(busybox_store: Lamina, context: Path, server: FakeWeb) -> None:
    (context / "Dockerfile").write_text(f"FROM busybox\nADD {server.url}/nothing /d/\n")
    done = build(busybox_store, str(context), check=False)
    assert done.returncode == 1
    assert f"nothing is at {server.url}/nothing (status 404)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checksum(busybox_store: Lamina, context: Path, server: FakeWeb) -> None:
    import hashlib

    server.pages["/f"] = Page(b"hello")
    right, wrong = hashlib.sha256(b"hello").hexdigest(), "0" * 64
    text = f"FROM busybox\nADD --checksum=sha256:%s {server.url}/f /f\n"
    (context / "Dockerfile").write_text(text % wrong)
    done = build(busybox_store, str(context), check=False)
    assert f"has the sha256 {right} and not {wrong}" in done.stderr
    (context / "Dockerfile").write_text(text % right)
    build(busybox_store, str(context))
    asked = len(server.asked)
    assert cached(build(busybox_store, str(context)))
    assert len(server.asked) == asked


@pytest.mark.parametrize("keep", [False, True])
def test_adding_a_repository(
    busybox_store: Lamina, context: Path, tmp_path: Path, keep: bool
) -> None:
    repository = Repository.create(tmp_path / "r", a="1", sub__b="2")
    flag = "--keep-git-dir=true " if keep else ""
    (context / "Dockerfile").write_text(f"FROM busybox\nADD {flag}{repository.address}#main /src\n")
    build(busybox_store, str(context))
    found = set(files(busybox_store))
    assert {"src", "src/a", "src/sub/b"} <= found
    assert ("src/.git/HEAD" in found) is keep
    assert cached(build(busybox_store, str(context)))
    repository.commit(a="new")
    build(busybox_store, str(context))
    assert content(busybox_store, "src/a") == "new"


def test_a_broken_archive(busybox_store: Lamina, context: Path) -> None:
    done = build(busybox_store, "-", stdin=gzip.compress(tar(context))[:-40], check=False)
    assert done.returncode == 1
    assert "the archive of the build context cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
