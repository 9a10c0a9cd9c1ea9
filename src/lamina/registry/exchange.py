"""Requests that survive a redirect, a broken connection and a busy registry.

Still without logins: an `Authorization` header is what the caller gives, and
it goes to the host that it was meant for and to no other.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from random import Random
from urllib.parse import urljoin, urlsplit

import msgspec

from lamina.errors import EngineError
from lamina.registry.errors import (
    BODY_LIMIT,
    BadRedirect,
    Interrupted,
    RegistryError,
    Subject,
    Unreachable,
    from_answer,
    redacted,
)
from lamina.registry.transport import Body, Response, Transport

MAX_REDIRECTS = 10
MAX_PAUSE = 60.0
"""Seconds that a registry may ask to wait; beyond it the user decides."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 500, 502, 503, 504})
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what decides whether two URLs are the same party."""
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def joined(url: str, location: str) -> str:
    """`location`, as a server gave it in its answer to `url`, made whole.

    Raises BadRedirect when that is no web address.
    """
    try:
        target = urljoin(url, location)
        scheme, host, _ = origin(target)
    except ValueError:
        target = scheme = host = ""
    if scheme not in ("http", "https") or not host:
        raise BadRedirect(
            f"{urlsplit(url).netloc} sends us on to what is no web address:"
            f" {redacted(target) or 'it cannot be read'}"
        )
    return target


def next_page(response: Response) -> str:
    """Where the answer says that its list goes on (RFC 8288); empty when that is the end."""
    following = _NEXT.search(response.headers.get("link", ""))
    return joined(response.url, following[1]) if following else ""


class Exchange(msgspec.Struct):
    """Sends requests through a transport, patiently."""

    transport: Transport
    retries: int = 4
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = msgspec.field(default_factory=lambda: Random().random)  # noqa: S311
    """A number from 0 to 1."""
    _reached: set[tuple[str, str, int]] = msgspec.field(default_factory=set)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        repeat: bool = True,
    ) -> Response:
        """The answer to a request, redirects followed.

        With `repeat`, a broken connection and the statuses 429 and 5xx are
        tried again after a pause (Retry-After, or exponential back-off with
        jitter): only for requests that do no harm twice.  The last answer
        is returned whatever its status.  Raises what Transport.request
        raises, and BadRedirect.
        """
        for pause in self.pauses() if repeat else ():
            try:
                response = self._follow(method, url, headers or {}, body)
            except (Interrupted, Unreachable) as error:
                if isinstance(error, Unreachable) and origin(url) not in self._reached:
                    # Never reached: the name or port is wrong, and waiting does not mend it.
                    raise
                self.sleep(pause)
                continue
            asked = _retry_after(response)
            if response.status not in _BUSY or asked > MAX_PAUSE:
                return response
            response.close()
            self.sleep(max(pause, asked))
        return self._follow(method, url, headers or {}, body)

    def pauses(self) -> Iterator[float]:
        """The seconds to wait before each further attempt."""
        for attempt in range(self.retries):
            yield 0.25 * 2**attempt * (0.5 + self.jitter())

    def _follow(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None
    ) -> Response:
        start, seen = url, {url}
        while True:
            response = self.transport.request(method, url, headers=headers, body=body)
            self._reached.add(origin(url))
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or not location:
                return response
            response.close()
            target = joined(url, location)
            _check_redirect(start, url, target, seen)
            if origin(target) != origin(url):
                headers = {
                    name: value for name, value in headers.items() if name != "Authorization"
                }
            if response.status == 303 and method != "HEAD":
                method, body = "GET", None
            seen.add(target)
            url = target


def _check_redirect(start: str, source: str, target: str, seen: set[str]) -> None:
    host = urlsplit(start).netloc
    if target in seen:
        raise BadRedirect(f"{host} redirects in a circle, at {redacted(target)}")
    if len(seen) > MAX_REDIRECTS:
        raise BadRedirect(f"{host} redirects more than {MAX_REDIRECTS} times: {redacted(start)}")
    if urlsplit(source).scheme == "https" and target.startswith("http:"):
        raise BadRedirect(
            f"{host} redirects from https to plain http, to {redacted(target)}",
            hint="anybody on the way could change the bytes; mend the registry's configuration",
        )


def _retry_after(response: Response) -> float:
    """Seconds to wait (RFC 9110, 10.2.3); a date is read against the answer's own Date."""
    asked = response.headers.get("retry-after", "").strip()
    if asked.isdigit():
        return float(asked)
    from email.utils import parsedate_to_datetime

    try:
        until = parsedate_to_datetime(asked)
        return (until - parsedate_to_datetime(response.headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError):
        return 0.0


def failed(method: str, response: Response, subject: Subject) -> RegistryError:
    """The error of an unwelcome answer, which is read (its beginning) and closed."""
    try:
        body = b"" if method == "HEAD" else response.read(BODY_LIMIT)
    except EngineError:
        body = b""
    finally:
        response.close()
    return from_answer(
        method,
        response.url,
        response.status,
        response.headers.get("content-type", ""),
        body,
        subject,
    )
