"""Files of the web: fetched once, asked for again, held to their checksums."""

from __future__ import annotations

import hashlib
import os
import stat
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.context.git_address import BadAddress
from lamina.context.http import (
    DownloadDenied,
    DownloadFailed,
    Fetched,
    NoSuchFile,
    Web,
    WrongChecksum,
    parse_checksum,
)
from lamina.errors import EngineError
from tests.fakes.web import FakeWeb, Page

BODY = b"hello\n" * 1000
SHA = hashlib.sha256(BODY).digest()
THEN = 1_600_000_000


@pytest.fixture
def server() -> Iterator[FakeWeb]:
    with FakeWeb({"/file": Page(BODY, modified=THEN)}) as running:
        yield running


@pytest.fixture
def web(tmp_path: Path) -> Web:
    return Web(tmp_path / "cache", {}, sleep=lambda seconds: None)


def fetched(web: Web, server: FakeWeb, path: str = "/file", checksum: bytes = b"") -> Fetched:
    target = web.cache.parent / f"file-{len(server.asked)}"
    return web.fetch(server.url + path, target, checksum=checksum)


def test_a_file_comes_with_its_time_and_mode(web: Web, server: FakeWeb) -> None:
    before = os.umask(0)
    try:
        found = fetched(web, server)
    finally:
        os.umask(before)
    status = found.path.stat()
    assert found.path.read_bytes() == BODY
    assert (found.digest, found.mtime_ns) == (SHA, THEN * 10**9)
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o600, THEN * 10**9)


@pytest.mark.parametrize("modified", [None, -1, 1 << 60])
def test_a_file_without_a_time_is_of_the_epoch(
    web: Web, server: FakeWeb, modified: int | None
) -> None:
    server.pages["/file"] = Page(BODY)
    if modified is not None:
        server.pages["/file"] = Page(BODY, extra={"Last-Modified": str(modified)})
    assert fetched(web, server).mtime_ns == 0


def test_a_body_moves_once(web: Web, server: FakeWeb) -> None:
    fetched(web, server)
    assert fetched(web, server).path.read_bytes() == BODY
    assert web.identify(f"{server.url}/file") == SHA
    assert (len(server.asked), server.sent) == (3, len(BODY))


def test_a_body_that_changed_comes_again(web: Web, server: FakeWeb) -> None:
    first = fetched(web, server)
    server.pages["/file"] = Page(b"new")
    assert web.identify(f"{server.url}/file") == hashlib.sha256(b"new").digest()
    assert fetched(web, server).path.read_bytes() == b"new"
    assert first.path.read_bytes() == BODY


def test_a_server_without_tags_is_asked_for_the_whole(web: Web, server: FakeWeb) -> None:
    server.pages["/file"] = Page(BODY, etag=False)
    fetched(web, server)
    fetched(web, server)
    assert server.sent == 2 * len(BODY)


@pytest.mark.parametrize("name", ["body", "record"])
@pytest.mark.parametrize("damage", [b"", b"nonsense"])
def test_a_damaged_cache_is_an_empty_one(
    web: Web, server: FakeWeb, name: str, damage: bytes
) -> None:
    fetched(web, server)
    (place,) = (web.cache / "http").iterdir()
    (place / name).unlink()
    (place / name).write_bytes(damage)
    assert fetched(web, server).path.read_bytes() == BODY


def test_a_checksum_that_holds_needs_no_server(web: Web, server: FakeWeb) -> None:
    fetched(web, server, checksum=SHA)
    assert web.identify(f"{server.url}/file", checksum=SHA) == SHA
    assert fetched(web, server, checksum=SHA).path.read_bytes() == BODY
    assert len(server.asked) == 1


def test_a_checksum_that_does_not_hold(web: Web, server: FakeWeb) -> None:
    with pytest.raises(WrongChecksum) as caught:
        fetched(web, server, checksum=bytes(32))
    assert str(caught.value) == (
        f"{server.url}/file has the sha256 {SHA.hex()} and not {bytes(32).hex()}"
    )
    assert not (web.cache.parent / "file-0").exists()


def test_redirects_are_followed(web: Web, server: FakeWeb) -> None:
    server.pages["/moved"] = Page(status=302, location="/again")
    server.pages["/again"] = Page(status=307, location=f"{server.url}/file")
    assert fetched(web, server, "/moved").digest == SHA
    assert fetched(web, server, "/moved").digest == SHA
    assert server.sent == len(BODY)


def test_redirects_in_a_circle(web: Web, server: FakeWeb) -> None:
    server.pages["/a"] = Page(status=302, location="/b")
    server.pages["/b"] = Page(status=302, location="/a")
    with pytest.raises(DownloadFailed, match="redirects in a circle"):
        fetched(web, server, "/a")


def test_a_login_of_the_address_is_used_and_not_shown(web: Web, server: FakeWeb) -> None:
    login = f"Basic {b64encode(b'me:pass word').decode()}"
    server.pages["/file"] = Page(BODY, login=login)
    address = server.url.replace("//", "//me:pass%20word@") + "/file?token=1"
    assert web.identify(address) == SHA
    with pytest.raises(DownloadDenied) as caught:
        web.identify(address.replace("pass%20", "wrong"))
    assert str(caught.value) == f"{server.url}/file answers with status 401"


@pytest.mark.parametrize(
    ("page", "error", "words"),
    [
        (Page(status=404), NoSuchFile, r"nothing is at http://127.0.0.1:\d+/file \(status 404\)"),
        (Page(status=410), NoSuchFile, "status 410"),
        (Page(status=403), DownloadDenied, "answers with status 403"),
        (Page(status=418), DownloadFailed, "answers with status 418"),
        (Page(status=503), DownloadFailed, "answers with status 503"),
        (Page(status=302), DownloadFailed, "answers with status 302"),
        (Page(BODY, cut=100), DownloadFailed, "cannot download .*the connection broke"),
    ],
)
def test_what_a_server_says_no_with(
    web: Web, server: FakeWeb, page: Page, error: type[EngineError], words: str
) -> None:
    server.pages["/file"] = page
    with pytest.raises(error, match=words):
        fetched(web, server)
    # Nothing half is left.
    assert os.listdir(web.cache.parent) == ["cache"]
    (place,) = (web.cache / "http").iterdir()
    assert os.listdir(place) == []


def test_a_host_that_is_not_there(web: Web) -> None:
    with pytest.raises(DownloadFailed) as caught:
        web.identify("http://name.invalid/x?secret")
    assert str(caught.value).startswith(
        "cannot download http://name.invalid/x: name.invalid: there is no such host"
    )
    with pytest.raises(DownloadFailed, match="nobody listens there"):
        web.identify("http://127.0.0.1:1/x")


def test_a_server_without_a_good_certificate(web: Web, server: FakeWeb) -> None:
    with pytest.raises(DownloadDenied, match="does not speak TLS"):
        web.identify(server.url.replace("http:", "https:") + "/file")


def test_a_proxy_of_the_environment_is_used(tmp_path: Path, server: FakeWeb) -> None:
    web = Web(tmp_path / "cache", {"http_proxy": server.url})
    assert web.identify("http://name.invalid/file") == SHA


def test_checksums() -> None:
    assert parse_checksum(f"sha256:{SHA.hex()}") == SHA
    for text in ("", "sha256:", f"sha512:{SHA.hex()}", f"sha256:{SHA.hex()}00", SHA.hex()):
        with pytest.raises(BadAddress, match="not a checksum of a file"):
            parse_checksum(text)
