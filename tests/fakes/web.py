"""A web server in this process: files with ETag and Last-Modified, redirects, logins, faults."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote, urlsplit


@dataclass
class Page:
    """What is at a path."""

    content: bytes = b""
    modified: int | None = None
    """Seconds since the epoch."""
    etag: bool = True
    status: int = 200
    location: str = ""
    login: str = ""
    """What Authorization must say; empty for no login."""
    extra: dict[str, str] = field(default_factory=dict)
    """Headers."""
    cut: int | None = None
    """Bytes of the body after which the connection ends."""


@dataclass
class FakeWeb:
    """Serves `pages` by path while it is entered; notes what it was asked and what it sent."""

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Paths, in their order."""
    sent: int = 0
    """Bytes of bodies."""

    def __enter__(self) -> FakeWeb:
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        self.asked.append(path)
        page = self.pages.get(path, Page(status=404, etag=False))
        headers = _headers(page)
        status = page.status
        if page.login and request.headers.get("Authorization") != page.login:
            status = 401
        elif _is_known(page, request.headers.get("If-None-Match"), headers):
            status = 304
        body = page.content if status == page.status else b""
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        body = body[: page.cut]
        self.sent += len(body)
        request.wfile.write(body)
        request.close_connection |= page.cut is not None


def _headers(page: Page) -> dict[str, str]:
    headers = dict(page.extra)
    if page.etag:
        headers["ETag"] = f'"{hashlib.sha256(page.content).hexdigest()[:16]}"'
    if page.modified is not None:
        headers["Last-Modified"] = formatdate(page.modified, usegmt=True)
    if page.location:
        headers["Location"] = page.location
    return headers


def _is_known(page: Page, etag: str | None, headers: dict[str, str]) -> bool:
    return page.status == 200 and etag is not None and etag == headers.get("ETag")
