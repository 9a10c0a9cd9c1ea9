"""Docker's config.json: what other tools wrote is read, what is written they read."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from lamina.errors import Invalid, Unavailable
from lamina.registry.credentials import (
    HUB_KEY,
    BadCredentialFile,
    CredentialFile,
    Helper,
    HelperFailed,
    find,
)
from lamina.registry.settings import Credential

ME = Credential("me", "se:cret")
AUTH = base64.b64encode(b"me:se:cret").decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "docker" / "config.json"


def write(path: Path, document: object) -> CredentialFile:
    path.parent.mkdir(exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return CredentialFile(path)


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`docker-credential-box` on PATH: keeps logins in a directory; returns that."""
    box = tmp_path / "box"
    box.mkdir()
    program = tmp_path / "bin" / "docker-credential-box"
    program.parent.mkdir()
    program.write_text(f"""#!/bin/sh
cd {box} || exit 2
input=$(cat)
echo "$1" >> calls
name=$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/' | tr / _)
case "$1" in
get) [ -f "$name.json" ] || {{ echo "credentials not found in native keychain"; exit 1; }}
    cat "$name.json" ;;
store) printf %s "$input" > "$name.json" ;;
erase) rm -f "$name.json" ;;
esac
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return box


def test_a_login_is_kept_in_dockers_form(path: Path) -> None:
    assert CredentialFile(path).store("ghcr.io", ME) is None
    assert json.loads(path.read_text()) == {"auths": {"ghcr.io": {"auth": AUTH}}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert CredentialFile(path).get("ghcr.io") == ME
    assert CredentialFile(path).get("quay.io") is None
    assert [each.name for each in path.parent.iterdir()] == ["config.json"]


def test_unknown_fields_survive(path: Path) -> None:
    before = {"HttpHeaders": {"a": "b"}, "auths": {"quay.io": {"auth": AUTH, "email": "x"}}}
    file = write(path, before)
    file.store("ghcr.io", ME)
    file.erase("ghcr.io")
    assert json.loads(path.read_text()) == before


@pytest.mark.parametrize(
    "key",
    [HUB_KEY, "docker.io", "index.docker.io", "https://index.docker.io/v1", "registry-1.docker.io"],
)
def test_docker_hub_goes_by_many_names(path: Path, key: str) -> None:
    file = write(path, {"auths": {key: {"auth": AUTH}}})
    assert file.get("docker.io") == ME
    assert file.erase("docker.io")
    assert file.get("docker.io") is None


def test_docker_hub_is_stored_under_its_old_name(path: Path) -> None:
    CredentialFile(path).store("docker.io", ME)
    assert list(json.loads(path.read_text())["auths"]) == [HUB_KEY]


@pytest.mark.parametrize(
    "key", ["localhost:5000", "https://localhost:5000", "http://localhost:5000/v2/"]
)
def test_keys_may_be_urls(path: Path, key: str) -> None:
    assert write(path, {"auths": {key: {"auth": AUTH}}}).get("localhost:5000") == ME


@pytest.mark.parametrize(
    "key", ["localhost", "localhost:5001", "localhost:5000/namespace", "xlocalhost:5000"]
)
def test_other_registries_logins_are_not_taken(path: Path, key: str) -> None:
    assert write(path, {"auths": {key: {"auth": AUTH}}}).get("localhost:5000") is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"identitytoken": "t"}, Credential(identity_token="t")),
        ({"auth": AUTH, "identitytoken": "t"}, Credential(identity_token="t")),
        ({"username": "u", "password": "p"}, Credential("u", "p")),
        ({"auth": base64.b64encode(b"u:p\0\0").decode()}, Credential("u", "p")),
        ({}, None),
    ],
)
def test_every_form_of_a_login(path: Path, entry: object, expected: Credential | None) -> None:
    assert write(path, {"auths": {"ghcr.io": entry}}).get("ghcr.io") == expected


def test_an_identity_token_is_stored_as_docker_does(path: Path) -> None:
    CredentialFile(path).store("ghcr.io", Credential(identity_token="t"))
    assert json.loads(path.read_text())["auths"] == {"ghcr.io": {"identitytoken": "t"}}


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        '"x"',
        '{"auths": 3}',
        '{"auths": {"ghcr.io": 3}}',
        '{"credHelpers": []} x',
        '{"auths": {"ghcr.io": {"auth": "!"}}}',
        "\x00",
    ],
)
def test_a_broken_file_is_an_error_that_names_it(path: Path, document: str) -> None:
    with pytest.raises(BadCredentialFile, match=f"{path} is not valid"):
        write(path, document).get("ghcr.io")


def test_a_broken_file_is_not_overwritten(path: Path) -> None:
    file = write(path, "{")
    with pytest.raises(Invalid):
        file.store("ghcr.io", ME)
    assert path.read_text() == "{"


@pytest.mark.parametrize("document", ["", "{}", '{"auths": null, "credHelpers": null}'])
def test_an_empty_file_has_no_logins(path: Path, document: str) -> None:
    file = write(path, document)
    assert file.get("ghcr.io") is None
    assert not file.erase("ghcr.io")
    file.store("ghcr.io", ME)
    assert file.get("ghcr.io") == ME


def test_a_linked_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    path.parent.mkdir()
    path.symlink_to(target)
    CredentialFile(path).store("ghcr.io", ME)
    assert path.is_symlink()
    assert "ghcr.io" in target.read_text()


def test_logging_out_twice_is_nothing_the_second_time(path: Path) -> None:
    file = CredentialFile(path)
    file.store("ghcr.io", ME)
    assert [file.erase("ghcr.io"), file.erase("ghcr.io")] == [True, False]


@pytest.mark.parametrize("choice", [{"credsStore": "box"}, {"credHelpers": {"ghcr.io": "box"}}])
def test_a_helper_keeps_the_login(path: Path, helper: Path, choice: dict[str, object]) -> None:
    file = write(path, choice)
    assert file.get("ghcr.io") is None
    assert file.store("ghcr.io", ME) == Helper("box")
    assert json.loads((helper / "ghcr.io.json").read_text()) == {
        "ServerURL": "ghcr.io",
        "Username": "me",
        "Secret": "se:cret",
    }
    assert file.get("ghcr.io") == ME
    assert file.erase("ghcr.io")
    assert file.get("ghcr.io") is None
    assert json.loads(path.read_text()) == choice


def test_a_helper_of_one_registry_is_not_asked_for_others(path: Path, helper: Path) -> None:
    file = write(path, {"credHelpers": {"ghcr.io": "box"}, "auths": {"quay.io": {"auth": AUTH}}})
    assert file.get("quay.io") == ME
    assert not (helper / "calls").exists()


def test_a_helper_gives_identity_tokens(path: Path, helper: Path) -> None:
    file = write(path, {"credsStore": "box"})
    file.store("ghcr.io", Credential(identity_token="t"))
    assert file.get("ghcr.io") == Credential(identity_token="t")


def test_a_missing_helper_is_named(path: Path) -> None:
    with pytest.raises(Unavailable, match="docker-credential-gone is not installed"):
        write(path, {"credsStore": "gone"}).get("ghcr.io")


def test_a_helper_that_fails_is_quoted(path: Path, helper: Path) -> None:
    (helper.parent / "bin" / "docker-credential-box").write_text("#!/bin/sh\necho locked; exit 1\n")
    with pytest.raises(HelperFailed, match="docker-credential-box get failed: locked"):
        write(path, {"credsStore": "box"}).get("ghcr.io")


def test_a_helper_that_talks_nonsense_is_named(path: Path, helper: Path) -> None:
    (helper.parent / "bin" / "docker-credential-box").write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(HelperFailed, match="answers no JSON"):
        write(path, {"credsStore": "box"}).get("ghcr.io")


def test_a_helpers_name_is_no_path(path: Path) -> None:
    with pytest.raises(BadCredentialFile, match="not the name of a credential helper"):
        write(path, {"credsStore": "../x"}).get("ghcr.io")


def test_the_first_file_that_knows_decides(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("none.json", "docker.json", "podman.json")]
    CredentialFile(files[1]).store("ghcr.io", ME)
    CredentialFile(files[2]).store("ghcr.io", Credential("other", "x"))
    CredentialFile(files[2]).store("quay.io", Credential("other", "x"))
    assert find(files, "ghcr.io") == ME
    assert find(files, "quay.io") == Credential("other", "x")
    assert find(files, "docker.io") is None


def test_a_password_is_not_shown_by_repr() -> None:
    assert "se:cret" not in repr(ME)
