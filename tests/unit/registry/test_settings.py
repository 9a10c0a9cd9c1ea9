"""Which way a request goes: proxies, plain HTTP, names."""

from __future__ import annotations

import pytest

from lamina.registry.settings import (
    Credential,
    Proxies,
    Settings,
    Tls,
    api_host,
    is_loopback,
    proxies,
    split_host,
)


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "direct"),
    [
        ("", "example.org", 443, False),
        ("*", "example.org", 443, True),
        ("example.org", "example.org", 443, True),
        ("example.org", "sub.example.org", 443, True),
        (".example.org", "sub.example.org", 443, True),
        ("*.example.org", "sub.example.org", 443, True),
        ("example.org", "badexample.org", 443, False),
        ("Example.ORG", "example.org", 443, True),
        ("example.org:443", "example.org", 443, True),
        ("example.org:80", "example.org", 443, False),
        ("a, example.org ,b", "example.org", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("fe80::/10", "fe80::1", 443, True),
        ("", "localhost", 443, True),
        ("", "127.9.9.9", 443, True),
        ("", "::1", 443, True),
    ],
)
def test_no_proxy(no_proxy: str, host: str, port: int, direct: bool) -> None:
    found = Proxies("http://p:1", "http://q:2", no_proxy).for_url("https", host, port)
    assert found == ("" if direct else "http://q:2")


def test_each_scheme_has_its_proxy_and_a_bare_host_is_http() -> None:
    proxies = Proxies(http="p:1", https="https://q:2")
    assert proxies.for_url("http", "x.org", 80) == "http://p:1"
    assert proxies.for_url("https", "x.org", 443) == "https://q:2"
    assert Proxies().for_url("https", "x.org", 443) == ""


S, P = "https", "http"


@pytest.mark.parametrize(
    ("authority", "tls", "has_ca", "schemes"),
    [
        ("ghcr.io", "default", False, [S]),
        ("ghcr.io", "insecure", False, [S, P]),
        ("ghcr.io", "insecure", True, [S, P]),
        ("ghcr.io", "strict", False, [S]),
        ("localhost:5000", "default", False, [P, S]),
        ("localhost:5000", "default", True, [S]),
        ("localhost:5000", "strict", False, [S]),
        ("127.0.0.1:5000", "default", False, [P, S]),
        ("127.8.0.1", "default", False, [P, S]),
        ("[::1]:5000", "default", False, [P, S]),
        ("10.0.0.1:5000", "default", False, [S]),
        ("10.0.0.2:5000", "default", False, [S, P]),
        ("192.168.3.4", "default", False, [S, P]),
        ("inside.example:443", "default", False, [S, P]),
        ("localhost.example.org", "default", False, [S]),
    ],
)
def test_plain_http_is_for_loopback_and_insecure_hosts(
    authority: str, tls: Tls, has_ca: bool, schemes: list[str]
) -> None:
    insecure = frozenset({"10.0.0.2:5000", "192.168.0.0/16", "inside.example"})
    settings = Settings(tls=tls, insecure_hosts=insecure)
    assert [
        url.partition(":")[0] for url in settings.base_urls(authority, has_ca=has_ca)
    ] == schemes


def test_hosts_are_taken_apart() -> None:
    assert split_host("a.b:1") == ("a.b", 1)
    assert split_host("a.b") == ("a.b", None)
    assert split_host("[::1]:5000") == ("::1", 5000)
    assert split_host("[::1]") == ("::1", None)
    assert is_loopback("LOCALHOST")
    assert not is_loopback("localhost.evil.org")


def test_docker_hub_has_another_host_than_its_name() -> None:
    assert api_host("docker.io") == "registry-1.docker.io"
    assert api_host("ghcr.io") == "ghcr.io"


def test_a_credential_is_shown_without_its_secrets() -> None:
    shown = repr(Credential("ada", "hunter2", "a token"))
    assert "ada" in shown
    assert "hunter2" not in shown
    assert "token" not in shown


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Proxies()),
        ({"HTTPS_PROXY": "a", "NO_PROXY": "n"}, Proxies("", "a", "n")),
        ({"https_proxy": "b", "HTTPS_PROXY": "a"}, Proxies("", "b")),
        ({"ALL_PROXY": "a", "http_proxy": "h"}, Proxies("h", "a")),
        ({"HTTP_PROXY": "evil", "REQUEST_METHOD": "GET"}, Proxies()),
    ],
)
def test_proxies_of_the_environment(environment: dict[str, str], expected: Proxies) -> None:
    assert proxies(environment) == expected
