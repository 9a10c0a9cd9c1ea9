"""From flags, environment and Docker's files to settings; login and logout at the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from lamina.cli import registry_options
from lamina.cli.app import App
from lamina.cli.main import cli, run
from lamina.cli.registry_options import (
    BadSetting,
    config_file,
    credential_files,
    mirror_table,
    parse_credentials,
    registry_name,
    settings,
)
from lamina.errors import EngineError
from lamina.registry.credentials import CredentialFile
from lamina.registry.settings import Credential
from tests.fakes.registry import FakeRegistry


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "LAMINA_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(auth="basic", users={"me": "secret"}) as running:
        yield running


def invoke(*args: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, list(args), input=stdin)


def test_logins_lie_where_docker_and_podman_keep_them() -> None:
    assert config_file({"HOME": "/h"}) == Path("/h/.docker/config.json")
    assert config_file({"HOME": "/h", "DOCKER_CONFIG": "/d"}) == Path("/d/config.json")
    assert config_file({"DOCKER_CONFIG": "/d", "REGISTRY_AUTH_FILE": "/a"}) == Path("/a")
    assert credential_files({"REGISTRY_AUTH_FILE": "/a", "HOME": "/h"}) == (Path("/a"),)
    assert credential_files({"HOME": "/h", "XDG_RUNTIME_DIR": "/run/user/1"}) == (
        Path("/h/.docker/config.json"),
        Path("/run/user/1/containers/auth.json"),
        Path("/h/.config/containers/auth.json"),
    )


def test_mirrors_come_from_options_environment_and_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mirror_table(("a:1", "ghcr.io=b", "docker.io=c"), ("https://d/",)) == {
        "docker.io": ("a:1", "c", "https://d/"),
        "ghcr.io": ("b",),
    }
    monkeypatch.setenv("LAMINA_MIRROR", "x ghcr.io=y")
    chosen = settings(App(Path("/none")), mirrors=("ghcr.io=z",))
    assert chosen.mirrors["docker.io"][0] == "x"
    assert chosen.mirrors["ghcr.io"] == ("z", "y")
    for bad in ("", "=x", "ghcr.io="):
        with pytest.raises(BadSetting, match="not a mirror"):
            mirror_table((bad,), ())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            '{"registry-mirrors": ["https://m"], "debug": true}',
            {"registry-mirrors": ("https://m",)},
        ),
        ("{", {}),
        ("[]", {}),
        ("", {}),
    ],
)
def test_dockers_daemon_file_is_read_as_far_as_it_goes(
    tmp_path: Path, content: str, expected: dict[str, tuple[str, ...]]
) -> None:
    path = tmp_path / "daemon.json"
    assert registry_options._daemon_file(path) == {}
    path.write_text(content)
    assert registry_options._daemon_file(path) == expected


def test_flags_become_settings() -> None:
    app = App(Path("/none"))
    assert settings(app).tls == "default"
    assert settings(app, insecure=True).tls == "insecure"
    assert settings(app, insecure=False).tls == "strict"
    assert settings(app, creds="me:pass:word").login == Credential("me", "pass:word")
    assert settings(app, timeout=3.0).idle_timeout == 3.0
    assert settings(app, timeout=3.0).connect_timeout == 3.0


def test_the_decorators_give_what_settings_takes() -> None:
    taken: dict[str, object] = {}

    @click.command()
    @registry_options.mirror_option
    @registry_options.credential_option
    @registry_options.registry_options
    def command(**options: object) -> None:
        taken.update(options)

    args = ["--insecure", "--ca", "/ca", "--cert-dir", "/d", "--creds", "a:b", "--mirror", "m"]
    assert CliRunner().invoke(command, args).exit_code == 0
    chosen = settings(App(Path("/none")), **taken)  # type: ignore[arg-type]
    assert (chosen.ca_file, chosen.cert_dir) == (Path("/ca"), Path("/d"))
    assert (chosen.tls, chosen.login) == ("insecure", Credential("a", "b"))
    assert chosen.mirrors["docker.io"][0] == "m"


def test_credentials_need_a_user() -> None:
    with pytest.raises(BadSetting, match="no user"):
        parse_credentials(":x")


def test_a_password_is_not_asked_for_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(BadSetting, match="no password"):
        parse_credentials("me")


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("ghcr.io", "ghcr.io"),
        ("docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("http://localhost:5000/", "localhost:5000"),
        ("localhost:5000/team", "localhost:5000"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_servers_are_named_as_docker_users_do(server: str, expected: str) -> None:
    assert registry_name(server) == expected


@pytest.mark.parametrize("server", ["", "a b", "me@host", "-x", "host:port", "https://"])
def test_what_is_no_registry_is_refused(server: str) -> None:
    with pytest.raises(BadSetting, match="not the name of a registry"):
        registry_name(server)


def test_login_checks_stores_and_warns(registry: FakeRegistry, home: Path) -> None:
    done = invoke("login", "-u", "me", "--password-stdin", registry.host, stdin="secret\n")
    assert (done.exit_code, done.stdout) == (0, "Login Succeeded\n"), done.output
    path = home / ".docker" / "config.json"
    assert done.stderr.startswith(f"WARNING! Your password will be stored unencrypted in {path}.")
    assert CredentialFile(path).get(registry.host) == Credential("me", "secret")
    done = invoke("login", registry.host)
    assert done.stdout == "Authenticating with existing credentials...\nLogin Succeeded\n"
    done = invoke("logout", registry.host)
    assert done.stdout == f"Removing login credentials for {registry.host}\n"
    assert json.loads(path.read_text()) == {"auths": {}}
    assert invoke("logout", registry.host).stdout == f"Not logged in to {registry.host}\n"


def test_a_password_as_an_argument_is_warned_of(registry: FakeRegistry) -> None:
    done = invoke("login", "-u", "me", "-p", "secret", registry.host)
    assert done.exit_code == 0
    assert done.stderr.startswith("WARNING! Using --password via the CLI is insecure.")


def test_a_wrong_password_is_not_stored(registry: FakeRegistry, home: Path) -> None:
    done = invoke("login", "-u", "me", "-p", "wrong", registry.host)
    assert isinstance(done.exception, EngineError)
    assert done.exception.kind == "denied"
    assert "does not accept the login of me" in str(done.exception)
    assert not (home / ".docker").exists()


def test_a_silent_registry_is_given_up(
    registry: FakeRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.fakes.registry import hang

    registry.fault("GET", "/v2/", hang())
    assert run(["login", "--timeout", "0.2", "-u", "me", "-p", "secret", registry.host]) == 1
    assert "no answer within the timeout" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--password-stdin",), "--password-stdin needs --username"),
        (("-u", "me", "-p", "x", "--password-stdin"), "mutually exclusive"),
        (("-u", "me"), "standard input is not a terminal"),
        ((), "standard input is not a terminal"),
        (("-u", "me", "--password-stdin"), "must not be empty"),
    ],
)
def test_a_login_that_cannot_be_asked_for_is_a_usage_error(
    args: tuple[str, ...], message: str
) -> None:
    done = invoke("login", *args, "127.0.0.1:9")
    assert done.exit_code == 2
    assert message in done.output
