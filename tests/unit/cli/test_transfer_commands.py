"""pull, push, save, load, import and copy as a user types them, against a registry in-process."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.cli import main
from lamina.oci import mediatype
from lamina.oci.digest import Digest
from lamina.store.root import open_store
from tests.fakes.images import tar_of
from tests.fakes.registry import FakeRegistry, error, hang, html, say, with_body
from tests.fakes.transfer import MemoryPlace
from tests.rights import needs_rights
from tests.unit.transfer.material import AMD64, ARM64, TARS, put_image, put_index

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The logins and proxies of whoever runs the tests stay out of them."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lamina(root: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main.run(["--root", str(root), *args])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


def serve(registry: FakeRegistry, place: MemoryPlace, repository: str, tag: str) -> Digest:
    """Have everything of `place` in a repository; its tag becomes `tag`."""
    top = place.resolve()
    documents = mediatype.MANIFESTS | mediatype.INDEXES
    for digest, data in place.blobs.items():
        registry.add_blob(repository, data)
        kind = data[:200].decode("utf-8", "replace")
        for media_type in documents:
            # Its own type, which comes first: an index names the types of others as well.
            if kind.startswith(f'{{"schemaVersion":2,"mediaType":"{media_type}"'):
                registry.add_manifest(
                    repository, tag if digest == top.digest else "", data, media_type
                )
    return top.digest


@pytest.fixture
def name(registry: FakeRegistry) -> str:
    """The name of an image that the registry has."""
    place = MemoryPlace()
    put_image(place)
    serve(registry, place, "team/app", "v1")
    return f"{registry.host}/team/app:v1"


@pytest.fixture
def rootfs(tmp_path: Path) -> str:
    path = tmp_path / "rootfs.tar"
    path.write_bytes(TARS[0])
    return str(path)


class TestPull:
    def test_it_speaks_as_docker_does(self, lamina: Run, registry: FakeRegistry, name: str) -> None:
        digest = registry.manifests["team/app"]["v1"]
        status, out, err = lamina("pull", name)
        lines = out.splitlines()
        assert (status, err) == (0, "")
        assert lines[0] == "v1: Pulling from team/app"
        assert sorted(line.split(": ")[1] for line in lines[1:3]) == ["Pull complete"] * 2
        assert lines[3:] == [
            f"Digest: {Digest.of(digest[1])}",
            f"Status: Downloaded newer image for {name}",
            name,
        ]

    def test_again_it_is_up_to_date(self, lamina: Run, name: str) -> None:
        lamina("pull", name)
        _, out, _ = lamina("pull", name)
        assert out.count("Already exists") == 2
        assert f"Status: Image is up to date for {name}\n" in out

    def test_quiet_prints_the_name_alone(self, lamina: Run, name: str) -> None:
        assert lamina("pull", "-q", name) == (0, f"{name}\n", "")

    def test_without_a_tag_it_is_latest(self, lamina: Run, registry: FakeRegistry) -> None:
        place = MemoryPlace()
        put_image(place)
        serve(registry, place, "team/app", "latest")
        _, out, _ = lamina("pull", f"{registry.host}/team/app")
        assert out.startswith("Using default tag: latest\nlatest: Pulling from team/app\n")
        assert out.endswith(f"{registry.host}/team/app:latest\n")

    def test_by_digest(self, lamina: Run, registry: FakeRegistry, name: str) -> None:
        digest = Digest.of(registry.manifests["team/app"]["v1"][1])
        by_digest = f"{registry.host}/team/app@{digest}"
        status, out, _ = lamina("pull", by_digest)
        assert status == 0
        assert out.startswith(f"{digest}: Pulling from team/app\n")
        assert out.endswith(f"Status: Downloaded newer image for {by_digest}\n{by_digest}\n")
        assert "Image is up to date" in lamina("pull", by_digest)[1]

    def test_all_tags(self, lamina: Run, registry: FakeRegistry, root: Path) -> None:
        for tag in ("one", "two"):
            place = MemoryPlace()
            put_image(place, [tar_of({"tag": tag.encode()})])
            serve(registry, place, "team/app", tag)
        status, out, _ = lamina("pull", "-a", f"{registry.host}/team/app")
        assert status == 0
        assert "one: Pulling from team/app" in out
        assert "two: Pulling from team/app" in out
        rows = open_store(root).refs.rows()
        assert {row.reference.tag for row in rows if row.reference} == {"one", "two"}

    @pytest.mark.parametrize("platform", ["linux/arm64", "arm64"])
    def test_a_platform(
        self, lamina: Run, registry: FakeRegistry, root: Path, platform: str
    ) -> None:
        place = MemoryPlace()
        put_index(place, AMD64, ARM64)
        serve(registry, place, "team/app", "v1")
        name = f"{registry.host}/team/app:v1"
        assert lamina("pull", "-q", "--platform", platform, name)[0] == 0
        assert open_store(root).images.find(name).config.platform == ARM64

    def test_all_platforms_go_there_and_back(
        self, lamina: Run, registry: FakeRegistry, root: Path
    ) -> None:
        place = MemoryPlace()
        index = put_index(place, AMD64, ARM64)
        serve(registry, place, "team/app", "v1")
        name = f"{registry.host}/team/app:v1"
        assert lamina("pull", "-q", "--all-platforms", name)[0] == 0
        status, out, _ = lamina("push", "-q", name)
        assert (status, out) == (0, f"{registry.host}/team/app@{index.digest}\n")

    @pytest.mark.parametrize(
        ("args", "says"),
        [
            (("-a", "x:1"), "tag can't be used with --all-tags/-a"),
            (("--platform", "arm64", "--all-platforms", "x"), "exclude each other"),
        ],
    )
    def test_usage(self, lamina: Run, args: tuple[str, ...], says: str) -> None:
        status, out, err = lamina("pull", *args)
        assert (status, out) == (2, "")
        assert says in err

    @pytest.mark.parametrize(
        ("path", "change", "says"),
        [
            ("/manifests/", html(), "answers with a web page"),
            ("/manifests/", error(401, "UNAUTHORIZED"), "lamina login"),
            ("/manifests/", with_body(b'{"schemaVersion":1}'), "is damaged"),
            ("/blobs/", error(404, "BLOB_UNKNOWN", "blob unknown"), "BLOB_UNKNOWN"),
            ("/blobs/", with_body(b"other bytes"), "bytes"),
            ("/blobs/", say(403), "403"),
        ],
        ids=["html", "unauthorized", "other manifest", "no blob", "other blob", "forbidden"],
    )
    def test_a_fault_is_one_line_and_names_nothing(  # type: ignore[no-untyped-def]
        self,
        lamina: Run,
        registry: FakeRegistry,
        name: str,
        root: Path,
        path: str,
        change,
        says: str,
    ) -> None:
        for method in ("GET", "HEAD"):
            registry.fault(method, path, change, times=50)
        status, out, err = lamina("pull", name)
        assert status == 1
        assert err.startswith("lamina: ")
        assert says in err
        assert "Traceback" not in err
        assert "Status" not in out
        assert not open_store(root).refs.rows()
        assert not list((root / "layers").glob(".*"))

    def test_a_registry_that_hangs(self, lamina: Run, registry: FakeRegistry, name: str) -> None:
        registry.fault("GET", "/blobs/", hang(), times=50)
        status, _, err = lamina("pull", "--timeout", "0.2", name)
        assert status == 1
        assert registry.host in err

    def test_a_name_that_is_none(self, lamina: Run) -> None:
        status, _, err = lamina("pull", "UPPER/case")
        assert status == 1
        assert err.startswith("lamina: ")


class TestPush:
    def test_it_speaks_as_docker_does(
        self, lamina: Run, registry: FakeRegistry, rootfs: str
    ) -> None:
        name = f"{registry.host}/me/app:1.0"
        lamina("import", rootfs, name)
        status, out, err = lamina("push", name)
        media_type, raw = registry.manifests["me/app"]["1.0"]
        assert (status, err, media_type) == (0, "", mediatype.OCI_MANIFEST)
        assert out == (
            f"The push refers to repository [{registry.host}/me/app]\n"
            f"{Digest.of(TARS[0]).short}: Pushed\n"
            f"1.0: digest: {Digest.of(raw)} size: {len(raw)}\n"
        )
        assert "Layer already exists" in lamina("push", name)[1]

    def test_all_tags(self, lamina: Run, registry: FakeRegistry, rootfs: str) -> None:
        for tag in ("a", "b"):
            lamina("import", "-m", tag, rootfs, f"{registry.host}/me/app:{tag}")
        status, out, _ = lamina("push", "-a", "-q", f"{registry.host}/me/app")
        assert status == 0
        assert len(out.splitlines()) == 2
        assert {"a", "b"} <= set(registry.manifests["me/app"])

    def test_zstd(self, lamina: Run, registry: FakeRegistry, rootfs: str) -> None:
        name = f"{registry.host}/me/app:z"
        lamina("import", rootfs, name)
        assert lamina("push", "--compression", "zstd", name)[0] == 0
        assert b"tar+zstd" in registry.manifests["me/app"]["z"][1]

    def test_between_repositories_of_a_registry_blobs_are_mounted(
        self, lamina: Run, registry: FakeRegistry, name: str
    ) -> None:
        lamina("pull", name)
        other = f"{registry.host}/me/other:1"
        lamina("tag", name, other)
        _, out, _ = lamina("push", other)
        assert out.count("Mounted from team/app") == 2

    @pytest.mark.parametrize(
        ("args", "status", "says"),
        [
            (("nothing:here",), 1, "no image"),
            (("-a", "nothing"), 1, "no image nothing"),
            (("-a", "x:1"), 2, "tag can't be used"),
            (("x@sha256:" + "0" * 64,), 2, "cannot push a digest reference"),
        ],
    )
    def test_what_cannot_be_pushed(
        self, lamina: Run, args: tuple[str, ...], status: int, says: str
    ) -> None:
        found, _, err = lamina("push", *args)
        assert found == status
        assert says in err

    def test_a_registry_that_refuses(
        self, lamina: Run, registry: FakeRegistry, rootfs: str
    ) -> None:
        name = f"{registry.host}/me/app:1"
        lamina("import", rootfs, name)
        registry.fault("POST", "/blobs/uploads/", error(403, "DENIED", "not yours"), times=50)
        status, _, err = lamina("push", name)
        assert status == 1
        assert "not yours" in err
        assert "me/app" not in registry.manifests


def on_terminal(root: Path, *args: str) -> str:
    """What a command writes to a terminal."""
    main_, side = pty.openpty()
    command = [sys.executable, "-c", "from lamina.cli.main import main; main()"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [*command, "--root", str(root), *args],
        stdin=side,
        stdout=side,
        stderr=side,
        env=environment,
    )
    os.close(side)
    shown = b""
    try:
        while piece := os.read(main_, 65536):
            shown += piece
    except OSError:  # EIO: the other side is closed
        pass
    os.close(main_)
    assert process.wait() == 0, shown.decode()
    return shown.decode()


class TestOnATerminal:
    def test_a_block_and_the_lines_below_it(
        self, registry: FakeRegistry, name: str, root: Path
    ) -> None:
        shown = on_terminal(root, "pull", name)
        assert "\x1b[" in shown
        assert shown.startswith("v1: Pulling from team/app\r\n")
        last = shown.rpartition("Pull complete")[2]
        assert last.rstrip().endswith(f"Status: Downloaded newer image for {name}\r\n{name}")

    def test_nothing_moves_when_asked_to_be_quiet(
        self, registry: FakeRegistry, name: str, root: Path
    ) -> None:
        assert on_terminal(root, "pull", "-q", name) == f"{name}\r\n"


class TestSaveAndLoad:
    @pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
    def test_there_and_back(
        self, lamina: Run, rootfs: str, tmp_path: Path, form: str, root: Path
    ) -> None:
        identity = lamina("import", rootfs, "mine:1")[1].strip()
        lamina("tag", "mine:1", "yours:2")
        out = str(tmp_path / "saved")
        assert lamina("save", "--format", form, "-o", out, "mine:1", "yours:2") == (0, "", "")
        lamina("rmi", "mine:1", "yours:2")
        status, shown, _ = lamina("load", "-i", out)
        assert (status, shown) == (0, "Loaded image: mine:1\nLoaded image: yours:2\n")
        assert str(open_store(root).images.find("yours:2").config.digest) == identity

    def test_a_repository_saves_every_tag(self, lamina: Run, rootfs: str, tmp_path: Path) -> None:
        for tag in ("1", "2"):
            lamina("import", "-m", tag, rootfs, f"mine:{tag}")
        lamina("import", rootfs, "other:1")
        out = str(tmp_path / "saved.tar")
        assert lamina("save", "-o", out, "mine")[0] == 0
        assert lamina("load", "-i", out)[1] == "Loaded image: mine:1\nLoaded image: mine:2\n"

    def test_an_id_saves_no_name(self, lamina: Run, rootfs: str, tmp_path: Path) -> None:
        identity = lamina("import", rootfs, "mine:1")[1].strip()
        out = str(tmp_path / "saved.tar")
        lamina("save", "-o", out, identity)
        assert lamina("load", "-i", out)[1] == f"Loaded image ID: {identity}\n"

    def test_from_standard_input(
        self, lamina: Run, rootfs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lamina("import", rootfs, "mine:1")
        out = tmp_path / "saved.tar"
        lamina("save", "-o", str(out), "mine:1")
        with out.open("rb") as file, io.TextIOWrapper(file) as text:
            monkeypatch.setattr(sys, "stdin", text)
            assert lamina("load")[1] == "Loaded image: mine:1\n"

    def test_a_failed_save_leaves_no_file(self, lamina: Run, rootfs: str, tmp_path: Path) -> None:
        lamina("import", rootfs, "mine:1")
        out = tmp_path / "out"
        out.mkdir()
        assert lamina("save", "-o", str(out / "x.tar"), "mine:1", "absent:1")[0] == 1
        assert list(out.iterdir()) == []

    @needs_rights
    def test_a_damaged_layer_is_not_saved(
        self, lamina: Run, rootfs: str, tmp_path: Path, root: Path
    ) -> None:
        lamina("import", "--layer-form", "tree", rootfs, "mine:1")
        place = open_store(root).layers.directory(Digest.of(TARS[0]))
        (place / "fs/etc/os-release").write_bytes(b"NAME=Tess\n")
        out = tmp_path / "out"
        out.mkdir()
        status, _, err = lamina("save", "-o", str(out / "x.tar"), "mine:1")
        assert status == 1
        assert "is damaged" in err
        assert list(out.iterdir()) == []

    @pytest.mark.parametrize(
        ("args", "says"),
        [
            (("save", "--format", "oci-dir", "x"), "needs -o DIRECTORY"),
            (("save",), "missing argument"),
        ],
    )
    def test_usage(self, lamina: Run, args: tuple[str, ...], says: str) -> None:
        status, _, err = lamina(*args)
        assert status == 2
        assert says in err

    def test_a_missing_archive(self, lamina: Run, tmp_path: Path) -> None:
        status, _, err = lamina("load", "-i", str(tmp_path / "nowhere.tar"))
        assert status == 1
        assert err.startswith("lamina: No such file or directory")

    def test_a_tar_that_is_no_image(self, lamina: Run, rootfs: str) -> None:
        status, _, err = lamina("load", "-i", rootfs)
        assert status == 1
        assert "has no image in it" in err
        assert "try: lamina import" in err


class TestImport:
    def test_it_prints_the_id(self, lamina: Run, rootfs: str, root: Path) -> None:
        status, out, err = lamina("import", "-c", 'CMD ["sh"]', "-c", "ENV A=1", rootfs, "mine:1")
        image = open_store(root).images.find("mine:1")
        assert (status, out, err) == (0, f"{image.config.digest}\n", "")
        assert image.config.execution.cmd == ("sh",)
        assert image.config.history[0].comment == f"Imported from {rootfs}"

    def test_without_a_name(self, lamina: Run, rootfs: str, root: Path) -> None:
        identity = lamina("import", rootfs)[1].strip()
        assert open_store(root).images.find(identity).row.reference is None

    def test_a_platform_and_a_message(self, lamina: Run, rootfs: str, root: Path) -> None:
        lamina("import", "--platform", "linux/arm64", "-m", "by hand", rootfs, "mine:1")
        config = open_store(root).images.find("mine:1").config
        assert config.platform == ARM64
        assert config.history[0].comment == "by hand"

    def test_a_url_is_refused(self, lamina: Run) -> None:
        status, _, err = lamina("import", "https://x.example/rootfs.tar", "mine:1")
        assert status == 1
        assert "import reads no URLs" in err
        assert "curl -L https://x.example/rootfs.tar | lamina import - NAME" in err

    def test_a_bad_change(self, lamina: Run, rootfs: str, root: Path) -> None:
        status, _, err = lamina("import", "-c", "RUN true", rootfs, "mine:1")
        assert status == 1
        assert "not a change to an image" in err

    def test_a_missing_file(self, lamina: Run) -> None:
        status, _, err = lamina("import", "/nowhere/rootfs.tar", "mine:1")
        assert status == 1
        assert err == "lamina: No such file or directory: /nowhere/rootfs.tar\n"


class TestCopy:
    @pytest.mark.parametrize(
        "place", ["oci:{}:v1", "oci-archive:{}:v1", "docker-archive:{}:team/app:v1"]
    )
    def test_from_a_registry_to_a_file_and_back(
        self, lamina: Run, registry: FakeRegistry, name: str, tmp_path: Path, place: str
    ) -> None:
        digest = Digest.of(registry.manifests["team/app"]["v1"][1])
        there = place.format(tmp_path / "copied")
        assert lamina("copy", "-q", f"docker://{name}", there) == (0, f"{digest}\n", "")
        back = f"docker://{registry.host}/back/app:v1"
        status, out, _ = lamina("copy", there, back)
        assert status == 0
        assert out.endswith(f"Copied {digest}\n")
        assert registry.manifests["back/app"]["v1"] == registry.manifests["team/app"]["v1"]

    def test_within_a_registry_blobs_are_mounted(
        self, lamina: Run, registry: FakeRegistry, name: str
    ) -> None:
        _, out, _ = lamina("copy", f"docker://{name}", f"docker://{registry.host}/x/y:1")
        assert out.count("Mounted from team/app") == 3
        assert not registry.asked("GET", "/blobs/sha256:") or out.count("Copied") == 1

    def test_all_platforms(self, lamina: Run, registry: FakeRegistry, tmp_path: Path) -> None:
        place = MemoryPlace()
        index = put_index(place, AMD64, ARM64)
        serve(registry, place, "team/app", "v1")
        source = f"docker://{registry.host}/team/app:v1"
        there = f"oci:{tmp_path / 'layout'}:v1"
        assert lamina("copy", "-q", "--all", source, there)[1] == f"{index.digest}\n"
        blobs = {path.name for path in (tmp_path / "layout/blobs/sha256").iterdir()}
        assert blobs == {digest.hex for digest in place.blobs}

    @pytest.mark.parametrize(
        ("source", "dest", "says"),
        [
            ("debian", "oci:x", "not a place to copy from or to: 'debian'"),
            ("docker:debian", "oci:x", "write docker://debian"),
            ("oci:", "oci:x", "has no path"),
            ("oci:/nowhere", "oci-archive:x.tar", "No such file or directory: /nowhere"),
        ],
    )
    def test_places_that_are_none(
        self,
        lamina: Run,
        source: str,
        dest: str,
        says: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        status, _, err = lamina("copy", source, dest)
        assert status == 1
        assert says in err
        assert not (tmp_path / "x.tar").exists()

    def test_a_broken_copy_leaves_no_archive(
        self, lamina: Run, registry: FakeRegistry, name: str, tmp_path: Path
    ) -> None:
        registry.fault("GET", "/blobs/", with_body(b"other bytes"), times=50)
        out = tmp_path / "out"
        out.mkdir()
        assert lamina("copy", f"docker://{name}", f"oci-archive:{out}/x.tar")[0] == 1
        assert list(out.iterdir()) == []
