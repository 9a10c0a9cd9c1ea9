"""One registry host: where it is, how it wants to be asked, and what its refusals mean."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping

import msgspec

from lamina.registry.auth import Authenticator
from lamina.registry.errors import (
    BadCertificate,
    BadRedirect,
    Interrupted,
    NotARegistry,
    RegistryError,
    Subject,
    Unreachable,
)
from lamina.registry.exchange import Exchange, failed, origin
from lamina.registry.transport import Body, Response


class Session(msgspec.Struct):
    """Asks one registry; finds its scheme and logs in as needed.  Usable from several threads."""

    bases: tuple[str, ...]
    """URLs under which the API may be, without `/v2/`, the likeliest first."""
    exchange: Exchange
    authenticator: Authenticator
    _base: str = ""
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    @property
    def base(self) -> str:
        """The URL of the API, found out at its first use.

        Raises the failure of the likeliest place when nobody answers anywhere.
        """
        with self._lock:
            if not self._base:
                self._base = self.bases[0] if len(self.bases) == 1 else self._probe()
            return self._base

    def _probe(self) -> str:
        failure: RegistryError | None = None
        for pause in (*self.exchange.pauses(), 0.0):
            failures: list[RegistryError] = []
            for base in self.bases:
                try:
                    response = self.exchange.send("GET", f"{base}/v2/", repeat=False)
                except (Unreachable, Interrupted, BadCertificate, NotARegistry) as error:
                    failures.append(error)
                    continue
                response.close()
                if response.status == 400 and base.startswith("http:"):
                    continue  # what TLS servers answer to plain HTTP
                if response.status == 401 and origin(response.url) == origin(base):
                    self.authenticator.learn(response)
                return base
            failure = failures[0] if failures else None
            if not isinstance(failure, Interrupted):
                break
            self.exchange.sleep(pause)
        raise failure or NotARegistry(f"{self.bases[0]} does not answer as a registry")

    def request(
        self,
        method: str,
        path: str,
        *,
        subject: Subject,
        ok: Collection[int],
        scopes: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        repeat: bool = True,
    ) -> Response:
        """The answer, if its status is in `ok`; the caller closes it.

        `path` is below the registry's base (`/v2/…`), or a whole URL that the
        registry gave: elsewhere than at the registry it gets no login.

        Raises RegistryError for every other answer, and what Exchange.send raises.
        """
        url = path if "://" in path else self.base + path
        home = origin(url) == origin(self.base)
        if not home and self.base.startswith("https:") and url.startswith("http:"):
            raise BadRedirect(
                f"{subject.host} sends the request on to plain http",
                hint="mend the registry's configuration: it does not know that it is behind TLS",
            )
        authorization = self.authenticator.header(scopes) if home else None
        response = self._send(method, url, headers, body, repeat, authorization)
        if response.status == 401 and origin(response.url) == origin(self.base):
            refusal = failed(method, response, subject)
            better = self.authenticator.answer(response, scopes, authorization)
            if better is None:
                refusal.hint = self.authenticator.excuse or refusal.hint
                raise refusal
            response = self._send(method, url, headers, body, repeat, better)
        if response.status not in ok:
            error = failed(method, response, subject)
            if response.status == 401:
                error.hint = self.authenticator.excuse or error.hint
            raise error
        return response

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: Body | None,
        repeat: bool,
        authorization: str | None,
    ) -> Response:
        sent = dict(headers or {})
        if authorization is not None:
            sent["Authorization"] = authorization
        return self.exchange.send(method, url, headers=sent, body=body, repeat=repeat)
