"""How to reach registries: what the command line gathered from flags, files and environment.

Nothing here opens a connection or a file; `connect` does, with these.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import PurePath
from typing import Literal

import msgspec

from lamina.oci.reference import DEFAULT_REGISTRY

Tls = Literal["default", "insecure", "strict"]
DOCKER_HUB = "registry-1.docker.io"
"""The host behind the name docker.io."""


class Credential(msgspec.Struct, frozen=True):
    """A login: user and password, or an identity token for OAuth2."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credential({self.username!r}, …)"  # the rest is secret


class Proxies(msgspec.Struct, frozen=True):
    """The proxies of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY)."""

    http: str = ""
    https: str = ""
    no_proxy: str = ""

    def for_url(self, scheme: str, host: str, port: int) -> str:
        """The proxy's URL for a request; empty to go straight.

        NO_PROXY as Go and curl read it: `*`, names that also cover their
        subdomains, addresses, CIDR blocks, each with an optional port.
        Loopback never goes through a proxy.
        """
        proxy = self.https if scheme == "https" else self.http
        if not proxy or is_loopback(host):
            return ""
        rules = (rule.strip().lower() for rule in self.no_proxy.split(","))
        if any(_exempt(rule, host.lower(), port) for rule in rules if rule):
            return ""
        return proxy if "://" in proxy else f"http://{proxy}"


def proxies(environment: Mapping[str, str]) -> Proxies:
    """The proxies of the environment; as everywhere, lower case goes before upper case."""

    def read(name: str) -> str:
        return environment.get(name.lower()) or environment.get(name) or ""

    # HTTP_PROXY in capitals may come from a CGI request's Proxy header.
    http = environment.get("http_proxy") if "REQUEST_METHOD" in environment else read("HTTP_PROXY")
    return Proxies(
        http or read("ALL_PROXY"), read("HTTPS_PROXY") or read("ALL_PROXY"), read("NO_PROXY")
    )


def _exempt(rule: str, host: str, port: int) -> bool:
    if rule == "*":
        return True
    if _covers(rule, host):
        return True
    name, colon, number = rule.rpartition(":")
    if colon and number.isdigit() and not name.endswith(":"):
        if int(number) != port:
            return False
        rule = name
    rule = rule.removeprefix("*").strip("[]")
    return host == rule.lstrip(".") or host.endswith("." + rule.lstrip("."))


def _covers(rule: str, host: str) -> bool:
    """Whether `rule` is the host itself, or a CIDR block that the address lies in."""
    if rule == host:
        return True
    address = _address(host)
    try:
        return address is not None and address in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether `host` (without port) is this machine: localhost, 127.0.0.0/8, ::1."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def split_host(authority: str) -> tuple[str, int | None]:
    """`host[:port]` taken apart; the brackets of an IPv6 address go."""
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.endswith("]")):
        return authority.strip("[]"), None
    return host.strip("[]"), int(port)


class Settings(msgspec.Struct, frozen=True):
    """Everything that decides how a registry is reached."""

    tls: Tls = "default"
    """`default` verifies all but loopback and `insecure_hosts`; `insecure` verifies nobody
    and falls back to plain HTTP; `strict` verifies everybody, loopback too."""
    insecure_hosts: frozenset[str] = frozenset()
    """Registries (`host[:port]`, or a CIDR block) to treat as with `insecure`."""
    cert_roots: tuple[PurePath, ...] = ()
    """Directories with one directory for each `host[:port]`, as Docker's certs.d: `*.crt` are
    CAs, `*.cert` and `*.key` a client's certificate."""
    cert_dir: PurePath | None = None
    """One such directory of certificates for every host of this command."""
    ca_file: PurePath | None = None
    """A CA, in PEM, trusted beside the system's."""
    proxies: Proxies = Proxies()
    mirrors: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """By registry: `host[:port]` or URL of each mirror, asked in that order for pulls."""
    credential_files: tuple[PurePath, ...] = ()
    """Docker's config.json and its like; the first that knows a registry decides."""
    login: Credential | None = None
    """Given on the command line for the registry of the reference; goes before the files."""
    connect_timeout: float = 15.0
    """Seconds."""
    idle_timeout: float = 60.0
    """Seconds of silence after which a registry counts as unavailable."""
    retries: int = 4
    """How often a request is repeated after a failure that may pass."""

    def verifies(self, authority: str, *, has_ca: bool) -> bool:
        """Whether `host[:port]` must prove its name, and speak TLS.

        `has_ca` says that a CA was laid out for it: then loopback is held to it too.
        """
        if self.tls != "default":
            return self.tls == "strict"
        host, _ = split_host(authority)
        if any(authority == each or _covers(each, host) for each in self.insecure_hosts):
            return False
        return has_ca or not is_loopback(host)

    def base_urls(self, authority: str, *, has_ca: bool) -> tuple[str, ...]:
        """Where the registry may be, the likeliest first.

        HTTPS alone, unless the host is insecure.  Docker tries HTTPS and then
        HTTP there; a loopback registry nearly always speaks plain HTTP, so it
        is asked that way first, unless a certificate was laid out for it.
        """
        https, http = f"https://{authority}", f"http://{authority}"
        if self.verifies(authority, has_ca=has_ca):
            return (https,)
        plain = is_loopback(split_host(authority)[0]) and not has_ca
        return (http, https) if plain else (https, http)


def api_host(registry: str) -> str:
    """The `host[:port]` that serves the registry of that name."""
    return DOCKER_HUB if registry == DEFAULT_REGISTRY else registry
