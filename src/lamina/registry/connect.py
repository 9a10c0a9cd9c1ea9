"""From a reference and settings to a repository that answers."""

from __future__ import annotations

import time
from collections.abc import Callable

from lamina.errors import Invalid
from lamina.oci.reference import Reference
from lamina.registry.auth import Authenticator, refused_login
from lamina.registry.client import Repository
from lamina.registry.credentials import find
from lamina.registry.errors import Subject, Unauthorized
from lamina.registry.exchange import Exchange
from lamina.registry.place import Place
from lamina.registry.session import Session
from lamina.registry.settings import Credential, Settings, api_host
from lamina.registry.tls import certificates
from lamina.registry.transport import HttpTransport


class BadMirror(Invalid):
    """A mirror's address that is neither `host[:port][/prefix]` nor a URL of that."""


def connect(
    reference: Reference,
    settings: Settings,
    *,
    push: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Repository:
    """The repository of `reference`.  Nothing is sent before it is first used.

    `push` asks for tokens that allow writing, and leaves mirrors aside.
    Raises what the files of certificates make impossible.
    """
    exchange = Exchange(HttpTransport(settings), settings.retries, sleep)
    registry = reference.registry
    origin = Place(
        _session(registry, settings, exchange, settings.login),
        reference.repository,
        registry,
        push,
    )
    mirrors = () if push else settings.mirrors.get(registry, ())
    return Repository(
        reference,
        origin,
        exchange,
        tuple(_mirror(each, reference, settings, exchange) for each in mirrors),
    )


def check_login(registry: str, settings: Settings, credential: Credential) -> None:
    """Ask the registry whether it takes this login.  Raises Unauthorized, and others."""
    exchange = Exchange(HttpTransport(settings), settings.retries)
    session = _session(registry, settings, exchange, credential)
    try:
        session.request("GET", "/v2/", subject=Subject(registry), ok=(200,)).close()
    except Unauthorized as error:
        refusal = refused_login(registry, credential, error.exchange)
        refusal.hint = (
            "check user and password; some registries want an access token as the password"
        )
        raise refusal from None


def _session(
    registry: str, settings: Settings, exchange: Exchange, login: Credential | None
) -> Session:
    authority = api_host(registry)
    has_ca = bool(certificates(settings, authority).authorities)
    return Session(
        settings.base_urls(authority, has_ca=has_ca),
        exchange,
        Authenticator(
            registry, exchange, lambda: login or find(settings.credential_files, registry)
        ),
    )


def _mirror(address: str, reference: Reference, settings: Settings, exchange: Exchange) -> Place:
    scheme, mark, rest = address.rpartition("://")
    authority, _, prefix = rest.strip("/").partition("/")
    if scheme not in ("", "http", "https") or not authority or "@" in authority:
        raise BadMirror(
            f"not the address of a mirror: {address!r}",
            hint="write host[:port], or https://host[:port]",
        )
    session = _session(authority, settings, exchange, None)
    if mark:
        session.bases = (f"{scheme}://{authority}",)
    repository = f"{prefix}/{reference.repository}" if prefix else reference.repository
    return Place(session, repository, authority)
