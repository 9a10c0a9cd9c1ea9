"""Logging in: challenges, basic, bearer tokens by GET and by POST, and who must not see them."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from lamina.errors import Denied
from lamina.registry import errors
from lamina.registry.challenge import Challenge, parse_challenges
from lamina.registry.connect import check_login
from lamina.registry.settings import Credential, Settings
from tests.contract.source_sink import describe, put_image, read
from tests.fakes import registry as fake
from tests.fakes.registry import FakeRegistry
from tests.unit.registry.conftest import Client

ME = Credential("me", "secret")
BASIC = "Basic " + base64.b64encode(b"me:secret").decode()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ('Basic realm="x y"', [("basic", {"realm": "x y"})]),
        ("Basic", [("basic", {})]),
        (
            'Bearer realm="https://a/token",service="s",scope="repository:a/b:pull,push"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://a/token",
                        "service": "s",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'BEARER Realm = "a\\"b" , error=invalid_token',
            [("bearer", {"realm": 'a"b', "error": "invalid_token"})],
        ),
        (
            'Basic realm="a", Bearer realm="b", Negotiate',
            [("basic", {"realm": "a"}), ("bearer", {"realm": "b"}), ("negotiate", {})],
        ),
        (
            "Bearer realm=https://plain/token,service=s",
            [("bearer", {"realm": "https://plain/token", "service": "s"})],
        ),
        ("\x00\x01", []),
    ],
)
def test_challenges_are_read(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert parse_challenges(header) == tuple(Challenge(*each) for each in expected)


@pytest.mark.parametrize("header", ['Bearer realm="never closed', "=", ",,,", '"', "a b c", "é"])
def test_nonsense_for_a_challenge_is_survived(header: str) -> None:
    assert all(not each.parameters.get("service") for each in parse_challenges(header))


def test_the_better_of_two_challenges_is_answered(client: Client, registry: FakeRegistry) -> None:
    registry.auth = "bearer"
    registry.add_blob("team/app", b"one")
    both = fake.with_headers(Www_Authenticate='Basic realm="x"')  # beside WWW-Authenticate
    registry.fault("GET", "/v2/", both)
    assert read(client(), describe(b"one")) == b"one"


def test_a_public_image_needs_no_login(client: Client, registry: FakeRegistry) -> None:
    put_image(client(push=True), b"layer")
    registry.auth = "bearer"
    assert read(client(), describe(b"layer")) == b"layer"
    token = registry.asked("GET", "/token")[0]
    assert "authorization" not in token.headers
    assert parse_qs(urlsplit(token.path).query) == {
        "service": ["fake"],
        "scope": ["repository:team/app:pull"],
    }


def test_a_token_is_fetched_once_for_many_requests(client: Client, registry: FakeRegistry) -> None:
    registry.auth, registry.users = "bearer", {"me": "secret"}
    put_image(client(push=True, login=ME))
    assert len(registry.asked("GET", "/token")) == 1
    refused = [seen for seen in registry.requests if "authorization" not in seen.headers]
    assert [urlsplit(seen.path).path for seen in refused] == ["/v2/"]


def test_a_token_that_ended_is_replaced(client: Client, registry: FakeRegistry) -> None:
    registry.auth, registry.users = "bearer", {"me": "secret"}
    repository = client(push=True, login=ME)
    put_image(repository, b"one")
    registry.revoke_tokens()
    put_image(repository, b"two")
    assert len(registry.asked("GET", "/token")) == 2


def test_a_token_is_renewed_before_it_ends(client: Client, registry: FakeRegistry) -> None:
    registry.auth = "bearer"
    registry.add_blob("team/app", b"one")
    repository = client()
    now = 0.0
    repository.origin.session.authenticator.clock = lambda: now
    read(repository, describe(b"one"))
    now = 290.0
    read(repository, describe(b"one"))
    assert len(registry.asked("GET", "/token")) == 1
    now = 296.0
    read(repository, describe(b"one"))
    assert len(registry.asked("GET", "/token")) == 2


def test_an_identity_token_goes_by_post(client: Client, registry: FakeRegistry) -> None:
    registry.auth, registry.users = "bearer", {"me": "secret"}
    registry.identity_tokens = {"identity": "me"}
    put_image(client(push=True, login=Credential(identity_token="identity")))
    form = parse_qs(registry.asked("POST", "/token")[0].body.decode())
    assert form == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["identity"],
        "service": ["fake"],
        "client_id": ["lamina"],
        "scope": ["repository:team/app:pull,push"],
    }


def test_a_mount_asks_for_a_token_that_reads_the_origin(
    client: Client, registry: FakeRegistry
) -> None:
    registry.auth, registry.users = "bearer", {"me": "secret"}
    registry.add_blob("team/base", b"one")
    assert client(push=True, login=ME).mount_blob(describe(b"one"), "team/base")
    scopes = parse_qs(urlsplit(registry.asked("GET", "/token")[-1].path).query)["scope"]
    assert scopes == ["repository:team/app:pull,push", "repository:team/base:pull"]


def test_basic_is_shown_only_after_a_challenge(client: Client, registry: FakeRegistry) -> None:
    registry.add_blob("team/app", b"one")
    read(client(login=ME), describe(b"one"))
    assert all("authorization" not in seen.headers for seen in registry.requests)
    registry.auth, registry.users = "basic", {"me": "secret"}
    read(client(login=ME), describe(b"one"))
    assert registry.requests[-1].headers["authorization"] == BASIC


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_without_a_login_a_private_image_says_how_to_get_one(
    client: Client, registry: FakeRegistry, auth: str
) -> None:
    registry.auth, registry.private = auth, True  # type: ignore[assignment]
    with pytest.raises(errors.Unauthorized) as caught:
        client().resolve()
    assert registry.host in str(caught.value)
    assert caught.value.hint == f"lamina login {registry.host}"


def test_pushing_without_a_login_says_how_to_get_one(
    client: Client, registry: FakeRegistry
) -> None:
    registry.auth = "bearer"
    with pytest.raises(Denied, match="authentication required") as caught:
        put_image(client(push=True))
    assert caught.value.hint == f"lamina login {registry.host}"


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_wrong_password_is_named_but_not_shown(
    client: Client, registry: FakeRegistry, auth: str
) -> None:
    registry.auth, registry.users = auth, {"me": "other"}  # type: ignore[assignment]
    with pytest.raises(errors.Unauthorized) as caught:
        client(login=ME).resolve()
    assert "secret" not in str(caught.value)
    with pytest.raises(errors.Unauthorized) as caught:
        check_login(registry.host, Settings(), ME)
    assert str(caught.value).startswith(f"{registry.host} does not accept the login of me (GET ")
    assert str(caught.value).count("login") == 1


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize("private", [False, True])
def test_a_missing_helper_stops_only_what_needs_a_login(
    client: Client, registry: FakeRegistry, tmp_path: Path, auth: str, private: bool
) -> None:
    registry.add_blob("team/app", b"one")
    registry.auth, registry.private = auth, private  # type: ignore[assignment]
    config = tmp_path / "config.json"
    config.write_text('{"credsStore": "gone"}')
    repository = client(credential_files=(config,))
    if auth == "bearer" and not private:
        assert read(repository, describe(b"one")) == b"one"
        return
    with pytest.raises(errors.Unauthorized) as caught:
        read(repository, describe(b"one"))
    assert caught.value.hint == "the credential helper docker-credential-gone is not installed"


def test_many_threads_share_one_token(client: Client, registry: FakeRegistry) -> None:
    registry.auth = "bearer"
    layers = [bytes([each]) * 300_000 for each in range(8)]
    for layer in layers:
        registry.add_blob("team/app", layer)
    repository = client()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda layer: read(repository, describe(layer)), layers))
    assert found == layers
    assert len(registry.asked("GET", "/token")) == 1


@pytest.mark.parametrize("auth", ["none", "basic", "bearer"])
def test_a_good_login_is_accepted(registry: FakeRegistry, auth: str) -> None:
    registry.auth, registry.users = auth, {"me": "secret"}  # type: ignore[assignment]
    check_login(registry.host, Settings(), ME)


def test_a_login_never_reaches_another_host(client: Client, registry: FakeRegistry) -> None:
    registry.auth, registry.users = "basic", {"me": "secret"}
    with FakeRegistry() as other:
        digest = other.add_blob("any", b"one")
        registry.add_blob("team/app", b"one")
        target = f"{other.url}/elsewhere/{digest}"
        for _ in range(2):
            registry.fault("GET", "/blobs/", fake.say(307, Location=target))
        assert read(client(login=ME), describe(b"one")) == b"one"
        assert "authorization" in registry.asked("GET", "/blobs/")[0].headers
        assert all("authorization" not in seen.headers for seen in other.requests)


def test_a_challenge_of_another_host_is_not_answered(
    client: Client, registry: FakeRegistry
) -> None:
    with FakeRegistry(auth="basic", users={"me": "secret"}) as other:
        target = f"{other.url}/v2/team/app/blobs/{describe(b'one').digest}"
        registry.fault("GET", "/blobs/", fake.say(307, Location=target))
        with pytest.raises(errors.Unauthorized):
            read(client(login=ME), describe(b"one"))
        assert all("authorization" not in seen.headers for seen in other.requests)


def test_an_upload_elsewhere_gets_no_login(client: Client, registry: FakeRegistry) -> None:
    registry.auth, registry.users = "basic", {"me": "secret"}
    with FakeRegistry() as other:
        place = "/v2/team/app/blobs/uploads/far"
        other.uploads["far"] = bytearray()
        registry.fault("POST", "/uploads/", fake.say(202, Location=other.url + place))
        repository = client(push=True, login=ME)
        repository.has_blob(describe(b"one"))
        repository.put_blob(describe(b"one"), lambda: [b"one"])
        assert other.blobs["team/app"]
        assert all("authorization" not in seen.headers for seen in other.requests)


@pytest.mark.parametrize("realm", ["", "ftp://x/token", "/token", "http://[x/token"])
def test_a_realm_that_is_no_address_is_no_registry(
    client: Client, registry: FakeRegistry, realm: str
) -> None:
    challenge = f'Bearer realm="{realm}",service="s"'
    registry.fault("HEAD", "/manifests/", fake.say(401, WWW_Authenticate=challenge))
    with pytest.raises(errors.NotARegistry, match="names no usable token service"):
        client().resolve()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": ""}', b'{"token": "a\\nb"}'])
def test_a_token_service_without_a_token_is_no_registry(
    client: Client, registry: FakeRegistry, body: bytes
) -> None:
    registry.auth = "bearer"
    registry.fault("GET", "/token", fake.with_body(body))
    with pytest.raises(errors.NotARegistry, match="gives no token"):
        client().resolve()


def test_a_token_service_that_fails_is_unavailable(client: Client, registry: FakeRegistry) -> None:
    registry.auth = "bearer"
    registry.fault("GET", "/token", fake.error(503, "UNAVAILABLE"), times=99)
    with pytest.raises(errors.ServerFailed):
        client().resolve()
