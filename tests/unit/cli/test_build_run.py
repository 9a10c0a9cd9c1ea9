"""Options of `lamina build` that say what RUN may use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamina.cli.build_agents import NoAgent, agents_of, parse_agent
from lamina.cli.build_run import means, run_settings
from lamina.cli.build_secrets import (
    LARGEST,
    BadSecret,
    NoSuchSecret,
    SecretSource,
    parse_secret,
    read_secret,
    secrets_of,
)
from lamina.errors import EngineError
from lamina.run.spec import Limit


def given(**options: Any) -> dict[str, Any]:
    """What click passes on when only `options` were given."""
    nothing: dict[str, Any] = dict.fromkeys(("secrets", "agents", "hosts", "grants", "limits"), ())
    return {
        **nothing,
        "network": "default",
        "shm_size": None,
        "memory": None,
        "isolation": "auto",
        **options,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id=a", SecretSource("a")),
        ("id=a,src=f", SecretSource("a", "f")),
        ("ID=a,source=f,type=file", SecretSource("a", "f")),
        ("id=a,env=V", SecretSource("a", variable="V")),
        ("id=a,type=env,src=V", SecretSource("a", variable="V")),
        ("id=a,type=env", SecretSource("a")),
        ('id=a,"src=x,y"', SecretSource("a", "x,y")),
    ],
)
def test_secrets(text: str, expected: SecretSource) -> None:
    assert parse_secret(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no id"),
        ("id=", "has no id"),
        ("src=f", "has no id"),
        ("a", "not a secret: 'a'"),
        ("id=a,path=f", "not a secret"),
        ("id=a,type=vault", "no type of secrets is called 'vault'"),
        ("id=a,src=f,env=V", "both a file and a variable"),
    ],
)
def test_what_is_no_secret(text: str, problem: str) -> None:
    with pytest.raises(BadSecret, match=problem):
        parse_secret(text)


def test_where_a_secret_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"\xff\n")
    (tmp_path / "V").write_bytes(b"file")
    monkeypatch.chdir(tmp_path)
    environment = {"V": "value\udcff"}
    assert secrets_of([f"id=a,src={tmp_path}/f", "id=b,env=V"], environment) == {
        "a": b"\xff\n",
        "b": b"value\xff",
    }
    assert read_secret(SecretSource("V"), environment) == b"value\xff"
    assert read_secret(SecretSource("V"), {}) == b"file"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (SecretSource("a", "/no/such"), "the secret a cannot be read: /no/such: no such file"),
        (SecretSource("a", "/"), "the secret a cannot be read: /: is a directory"),
        (SecretSource("a", variable="V"), r"the secret a is not there: \$V is not set"),
    ],
)
def test_a_secret_that_is_not_there(source: SecretSource, problem: str) -> None:
    with pytest.raises(NoSuchSecret, match=problem):
        read_secret(source, {})


def test_a_secret_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(LARGEST + 1))
    with pytest.raises(BadSecret, match="larger than 500 KiB"):
        read_secret(SecretSource("a", str(tmp_path / "f")), {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("default", ("default", ())),
        ("x=/s", ("x", ("/s",))),
        ("=/s", ("default", ("/s",))),
        ("x=/a,/b", ("x", ("/a", "/b"))),
    ],
)
def test_agents(text: str, expected: tuple[str, tuple[str, ...]]) -> None:
    assert parse_agent(text) == expected


def test_an_agent_that_is_not_there() -> None:
    with pytest.raises(NoAgent, match=r"\$SSH_AUTH_SOCK is not set"):
        agents_of(["default"], {})
    with pytest.raises(NoAgent, match="no agent and no key for --ssh: /no/such: no such file"):
        agents_of(["default"], {"SSH_AUTH_SOCK": "/no/such"})


def test_limits_and_sizes() -> None:
    found = means(given(limits=("nofile=10:20", "core=-1", "nproc=5"), shm_size="1m", memory="64m"))
    assert found.limits == (Limit("nofile", 10, 20), Limit("core", -1, -1), Limit("nproc", 5, 5))
    assert (found.shm_size, found.memory) == (1 << 20, 64 << 20)
    assert means(given()).memory == 0


def test_settings() -> None:
    assert run_settings(given(grants=("network.host,security.insecure",)))["insecure"]
    found = run_settings(
        given(hosts=("a:1.2.3.4", "b=::1", "c:[::1]", "d:host-gateway"), network="none")
    )
    assert found == {
        "network": "none",
        "hosts": ("a=1.2.3.4", "b=::1", "c=::1", "d=127.0.0.1"),
        "insecure": False,
    }


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"limits": ("files=1",)}, "not a resource limit: 'files=1'"),
        ({"limits": ("nofile",)}, "not a resource limit: 'nofile'"),
        ({"limits": ("nofile=1:2:3",)}, "not a resource limit"),
        ({"limits": ("nofile=2:1",)}, "not a resource limit"),
        ({"limits": ("nofile=-1:1",)}, "not a resource limit"),
        ({"memory": "lots"}, "not a size: 'lots'"),
        ({"shm_size": "-1"}, "not a size: '-1'"),
        ({"hosts": ("a",)}, "not a host: 'a'"),
        ({"hosts": ("a:b",)}, "not a host: 'a:b'"),
        ({"hosts": (":1.2.3.4",)}, "not a host"),
        ({"hosts": ("a b:1.2.3.4",)}, "not a host"),
        ({"grants": ("everything",)}, "nothing to allow is called 'everything'"),
    ],
)
def test_what_makes_no_sense(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(EngineError, match=problem):
        means(given(**options))
        run_settings(given(**options))
