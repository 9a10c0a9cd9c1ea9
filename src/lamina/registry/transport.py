"""The one seam to the network: a request goes out, an answer comes back.

Everything above speaks to `Transport`; only this file knows urllib3.  One call
is one exchange: no redirects, no retries, no logins here.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Protocol, cast
from urllib.parse import unquote, urlsplit

import msgspec
import urllib3
from urllib3 import exceptions as failures

from lamina import __version__
from lamina.errors import EngineError, Unsupported
from lamina.registry.errors import (
    BadCertificate,
    Interrupted,
    NotARegistry,
    Refused,
    RegistryError,
    TimedOut,
    Unreachable,
    redacted,
)
from lamina.registry.settings import Settings
from lamina.registry.tls import BadCertificateFile, certificates

USER_AGENT = f"lamina/{__version__}"
PIECE = 1 << 20
"""Bytes read at a time: large enough that Python's share of the work vanishes."""
CONNECTIONS = 64
"""Idle connections that are kept for each host: several layers at once, several ranges of each.
urllib3 warns on the terminal of those beyond."""
_DRAIN = 16 << 10
_SENT_AT_ONCE = 128 << 10


class Body(msgspec.Struct, frozen=True):
    """What a request carries; `pieces` gives it from the start, again for each attempt."""

    pieces: Callable[[], Iterable[bytes]]
    length: int | None
    """Bytes; None sends it chunked (RFC 9112, 7.1)."""

    @classmethod
    def of(cls, data: bytes) -> Body:
        """A body that is in memory."""
        return cls(lambda: (data,) if data else (), len(data))


class Response(Protocol):
    """An answer whose body has not been read; whoever has it closes it."""

    @property
    def status(self) -> int: ...

    @property
    def url(self) -> str:
        """Where it came from."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name."""
        ...

    def pieces(self, size: int = PIECE) -> Iterator[bytes]:
        """The body as it comes, as sent (no content decoding).

        Raises Interrupted when the connection breaks or the body is shorter
        than its Content-Length, TimedOut when nothing comes.
        """
        ...

    def read(self, limit: int) -> bytes:
        """The body, or its first `limit` bytes.  Raises as `pieces`."""
        ...

    def close(self) -> None:
        """Give the connection back; closes it when the body was not read to its end."""
        ...

    def abort(self) -> None:
        """Let nothing more come, from any thread: a read that waits ends, and is worth nothing.

        Whoever has the answer still closes it.
        """
        ...


class Transport(Protocol):
    """Carries one request to where its URL says."""

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: Body | None = None
    ) -> Response:
        """Send it and return the answer, whatever its status.  Usable from several threads.

        Raises Unreachable, TimedOut, Interrupted, BadCertificate, NotARegistry.
        What the body's own iterator raises goes through.
        """
        ...


class _Answer:
    """`Response` over urllib3's."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, method: str, url: str) -> None:
        self._raw = raw
        self._method = method
        self.url = url
        self.status = raw.status
        # Indexing joins the values of a repeated header, as RFC 9110 (5.3) has it.
        self.headers = {name.lower(): raw.headers[name] for name in raw.headers}

    def pieces(self, size: int = PIECE) -> Iterator[bytes]:
        try:
            while piece := self._raw.read(size, decode_content=False):
                yield piece
        except (failures.HTTPError, OSError) as error:
            raise failure(error, self._method, self.url) from error

    def read(self, limit: int) -> bytes:
        whole = bytearray()
        for piece in self.pieces(min(limit, PIECE)):
            whole += piece
            if len(whole) >= limit:
                break
        return bytes(whole[:limit])

    def close(self) -> None:
        left = self._raw.length_remaining
        if left is not None and left <= _DRAIN:
            # Reading a short rest is cheaper than a new connection.
            try:
                self._raw.drain_conn()
            except (failures.HTTPError, OSError):
                pass
        self._raw.close() if not self._raw.closed else self._raw.release_conn()

    def abort(self) -> None:
        try:
            self._raw.shutdown()
        except (RuntimeError, ValueError, OSError):
            pass  # read to its end meanwhile: the connection is back in the pool


class HttpTransport(msgspec.Struct):
    """`Transport` over urllib3: one pool of connections for each host, TLS and proxy as set."""

    settings: Settings
    _bundle: bool = False
    """Whether all of the system's CAs were needed; see `_system_trust`."""
    _pools: dict[tuple[str, str, bool], urllib3.PoolManager] = msgspec.field(default_factory=dict)
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: Body | None = None
    ) -> Response:
        bundle = self._bundle
        try:
            return self._request(method, url, headers, body, bundle)
        except BadCertificate as error:
            # Nothing was sent yet.
            if bundle or not _is_mistrust(error):
                raise
        self._bundle = True
        return self._request(method, url, headers, body, bundle=True)

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, bundle: bool
    ) -> Response:
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        stream: Generator[memoryview, None, None] | None = None
        if body is not None:
            stream = _outgoing(body.pieces())
            if body.length is not None:
                sent["Content-Length"] = str(body.length)
        elif method in ("POST", "PUT", "PATCH"):
            sent["Content-Length"] = "0"
        try:
            raw = self._pool(url, bundle).request(
                method,
                url,
                headers=sent,
                body=cast("Iterable[bytes] | None", stream),
                preload_content=False,
                redirect=False,
                retries=False,
                decode_content=False,
                timeout=urllib3.Timeout(
                    connect=self.settings.connect_timeout, read=self.settings.idle_timeout
                ),
            )
        except _FromBody as error:
            raise error.cause from None
        except (failures.HTTPError, OSError, ValueError) as error:
            raise failure(error, method, url) from error
        finally:
            if stream is not None:
                stream.close()
        return _Answer(raw, method, url)

    def close(self) -> None:
        """Close every connection; the transport may be used again."""
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def _pool(self, url: str, bundle: bool) -> urllib3.PoolManager:
        parts = urlsplit(url)
        key = (parts.scheme, parts.netloc.rpartition("@")[2], bundle)
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._new_pool(*key)
            return self._pools[key]

    def _new_pool(self, scheme: str, authority: str, bundle: bool) -> urllib3.PoolManager:
        if scheme not in ("http", "https"):
            raise Refused(f"not an address that Lamina can open: {scheme}://{authority}")
        context = self._context(authority, bundle) if scheme == "https" else None
        parts = urlsplit(f"{scheme}://{authority}")
        port = parts.port or (443 if scheme == "https" else 80)
        proxy = self.settings.proxies.for_url(scheme, parts.hostname or "", port)
        if not proxy:
            return urllib3.PoolManager(maxsize=CONNECTIONS, ssl_context=context)
        parts = urlsplit(proxy)
        if parts.scheme not in ("http", "https"):
            raise UnsupportedProxy(
                f"a proxy of the kind {parts.scheme} is not supported: {redacted(proxy)}",
                hint="set HTTP_PROXY and HTTPS_PROXY to an http:// or https:// proxy",
            )
        login = ":".join(unquote(part) for part in (parts.username or "", parts.password or ""))
        proxy_headers = urllib3.make_headers(proxy_basic_auth=login) if login != ":" else None
        return urllib3.ProxyManager(
            redacted(proxy),
            maxsize=CONNECTIONS,
            ssl_context=context,
            proxy_headers=proxy_headers,
        )

    def _context(self, authority: str, bundle: bool) -> ssl.SSLContext:
        context = _system_trust(bundle=bundle)
        files = certificates(self.settings, authority)
        file = None
        try:
            for file in files.authorities:
                context.load_verify_locations(cafile=file)
            for file, key in files.clients:
                context.load_cert_chain(file, key)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadCertificateFile(f"the certificate {file} cannot be used: {reason}") from None
        if files.authorities:
            # Python 3.13 made this the default; the CAs of private registries are seldom so neat.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not self.settings.verifies(authority, has_ca=bool(files.authorities)):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            # The user decided it; urllib3 would say so again with each request.
            urllib3.disable_warnings(failures.InsecureRequestWarning)
        return context


def _system_trust(*, bundle: bool) -> ssl.SSLContext:
    """A context that trusts the system's CAs.

    OpenSSL trusts those of a file, the bundle, and of a directory.  Parsing all of the bundle
    takes 15 ms for each host; in the directory a handshake looks up the one that it needs.
    So the directory comes first where there is one, and what it does not know is asked again
    with `bundle`.
    """
    folder = None if bundle else ssl.get_default_verify_paths().capath
    if folder is not None and _is_hashed(folder):
        return ssl.create_default_context(capath=folder)
    return ssl.create_default_context()


def _is_hashed(folder: str) -> bool:
    """Whether CAs lie there under the hashes of their names, as OpenSSL looks for them."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(".0") for entry in entries)
    except OSError:
        return False


class UnsupportedProxy(Unsupported):
    """A proxy that speaks neither HTTP nor HTTPS."""


class _FromBody(Exception):
    """Carries what a body's own iterator raised past the HTTP library, unmapped."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _outgoing(pieces: Iterable[bytes]) -> Generator[memoryview, None, None]:
    """The pieces of a body, cut small: a socket's timeout is for the whole of one piece.

    A generator is closed at the end, however that comes, so that what it reads
    from is closed too.  What the iterator raises is wrapped: an OSError of a file that is sent must
    not pass for the network's.
    """
    source = iter(pieces)
    try:
        while True:
            try:
                piece = next(source, None)
            except Exception as error:
                raise _FromBody(error) from error
            if piece is None:
                return
            view = memoryview(piece)
            for start in range(0, len(view), _SENT_AT_ONCE):
                yield view[start : start + _SENT_AT_ONCE]
    finally:
        if isinstance(source, Generator):
            source.close()


_KINDS: tuple[tuple[type[Exception], type[RegistryError], str], ...] = (
    # The first that fits decides: subclasses stand before what they derive from.
    (failures.NameResolutionError, Unreachable, "there is no such host"),
    (failures.NewConnectionError, Unreachable, "nobody listens there"),
    (failures.ConnectTimeoutError, TimedOut, "no connection within the timeout"),
    (failures.ReadTimeoutError, TimedOut, "no answer within the timeout"),
    (failures.TimeoutError, TimedOut, "no answer within the timeout"),
    (TimeoutError, TimedOut, "no answer within the timeout"),
    (failures.SSLError, BadCertificate, "TLS failed"),
    (ssl.SSLCertVerificationError, BadCertificate, "TLS failed"),
    (failures.ProxyError, Unreachable, "the proxy does not connect"),
    (failures.InvalidHeader, NotARegistry, "the answer is not HTTP"),
    (failures.HeaderParsingError, NotARegistry, "the answer is not HTTP"),
    (failures.DecodeError, NotARegistry, "the answer is not HTTP"),
    (failures.ResponseError, Interrupted, "the answer makes no sense"),
    (failures.ProtocolError, Interrupted, "the connection broke"),
    (failures.LocationValueError, Refused, "the address makes no sense"),
    (failures.PoolError, Interrupted, "the connection broke"),
    (failures.HTTPError, Interrupted, "the connection broke"),
    (ValueError, Refused, "the address makes no sense"),
    (OSError, Interrupted, "the connection broke"),
)
_HINTS: dict[type[RegistryError], str] = {
    Unreachable: "check the name, the port and the network",
    TimedOut: "check the network, or try again later",
    Interrupted: "try again",
    BadCertificate: "give the registry's CA with --ca FILE, or do without with --insecure",
}
_NOT_TLS = frozenset({": wrong version number", ": http request", ": record layer failure"})
"""What the versions of OpenSSL say to an answer in plain text."""


def failure(error: BaseException, method: str, url: str) -> EngineError:
    """The error that an exception of urllib3, ssl or socket stands for."""
    if isinstance(error, failures.MaxRetryError) and error.reason is not None:
        return failure(error.reason, method, url)
    if isinstance(error, failures.ProtocolError):
        # urllib3 wraps what happens while a body is sent, a timeout as well.
        error = next((each for each in error.args if isinstance(each, TimeoutError)), error)
    if isinstance(error, failures.ProxyError) and isinstance(
        error.original_error, failures.SSLError
    ):
        return failure(error.original_error, method, url)
    target = redacted(url)
    host = urlsplit(target).netloc
    reason = _reason(error)
    if reason in _NOT_TLS:
        return BadCertificate(
            f"{host} does not speak TLS ({method} {target})",
            hint="allow plain HTTP with --insecure, if this is the registry",
        )
    for foreign, kind, words in _KINDS:
        if isinstance(error, foreign):
            return kind(f"{host}: {words}{reason} ({method} {target})", hint=_HINTS.get(kind, ""))
    raise error


def _reason(error: BaseException) -> str:
    """What the kernel or OpenSSL said, where it adds something; else nothing."""
    for inner in _causes(error):
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f": {inner.verify_message}"
        if isinstance(inner, ssl.SSLError) and inner.reason:
            return f": {inner.reason.replace('_', ' ').lower()}"
        if isinstance(inner, OSError) and inner.strerror and not isinstance(inner, TimeoutError):
            return f": {inner.strerror.lower()}"
    return ""


def _is_mistrust(error: BaseException) -> bool:
    """Whether a certificate was seen and not believed."""
    return any(isinstance(inner, ssl.SSLCertVerificationError) for inner in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, what it came of, and what that came of."""
    inner: BaseException | None = error
    seen: set[int] = set()
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        arguments = [each for each in inner.args if isinstance(each, BaseException)]
        inner = inner.__cause__ or inner.__context__ or next(iter(arguments), None)
