"""What PATH and --build-context mean, and where the Dockerfile is found."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.context.directory import Context, Nothing
from lamina.context.errors import BadOption, NoContext, NoDockerfile
from lamina.context.opening import NamedImage, NamedTree, Opened, open_context, open_named
from tests.fakes.archives import archive, file, symlink
from tests.fakes.repositories import ENVIRONMENT, Repository
from tests.fakes.web import FakeWeb, Page

TEXT = "FROM scratch\n"
TAR = archive(file("Dockerfile", b"FROM a"), file("other", b"FROM b"), file(".dockerignore", b"*"))


class Opener:
    """Opens with a place to work and an environment."""

    def __init__(self, place: Path) -> None:
        self.common: dict[str, Any] = {
            "work": place / "work",
            "cache": place / "cache",
            "started": 0,
            "environment": ENVIRONMENT,
        }
        (place / "work").mkdir()
        (place / "cache").mkdir()

    def context(self, text: str, *, f: str | None = None, stdin: bytes | None = None) -> Opened:
        stream = None if stdin is None else io.BytesIO(stdin)
        return open_context(text, dockerfile=f, stdin=stream, **self.common)

    def named(self, text: str) -> NamedTree | NamedImage:
        return open_named(text, **self.common)


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path)


@pytest.fixture
def server() -> Iterator[FakeWeb]:
    with FakeWeb() as running:
        yield running


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "directory"
    (place / "sub").mkdir(parents=True)
    (place / "Dockerfile").write_text(TEXT)
    (place / "sub" / "other").write_text("FROM other")
    (place / "f").write_text("f")
    return place


def names(opened: Opened | NamedTree | NamedImage) -> list[str]:
    assert not isinstance(opened, NamedImage)
    return [entry.path for entry in opened.tree.children("")]


def test_a_directory(opener: Opener, directory: Path) -> None:
    found = opener.context(str(directory))
    assert (found.dockerfile_text, found.dockerfile_name) == (TEXT, "Dockerfile")
    assert (found.place, found.commit, found.source) == (directory / "Dockerfile", "", "")
    assert names(found) == ["Dockerfile", "f", "sub"]
    assert isinstance(found.tree, Context)
    found.tree.fingerprint(found.tree.children("")[2])
    found.save()
    (known,) = (directory.parent / "cache").iterdir()
    assert known.name.startswith("context-")


def test_a_dockerfile_elsewhere(opener: Opener, directory: Path, tmp_path: Path) -> None:
    inside = opener.context(str(directory), f=str(directory / "sub" / "other"))
    assert inside.dockerfile_text == "FROM other"
    (tmp_path / "D").write_text("FROM d")
    (tmp_path / "D.dockerignore").write_text("f")
    found = opener.context(str(directory), f=str(tmp_path / "D"))
    assert (found.dockerfile_text, found.dockerfile_name) == ("FROM d", str(tmp_path / "D"))
    assert names(found) == ["Dockerfile", "sub"]


def test_what_is_ignored_is_still_read_by_the_builder(opener: Opener, directory: Path) -> None:
    (directory / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    found = opener.context(str(directory))
    assert found.dockerfile_text == TEXT
    assert names(found) == ["f", "sub"]


@pytest.mark.parametrize("name", ["dockerfile", "Containerfile"])
def test_other_names_of_a_dockerfile(opener: Opener, directory: Path, name: str) -> None:
    (directory / "Dockerfile").rename(directory / name)
    found = opener.context(str(directory))
    assert (found.dockerfile_text, found.dockerfile_name) == (TEXT, name)


def test_a_dockerfile_that_is_not_there(opener: Opener, directory: Path) -> None:
    (directory / "Dockerfile").rename(directory / "Dockerfile.dev")
    with pytest.raises(NoDockerfile, match=r"no Dockerfile at .*/directory/Dockerfile") as caught:
        opener.context(str(directory))
    assert caught.value.hint == "there is Dockerfile.dev: name one with -f"
    with pytest.raises(NoDockerfile) as caught:
        opener.context(str(directory), f=str(directory / "nothing" / "x"))
    assert caught.value.hint == "name it with -f, or give another PATH"
    with pytest.raises(BadOption, match="is a directory, not a Dockerfile"):
        opener.context(str(directory), f=str(directory / "sub"))


def test_a_dockerfile_on_standard_input(opener: Opener, directory: Path) -> None:
    found = opener.context(str(directory), f="-", stdin=b"FROM \xff")
    assert found.dockerfile_text == "FROM \udcff"
    assert names(found) == ["Dockerfile", "f", "sub"]
    assert found.place is None


def test_a_dockerfile_alone(opener: Opener) -> None:
    found = opener.context("-", stdin=TEXT.encode())
    assert found.dockerfile_text == TEXT
    assert isinstance(found.tree, Nothing)


@pytest.mark.parametrize("data", [TAR, gzip.compress(TAR)])
def test_an_archive_on_standard_input(opener: Opener, data: bytes) -> None:
    found = opener.context("-", stdin=data)
    assert found.dockerfile_text == "FROM a"
    # Its ignore file says nothing, as in BuildKit.
    assert names(found) == [".dockerignore", "Dockerfile", "other"]


def test_a_dockerfile_in_an_archive(opener: Opener) -> None:
    assert opener.context("-", f="./other", stdin=TAR).dockerfile_text == "FROM b"


def test_a_link_in_an_archive_stays_in_it(opener: Opener, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    data = archive(symlink("Dockerfile", str(tmp_path / "secret")))
    with pytest.raises(NoDockerfile, match="no Dockerfile in the build context"):
        opener.context("-", stdin=data)


@pytest.mark.parametrize(
    ("text", "f", "stdin", "problem"),
    [
        ("-", "-", b"", "cannot both come from standard input"),
        ("-", "other", b"FROM x", "names a file of an archive"),
        ("-", None, None, "no standard input"),
        (".", "-", None, "no standard input"),
        ("-", None, b"#" * (17 << 20), "larger than 16 MiB"),
    ],
)
def test_options_that_exclude_each_other(
    opener: Opener, text: str, f: str | None, stdin: bytes | None, problem: str
) -> None:
    with pytest.raises(BadOption, match=problem):
        opener.context(text, f=f, stdin=stdin)


def test_an_archive_that_has_no_dockerfile(opener: Opener) -> None:
    with pytest.raises(NoDockerfile) as caught:
        opener.context("-", stdin=archive(file("app.dockerfile")))
    assert caught.value.hint == "there is app.dockerfile: name one with -f"


@pytest.mark.parametrize("data", [TAR, gzip.compress(TAR)])
def test_the_address_of_an_archive(opener: Opener, server: FakeWeb, data: bytes) -> None:
    server.pages["/ctx.tar"] = Page(data)
    found = opener.context(f"{server.url}/ctx.tar?token=x", f="other")
    assert (found.dockerfile_text, found.source) == ("FROM b", f"{server.url}/ctx.tar")
    assert names(found) == [".dockerignore", "Dockerfile", "other"]


def test_the_address_of_a_dockerfile(opener: Opener, server: FakeWeb) -> None:
    server.pages["/Dockerfile"] = Page(TEXT.encode())
    found = opener.context(f"{server.url}/Dockerfile")
    assert found.dockerfile_text == TEXT
    assert isinstance(found.tree, Nothing)
    with pytest.raises(BadOption, match="names a file of an archive"):
        opener.context(f"{server.url}/Dockerfile?again", f="x")


def test_a_repository(opener: Opener, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "r", Dockerfile=TEXT, sub__Dockerfile="FROM sub")
    found = opener.context(f"{repository.address}#main")
    assert found.dockerfile_text == TEXT
    assert found.commit == repository.git("rev-parse", "HEAD")
    assert found.source == f"{repository.address}#main"
    assert names(found) == ["Dockerfile", "sub"]
    below = opener.context(f"{repository.address}#main:sub")
    assert below.dockerfile_text == "FROM sub"
    assert names(below) == ["Dockerfile"]


def test_a_directory_goes_before_an_address_that_looks_like_one(
    opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "github.com" / "a" / "b"
    place.mkdir(parents=True)
    (place / "Dockerfile").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    assert opener.context("github.com/a/b").dockerfile_text == TEXT


def test_what_is_no_context(opener: Opener, directory: Path) -> None:
    with pytest.raises(NoContext, match="there is no directory nothing"):
        opener.context("nothing")
    with pytest.raises(NoContext, match="is not a directory") as caught:
        opener.context(str(directory / "f"))
    assert "as - < " in caught.value.hint


def test_named_contexts(opener: Opener, directory: Path, server: FakeWeb, tmp_path: Path) -> None:
    (directory / ".dockerignore").write_text("f")
    assert names(opener.named(str(directory))) == [".dockerignore", "Dockerfile", "sub"]
    server.pages["/x.tar"] = Page(TAR)
    assert names(opener.named(f"{server.url}/x.tar")) == ["context"]
    repository = Repository.create(tmp_path / "r", a="1")
    for _ in range(2):  # two names for one place
        assert names(opener.named(f"{server.url}/x.tar")) == ["context"]
        assert names(opener.named(repository.address)) == ["a"]
    with pytest.raises(NoContext, match="not a build context: nothing"):
        opener.named("nothing")


SHA = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker-image://alpine:3", NamedImage("alpine:3")),
        ("docker-image://scratch", NamedImage("scratch")),
        (f"docker-image://h:5/a@{SHA}", NamedImage(f"h:5/a@{SHA}")),
        ("oci-layout://a/b", NamedImage("", Path("a/b"))),
        ("oci-layout:///a/b:v1", NamedImage(":v1", Path("/a/b"))),
        (f"oci-layout:///a/b@{SHA}", NamedImage(f"@{SHA}", Path("/a/b"))),
        (f"oci-layout://a/b:v1@{SHA}", NamedImage(f"@{SHA}", Path("a/b"))),
        ("oci-layout://a:b/c", NamedImage("", Path("a:b/c"))),
    ],
)
def test_named_images(opener: Opener, text: str, expected: NamedImage) -> None:
    assert opener.named(text) == expected
