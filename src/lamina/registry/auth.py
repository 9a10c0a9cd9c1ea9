"""Logging in to a registry: basic, and bearer tokens as Docker's token specification has them.

https://distribution.github.io/distribution/spec/auth/token/ (GET) and /oauth/ (POST).
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlencode

import msgspec

from lamina.registry.challenge import Challenge, parse_challenges
from lamina.registry.credentials import HelperFailed
from lamina.registry.errors import (
    BODY_LIMIT,
    Forbidden,
    NotARegistry,
    Subject,
    Unauthorized,
    redacted,
)
from lamina.registry.exchange import Exchange, failed, origin
from lamina.registry.settings import Credential, is_loopback
from lamina.registry.transport import Body, Response

CLIENT_ID = "lamina"
DEFAULT_LIFE = 60.0
"""Seconds a token lives when the answer does not say (token specification, "expires_in")."""
EARLY = 5.0
"""Seconds before its end at which a token is no longer used."""


class _TokenAnswer(msgspec.Struct):
    token: str | None = ""
    access_token: str | None = ""
    expires_in: float | None = None


class _Token(msgspec.Struct, frozen=True):
    text: str
    ends: float


class Authenticator(msgspec.Struct):
    """Answers one registry's challenges; keeps tokens until they end.  Usable from threads."""

    registry: str
    """As the user calls it: for the words of an error."""
    exchange: Exchange
    credential: Callable[[], Credential | None]
    """Asked once, when a challenge comes."""
    clock: Callable[[], float] = time.monotonic
    excuse: str = ""
    """Why no login could be read, when a credential helper failed.  That alone stops nobody:
    most of what is pulled is public."""
    _challenge: Challenge | None = None
    _known: tuple[Credential | None] | None = None
    _tokens: dict[tuple[str, str, tuple[str, ...]], _Token] = msgspec.field(default_factory=dict)
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def header(self, scopes: Iterable[str]) -> str | None:
        """`Authorization` for a request, as far as the registry is known to want one."""
        with self._lock:
            return self._authorize(self._challenge, scopes) if self._challenge else None

    def answer(self, response: Response, scopes: Iterable[str], refused: str | None) -> str | None:
        """`Authorization` after a 401; None when there is nothing better than `refused`.

        Raises Unauthorized when the token service says no.
        """
        with self._lock:
            challenge = self._learn(response.headers.get("www-authenticate", ""), response.url)
            if challenge is None:
                return None
            asked = challenge.parameters.get("scope", "").split()
            wanted = {*scopes, *asked}
            if refused is not None:
                kept = self._tokens.get(_key(challenge, wanted))
                if kept is not None and f"Bearer {kept.text}" == refused:
                    del self._tokens[_key(challenge, wanted)]
            header = self._authorize(challenge, wanted)
            return None if header == refused else header

    def learn(self, response: Response) -> None:
        """Note what a 401 wants, without answering it yet."""
        with self._lock:
            self._learn(response.headers.get("www-authenticate", ""), response.url)

    def _learn(self, header: str, url: str) -> Challenge | None:
        offered = {each.scheme: each for each in reversed(parse_challenges(header))}
        chosen = offered.get("bearer") or offered.get("basic")
        if chosen is None:
            return None
        if chosen.scheme == "bearer":
            self._check_realm(chosen.parameters.get("realm", ""), url)
        self._challenge = chosen
        return chosen

    def _check_realm(self, realm: str, url: str) -> None:
        """A password must not leave TLS because an answer says so."""
        try:
            scheme, host, _ = origin(realm)
        except ValueError:
            scheme = host = ""
        if scheme not in ("http", "https") or not host:
            raise NotARegistry(f"{self.registry} names no usable token service: {realm[:200]!r}")
        plain = scheme == "http" and not is_loopback(host)
        if plain and url.startswith("https:"):
            raise Forbidden(
                f"{self.registry} wants the login sent over plain http, to {redacted(realm)}",
                hint="mend the registry's configuration",
            )

    def _authorize(self, challenge: Challenge | None, scopes: Iterable[str]) -> str | None:
        credential = self._credential()
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            if credential is None or not credential.username:
                return None
            return _basic(credential)
        key = _key(challenge, scopes)
        token = self._tokens.get(key)
        if token is None or token.ends - EARLY <= self.clock():
            token = self._tokens[key] = self._fetch(key, credential)
        return f"Bearer {token.text}"

    def _credential(self) -> Credential | None:
        if self._known is None:
            try:
                self._known = (self.credential(),)
            except HelperFailed as error:
                self._known, self.excuse = (None,), str(error)
        return self._known[0]

    def _fetch(
        self, key: tuple[str, str, tuple[str, ...]], credential: Credential | None
    ) -> _Token:
        realm, service, scopes = key
        asked_at = self.clock()
        if credential is not None and credential.identity_token:
            method, response = "POST", self._post(realm, service, scopes, credential)
        else:
            method, response = "GET", self._get(realm, service, scopes, credential)
        if response.status in (400, 401, 403):
            refusal = failed(method, response, Subject(self.registry))
            error = refused_login(self.registry, credential, refusal.exchange)
            error.hint = self.excuse or error.hint
            raise error
        if response.status != 200:
            raise failed(method, response, Subject(self.registry))
        try:
            answer = msgspec.json.decode(response.read(BODY_LIMIT), type=_TokenAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            answer = _TokenAnswer()
        finally:
            response.close()
        text = answer.token or answer.access_token or ""
        if not text or not text.isprintable() or not text.isascii():
            raise NotARegistry(f"the token service at {redacted(realm)} gives no token")
        return _Token(text, asked_at + max(answer.expires_in or 0.0, DEFAULT_LIFE))

    def _get(
        self, realm: str, service: str, scopes: tuple[str, ...], credential: Credential | None
    ) -> Response:
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in scopes]
        headers = {}
        if credential is not None and credential.username:
            query.append(("account", credential.username))
            headers["Authorization"] = _basic(credential)
        mark = "&" if "?" in realm else "?"
        url = realm + (mark + urlencode(query) if query else "")
        return self.exchange.send("GET", url, headers=headers)

    def _post(
        self, realm: str, service: str, scopes: tuple[str, ...], credential: Credential
    ) -> Response:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": credential.identity_token,
            "service": service,
            "client_id": CLIENT_ID,
            "scope": " ".join(scopes),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = Body.of(urlencode(form).encode())
        return self.exchange.send("POST", realm, headers=headers, body=body)


def refused_login(registry: str, credential: Credential | None, exchange: str) -> Unauthorized:
    """The error of a login that is not accepted, or is missing."""
    if credential is None:
        message = f"{registry} wants a login"
    else:
        message = f"{registry} does not accept the login of {credential.username or 'this token'}"
    error = Unauthorized(f"{message} ({exchange})", hint=f"lamina login {registry}")
    error.exchange = exchange
    return error


def _key(challenge: Challenge, scopes: Iterable[str]) -> tuple[str, str, tuple[str, ...]]:
    parameters = challenge.parameters
    return parameters.get("realm", ""), parameters.get("service", ""), tuple(sorted(set(scopes)))


def _basic(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()
