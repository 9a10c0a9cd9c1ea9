"""The seam to the network: TLS, proxies, and every exception of the HTTP library mapped."""

from __future__ import annotations

import inspect
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import which

import pytest
import urllib3

from lamina import __version__
from lamina.errors import EngineError, Unavailable, Unsupported
from lamina.oci.reference import Reference
from lamina.registry import errors, transport
from lamina.registry.connect import connect
from lamina.registry.settings import Proxies, Settings
from lamina.registry.tls import BadCertificateFile, certificates
from lamina.registry.transport import Body, HttpTransport
from tests.contract.source_sink import describe, put_image, read
from tests.fakes.registry import FakeRegistry, say
from tests.unit.registry.conftest import Client, Naps

FOREIGN = [
    value
    for value in vars(urllib3.exceptions).values()
    if inspect.isclass(value) and issubclass(value, urllib3.exceptions.HTTPError)
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda each: each.__name__)
def test_every_exception_of_urllib3_is_mapped(foreign: type[Exception]) -> None:
    error = foreign.__new__(foreign)
    if isinstance(error, urllib3.exceptions.MaxRetryError):
        error.reason = None
    if isinstance(error, urllib3.exceptions.ProxyError):
        error.original_error = OSError("x")
    found = transport.failure(error, "GET", "https://me:pass@host:1/v2/?q")
    assert isinstance(found, errors.RegistryError)
    assert str(found).startswith("host:1: ")
    assert "(GET https://host:1/v2/)" in str(found)
    assert "pass" not in str(found)


def test_a_wrapped_failure_is_the_one_inside() -> None:
    pool = urllib3.HTTPConnectionPool("host")
    inner = urllib3.exceptions.NameResolutionError(
        "host",
        urllib3.connection.HTTPConnection("host"),
        OSError(-2, "unknown"),  # type: ignore[arg-type]
    )
    wrapped = urllib3.exceptions.MaxRetryError(pool, "/", inner)
    assert isinstance(transport.failure(wrapped, "GET", "http://host/"), errors.Unreachable)


def test_what_is_no_failure_of_the_network_goes_through() -> None:
    with pytest.raises(KeyError):
        transport.failure(KeyError("x"), "GET", "http://host/")


def test_requests_say_who_asks(registry: FakeRegistry) -> None:
    HttpTransport(Settings()).request("GET", f"{registry.url}/v2/", headers={}).close()
    assert registry.requests[-1].headers["user-agent"] == f"lamina/{__version__}"
    assert registry.requests[-1].headers["accept-encoding"] == "identity"


def test_one_connection_serves_many_requests(registry: FakeRegistry, client: Client) -> None:
    repository = client(push=True)
    put_image(repository)
    carrier = repository.exchange.transport
    assert isinstance(carrier, HttpTransport)
    [manager] = carrier._pools.values()
    pool = manager.connection_from_url(registry.url)
    assert isinstance(pool, urllib3.HTTPConnectionPool)
    assert (pool.num_connections, pool.num_requests) == (1, len(registry.requests))


@pytest.mark.parametrize("length", [3, None])
def test_a_body_goes_with_its_length_or_chunked(registry: FakeRegistry, length: int | None) -> None:
    registry.uploads["u"] = bytearray()
    url = f"{registry.url}/v2/a/blobs/uploads/u"
    body = Body(lambda: iter([b"ab", b"", b"c"]), length)
    HttpTransport(Settings()).request("PATCH", url, headers={}, body=body).close()
    assert registry.uploads["u"] == b"abc"
    assert ("content-length" in registry.requests[-1].headers) == (length is not None)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(errors.Refused, match="ftp://x"):
        HttpTransport(Settings()).request("GET", "ftp://x/y", headers={})


def test_a_registry_that_does_not_read_an_upload_is_given_up(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        body = Body(lambda: (bytes(1 << 20) for _ in range(64)), 64 << 20)
        with pytest.raises(errors.TimedOut, match="no answer within the timeout"):
            HttpTransport(Settings(connect_timeout=0.3)).request("PUT", url, headers={}, body=body)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 2000 many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"\x00\xff" * 100,
        b"",
    ],
)
def test_what_is_hardly_http_is_one_clear_error(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        host = f"127.0.0.1:{server.getsockname()[1]}"
        carrier = HttpTransport(Settings(idle_timeout=2.0))
        with pytest.raises(errors.RegistryError, match=host):
            carrier.request("GET", f"http://{host}/", headers={}).read(100)
        carrier.close()
        thread.join(5)


# --- proxies --------------------------------------------------------------------------------


def test_plain_http_goes_through_its_proxy(registry: FakeRegistry, naps: Naps) -> None:
    registry.add_blob("a", b"one")
    login = registry.url.replace("//", "//me:p%40ss@")
    settings = Settings(proxies=Proxies(http=login), insecure_hosts=frozenset({"far.example"}))
    repository = connect(Reference.parse("far.example/a:1"), settings, sleep=naps)
    repository.origin.session.bases = ("http://far.example",)
    assert read(repository, describe(b"one")) == b"one"
    seen = registry.requests[-1]
    assert seen.path.startswith("http://far.example/v2/a/blobs/")
    assert seen.headers["proxy-authorization"] == "Basic bWU6cEBzcw=="


class Tunnel:
    """A proxy that understands CONNECT, and leads everywhere to one place."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.target = host, int(port)
        self.asked: list[str] = []
        self.ends: list[socket.socket] = []
        self.threads: list[threading.Thread] = []

    def __enter__(self) -> Tunnel:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self._start(self._serve)
        return self

    def _start(self, target: Callable[..., None], *args: socket.socket) -> None:
        self.threads.append(threading.Thread(target=target, args=args, daemon=True))
        self.threads[-1].start()

    def __exit__(self, *_: object) -> None:
        for end in (self.server, *self.ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)
        for end in (self.server, *self.ends):
            end.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            self.asked.append(near.recv(65536).decode().partition("\r\n")[0])
            far = socket.create_connection(self.target)
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.ends += (near, far)
            self._start(self._relay, near, far)
            self._start(self._relay, far, near)

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_https_goes_through_a_tunnel(secured: FakeRegistry, naps: Naps) -> None:
    with Tunnel(secured.host) as tunnel:
        settings = Settings(tls="insecure", proxies=Proxies(https=tunnel.url))
        repository = connect(Reference.parse("far.example/team/app:1"), settings, sleep=naps)
        assert read(repository, describe(b"one")) == b"one"
        assert tunnel.asked[0].startswith("CONNECT far.example:443 HTTP/1.")


def test_a_proxy_that_does_not_listen_is_named(naps: Naps) -> None:
    settings = Settings(proxies=Proxies(https="http://127.0.0.1:9"))
    with pytest.raises(Unavailable, match=r"the proxy does not connect|nobody listens there"):
        connect(Reference.parse("far.example/a:1"), settings, sleep=naps).resolve()


def test_a_socks_proxy_is_not_supported(naps: Naps) -> None:
    settings = Settings(proxies=Proxies(https="socks5://me:secret@proxy:1080"))
    with pytest.raises(Unsupported, match="a proxy of the kind socks5 is not supported") as caught:
        connect(Reference.parse("far.example/a:1"), settings, sleep=naps).resolve()
    assert "secret" not in str(caught.value)


# --- TLS ------------------------------------------------------------------------------------


def certify(folder: Path, name: str = "registry") -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    if which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    certificate, key = folder / f"{name}.crt", folder / f"{name}.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certify(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secured(pair: tuple[Path, Path]) -> Iterator[FakeRegistry]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    with FakeRegistry(tls=context) as registry:
        registry.add_blob("team/app", b"one")
        yield registry


def read_one(client: Client, registry: FakeRegistry, **settings: object) -> bytes:
    return read(client(host=registry.host, **settings), describe(b"one"))


def test_a_ca_file_is_trusted(
    client: Client, secured: FakeRegistry, pair: tuple[Path, Path]
) -> None:
    assert read_one(client, secured, ca_file=pair[0], tls="strict") == b"one"


def test_certificates_lie_in_a_directory_for_each_host(
    client: Client, secured: FakeRegistry, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "certs.d" / secured.host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(pair[0].read_bytes())
    assert read_one(client, secured, cert_roots=(tmp_path / "certs.d",)) == b"one"
    assert read_one(client, secured, cert_dir=folder, tls="strict") == b"one"


def test_an_unknown_certificate_is_refused(client: Client, secured: FakeRegistry) -> None:
    with pytest.raises(errors.BadCertificate, match="self-signed certificate") as caught:
        read_one(client, secured, tls="strict")
    assert "--ca FILE" in caught.value.hint


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What OpenSSL takes for the system's CAs: `bundle.pem` and the directory `certs`."""
    (tmp_path / "certs").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "certs"))
    return tmp_path


def read_strictly(client: Client, registry: FakeRegistry) -> HttpTransport:
    repository = client(host=registry.host, tls="strict")
    assert read(repository, describe(b"one")) == b"one"
    carrier = repository.exchange.transport
    assert isinstance(carrier, HttpTransport)
    return carrier


def test_a_ca_of_the_systems_directory_is_trusted_without_the_bundle(
    client: Client, secured: FakeRegistry, pair: tuple[Path, Path], system: Path
) -> None:
    hashed = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", pair[0]],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (system / "certs" / f"{hashed}.0").write_bytes(pair[0].read_bytes())
    assert not read_strictly(client, secured)._bundle


@pytest.mark.parametrize("hashed", [True, False])
def test_a_ca_of_the_systems_bundle_is_trusted(
    client: Client, secured: FakeRegistry, pair: tuple[Path, Path], system: Path, hashed: bool
) -> None:
    (system / "bundle.pem").write_bytes(pair[0].read_bytes())
    other, _ = certify(system, "other")
    other.rename(system / "certs" / ("12345678.0" if hashed else "other.pem"))
    # A directory that is not made for look-ups is not asked in vain.
    assert read_strictly(client, secured)._bundle == hashed


def test_what_no_ca_of_the_system_knows_is_refused(
    client: Client, secured: FakeRegistry, system: Path
) -> None:
    for name in ("bundle.pem", "certs/12345678.0"):
        other, _ = certify(system, "other")
        other.rename(system / name)
        with pytest.raises(errors.BadCertificate, match="self-signed certificate"):
            read_one(client, secured, tls="strict")
    assert secured.requests == []


def test_another_ca_than_the_registrys_is_refused(
    client: Client, secured: FakeRegistry, tmp_path: Path
) -> None:
    other, _ = certify(tmp_path, "other")
    with pytest.raises(errors.BadCertificate):
        read_one(client, secured, ca_file=other)


@pytest.mark.parametrize("settings", [{"tls": "insecure"}, {}], ids=["insecure", "loopback"])
def test_an_insecure_registry_may_show_any_certificate(
    client: Client, secured: FakeRegistry, settings: dict[str, object]
) -> None:
    assert read_one(client, secured, **settings) == b"one"


def test_strict_does_not_fall_back_to_plain_http(client: Client, registry: FakeRegistry) -> None:
    with pytest.raises(errors.BadCertificate, match="does not speak TLS") as caught:
        client(tls="strict").resolve()
    assert "--insecure" in caught.value.hint
    assert registry.requests == []


def test_insecure_falls_back_to_plain_http(client: Client, registry: FakeRegistry) -> None:
    registry.add_blob("team/app", b"one")
    assert read_one(client, registry, tls="insecure") == b"one"


def test_a_redirect_from_https_to_http_is_refused(
    client: Client, secured: FakeRegistry, registry: FakeRegistry
) -> None:
    secured.fault("GET", "/blobs/", say(307, Location=f"{registry.url}/elsewhere/x"))
    with pytest.raises(errors.BadRedirect, match="from https to plain http"):
        read_one(client, secured)
    secured.fault("POST", "/uploads/", say(202, Location=f"http://{secured.host}/v2/x"))
    with pytest.raises(errors.BadRedirect, match="plain http"):
        client(host=secured.host, push=True).put_blob(describe(b"two"), lambda: [b"two"])
    assert registry.requests == []


def test_a_password_does_not_leave_tls(client: Client, secured: FakeRegistry) -> None:
    challenge = 'Bearer realm="http://far.example/token",service="s"'
    secured.fault("HEAD", "/manifests/", say(401, WWW_Authenticate=challenge))
    with pytest.raises(errors.Forbidden, match="over plain http"):
        client(host=secured.host).resolve()


def test_a_client_certificate_is_shown(
    client: Client, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.load_verify_locations(pair[0])
    context.verify_mode = ssl.CERT_REQUIRED
    (tmp_path / "client.cert").write_bytes(pair[0].read_bytes())
    (tmp_path / "ca.crt").write_bytes(pair[0].read_bytes())
    with FakeRegistry(tls=context) as registry:
        registry.add_blob("team/app", b"one")
        with pytest.raises(BadCertificateFile, match="has no key beside it"):
            read_one(client, registry, cert_dir=tmp_path)
        (tmp_path / "client.key").write_bytes(pair[1].read_bytes())
        assert read_one(client, registry, cert_dir=tmp_path) == b"one"
        (tmp_path / "client.cert").unlink()
        with pytest.raises(EngineError):
            read_one(client, registry, cert_dir=tmp_path)


def test_a_broken_certificate_file_is_named(client: Client, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("not PEM")
    for settings in ({"ca_file": tmp_path / "ca.crt"}, {"ca_file": tmp_path / "none.crt"}):
        with pytest.raises(BadCertificateFile, match=str(settings["ca_file"])):
            client(host="127.0.0.1:9", **settings).resolve()


def test_no_directory_means_no_certificates(tmp_path: Path) -> None:
    assert certificates(Settings(cert_roots=(tmp_path / "none",)), "host:1").authorities == ()
