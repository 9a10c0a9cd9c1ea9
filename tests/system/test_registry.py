"""The client against Debian's docker-registry: plain, and with TLS and htpasswd."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest

from lamina.errors import NotFound
from lamina.oci import mediatype
from lamina.oci.reference import Reference
from lamina.registry import errors
from lamina.registry.client import Repository
from lamina.registry.connect import connect
from lamina.registry.credentials import CredentialFile
from lamina.registry.settings import Credential, Settings
from tests.contract.source_sink import (
    TAG,
    SourceSinkContract,
    describe,
    material,
    pieces,
    put_image,
    read,
)

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(which("docker-registry") is None, reason="docker-registry not installed"),
]
BLOB = material(40_000_000)


@contextmanager
def serving(folder: Path, **http: object) -> Iterator[str]:
    """A docker-registry of its own in `folder`; gives its host and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    auth = http.pop("auth", None)
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": True},
        },
        "http": {"addr": host, "secret": "not needed", **http},
    }
    if auth is not None:
        config["auth"] = auth
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["docker-registry", "serve", folder / "config.yml"],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        _wait(host, server, folder / "log")
        yield host
    finally:
        server.terminate()
        server.wait(10)


def _wait(host: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until it listens."""
    name, _, port = host.rpartition(":")
    for _ in range(200):
        try:
            socket.create_connection((name, int(port)), timeout=1).close()
            return
        except ConnectionRefusedError:
            assert server.poll() is None, log.read_text()
            try:
                server.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
    pytest.fail(f"docker-registry does not listen: {log.read_text()}")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("plain")) as host:
        yield host


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate `ca.crt` for 127.0.0.1, its key `key.pem`, and `htpasswd` (me, secret)."""
    for tool in ("openssl", "htpasswd"):
        if which(tool) is None:
            pytest.skip(f"needs {tool}")
    folder = tmp_path_factory.mktemp("authority")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder / "key.pem", "-out", folder / "ca.crt"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    subprocess.run(
        ["htpasswd", "-Bbc", folder / "htpasswd", "me", "secret"], check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="module")
def guarded(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    tls = {"certificate": str(authority / "ca.crt"), "key": str(authority / "key.pem")}
    auth = {"htpasswd": {"realm": "test", "path": str(authority / "htpasswd")}}
    with serving(tmp_path_factory.mktemp("guarded"), tls=tls, auth=auth) as host:
        yield host


class TestPlain(SourceSinkContract):
    @pytest.fixture
    def both(self, plain: str, request: pytest.FixtureRequest) -> Repository:
        name = f"{plain}/n{abs(hash(request.node.name))}:{TAG}"
        return connect(Reference.parse(name), Settings(), push=True)


class TestGuarded(SourceSinkContract):
    @pytest.fixture
    def both(self, guarded: str, authority: Path, request: pytest.FixtureRequest) -> Repository:
        name = f"{guarded}/n{abs(hash(request.node.name))}:{TAG}"
        settings = Settings(
            tls="strict", ca_file=authority / "ca.crt", login=Credential("me", "secret")
        )
        return connect(Reference.parse(name), settings, push=True)


def test_large_blobs_by_both_ways_and_by_mount(plain: str) -> None:
    one = connect(Reference.parse(f"{plain}/large/one:{TAG}"), Settings(), push=True)
    found = one.put_stream(mediatype.OCI_LAYER_GZIP, pieces(BLOB, 1 << 20))
    assert found == describe(BLOB)
    two = connect(Reference.parse(f"{plain}/large/two:{TAG}"), Settings(), push=True)
    assert not two.has_blob(found)
    assert two.mount_blob(found, "large/one")
    assert read(two, found, 39_000_000) == BLOB[39_000_000:]
    other = describe(BLOB[1:])
    assert not two.mount_blob(other, "large/one")
    two.put_blob(other, lambda: pieces(BLOB[1:], 1 << 20))
    assert read(two, other) == BLOB[1:]


def test_tags_and_deletion(plain: str) -> None:
    repository = connect(Reference.parse(f"{plain}/tagged:one"), Settings(), push=True)
    manifest = put_image(repository, b"layer", "one")
    repository.put_document(manifest.descriptor, manifest.raw, tag="two")
    assert sorted(repository.tags()) == ["one", "two"]
    assert repository.at(Reference.parse(f"{plain}/tagged:two")).delete() == manifest.digest
    with pytest.raises(NotFound):
        repository.resolve()


def test_a_missing_tag_and_a_missing_repository_are_told_apart(plain: str) -> None:
    put_image(connect(Reference.parse(f"{plain}/there:v1"), Settings(), push=True))
    with pytest.raises(errors.TagNotFound) as caught:
        connect(Reference.parse(f"{plain}/there:v2"), Settings()).resolve()
    assert caught.value.hint == "it has: v1"
    with pytest.raises(errors.RepositoryNotFound):
        connect(Reference.parse(f"{plain}/not/there:v1"), Settings()).resolve()


def lamina(*args: str, home: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command line as users have it, with a home of its own."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LAMINA_ROOT": str(home / "root")}
    return subprocess.run(
        [sys.executable, "-c", "from lamina.cli.main import main; main()", *args],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
    )


def test_login_and_logout(guarded: str, authority: Path, tmp_path: Path) -> None:
    options = ("--ca", str(authority / "ca.crt"))
    wrong = lamina(
        "login", *options, "-u", "me", "--password-stdin", guarded, home=tmp_path, stdin="wrong\n"
    )
    assert wrong.returncode == 1
    assert f"lamina: {guarded} does not accept the login of me" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert not (tmp_path / ".docker").exists()

    right = lamina(
        "login", *options, "-u", "me", "--password-stdin", guarded, home=tmp_path, stdin="secret\n"
    )
    assert (right.returncode, right.stdout) == (0, "Login Succeeded\n"), right.stderr
    config = tmp_path / ".docker" / "config.json"
    assert f"stored unencrypted in {config}" in right.stderr
    assert CredentialFile(config).get(guarded) == Credential("me", "secret")

    again = lamina("login", *options, guarded, home=tmp_path)
    assert again.stdout == "Authenticating with existing credentials...\nLogin Succeeded\n"

    settings = Settings(ca_file=authority / "ca.crt", credential_files=(config,))
    repository = connect(Reference.parse(f"{guarded}/logged/in:v1"), settings, push=True)
    assert put_image(repository).descriptor == repository.resolve()

    out = lamina("logout", guarded, home=tmp_path)
    assert out.stdout == f"Removing login credentials for {guarded}\n"
    assert lamina("logout", guarded, home=tmp_path).stdout == f"Not logged in to {guarded}\n"
    with pytest.raises(errors.Unauthorized):
        connect(repository.reference, settings).resolve()


@pytest.mark.skipif(which("skopeo") is None, reason="skopeo not installed")
def test_skopeo_reads_what_was_pushed_and_uses_our_login(
    guarded: str, authority: Path, tmp_path: Path
) -> None:
    login = CredentialFile(tmp_path / "config.json")
    login.store(guarded, Credential("me", "secret"))
    settings = Settings(ca_file=authority / "ca.crt", credential_files=(Path(login.path),))
    repository = connect(Reference.parse(f"{guarded}/for/skopeo:v1"), settings, push=True)
    manifest = put_image(repository)
    done = subprocess.run(
        ["skopeo", "inspect", "--raw", "--authfile", str(login.path), "--cert-dir", str(authority),
         f"docker://{guarded}/for/skopeo:v1"],
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == manifest.raw
