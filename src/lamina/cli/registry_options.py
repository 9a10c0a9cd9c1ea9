"""The options of every command that speaks to a registry, and the settings that follow."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from lamina.cli.app import App
from lamina.errors import Invalid
from lamina.registry.settings import Credential, Settings, proxies

F = TypeVar("F", bound=Callable[..., Any])

_HOST = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")


class BadSetting(Invalid):
    """An option, variable or file about registries that makes no sense."""


def registry_options(command: F) -> F:
    """Add what every registry command has; the values are keyword arguments of `settings`,
    as are those of `credential_option` and `mirror_option`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def credential_option(command: F) -> F:
    """Add `--creds`, for commands that name one registry."""
    return click.option(
        "--creds",
        metavar="USER[:PASSWORD]",
        help="Log in with this for once, and store nothing.",
    )(command)


def mirror_option(command: F) -> F:
    """Add `--mirror`, for commands that pull."""
    return click.option(
        "--mirror",
        "mirrors",
        multiple=True,
        metavar="[REGISTRY=]HOST",
        help="Pull through this mirror first (default registry: docker.io). Repeatable."
        " Also LAMINA_MIRROR, separated by blanks.",
    )(command)


_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option(
        "--insecure/--tls-verify",
        "insecure",
        default=None,
        help="Accept any certificate, and plain HTTP; or verify loopback registries too.",
    ),
    click.option("--ca", type=_FILE, metavar="FILE", help="Trust this CA (PEM) as well."),
    click.option(
        "--cert-dir",
        type=_FILE,
        metavar="DIR",
        help="Certificates (*.crt, *.cert, *.key) for the registry, as in Docker's certs.d.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0.1),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="Give a silent registry up after this.",
    ),
)


def settings(
    app: App,
    *,
    insecure: bool | None = None,
    ca: Path | None = None,
    cert_dir: Path | None = None,
    mirrors: tuple[str, ...] = (),
    timeout: float = 60.0,
    creds: str | None = None,
) -> Settings:
    """What flags, environment and Docker's own files say about reaching registries."""
    environment = os.environ
    daemon = _daemon_file(Path("/etc/docker/daemon.json"))
    return Settings(
        tls="default" if insecure is None else "insecure" if insecure else "strict",
        insecure_hosts=frozenset(daemon.get("insecure-registries", ())),
        cert_roots=certificate_roots(environment),
        cert_dir=cert_dir,
        ca_file=ca,
        proxies=proxies(environment),
        mirrors=mirror_table(
            (*mirrors, *environment.get("LAMINA_MIRROR", "").split()),
            daemon.get("registry-mirrors", ()),
        ),
        credential_files=credential_files(environment),
        login=parse_credentials(creds) if creds else None,
        idle_timeout=timeout,
        connect_timeout=min(timeout, 15.0),
    )


def config_file(environment: Mapping[str, str]) -> Path:
    """Where `login` writes: REGISTRY_AUTH_FILE, or Docker's config.json (DOCKER_CONFIG)."""
    if chosen := environment.get("REGISTRY_AUTH_FILE"):
        return Path(chosen)
    if folder := environment.get("DOCKER_CONFIG"):
        return Path(folder) / "config.json"
    return Path(environment.get("HOME") or "/root") / ".docker" / "config.json"


def credential_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where logins are looked for: Lamina's and Docker's file, then podman's."""
    found = [config_file(environment)]
    if environment.get("REGISTRY_AUTH_FILE"):
        return tuple(found)
    if folder := environment.get("XDG_RUNTIME_DIR"):
        found.append(Path(folder) / "containers" / "auth.json")
    config = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME') or '/root'}/.config"
    return (*found, Path(config) / "containers" / "auth.json")


def certificate_roots(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where Docker and podman look for the certificates of registries."""
    home = Path(environment.get("HOME") or "/root")
    return (
        Path("/etc/containers/certs.d"),
        Path("/etc/docker/certs.d"),
        home / ".config" / "containers" / "certs.d",
        home / ".config" / "docker" / "certs.d",
    )


def mirror_table(options: tuple[str, ...], daemon: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Mirrors by registry: those of the options, then Docker's own for docker.io."""
    table: dict[str, list[str]] = {}
    for option in options:
        registry, mark, host = option.rpartition("=")
        if not host or (mark and not registry):
            raise BadSetting(
                f"not a mirror: {option!r}",
                hint="write [REGISTRY=]HOST, as in docker.io=mirror:5000",
            )
        table.setdefault(registry or "docker.io", []).append(host)
    if daemon:
        table.setdefault("docker.io", []).extend(daemon)
    return {registry: tuple(hosts) for registry, hosts in table.items()}


def registry_name(server: str) -> str:
    """The registry that a user means by `server`, which may be a URL as Docker shows it."""
    host = server.rpartition("://")[2].partition("/")[0]
    if host in ("index.docker.io", "registry-1.docker.io"):
        host = "docker.io"
    if not _HOST.fullmatch(host):
        raise BadSetting(
            f"not the name of a registry: {server!r}", hint="write host[:port], as in ghcr.io"
        )
    return host


def parse_credentials(text: str) -> Credential:
    """Read `USER[:PASSWORD]`; a password that is not there is asked for."""
    user, mark, password = text.partition(":")
    if not user:
        raise BadSetting("--creds has no user", hint="write --creds USER:PASSWORD")
    if not mark:
        if not sys.stdin.isatty():
            raise BadSetting(
                "--creds has no password, and there is no terminal to ask for it",
                hint="write --creds USER:PASSWORD, or log in with --password-stdin",
            )
        password = click.prompt("Password", hide_input=True, err=True)
    return Credential(user, password)


def _daemon_file(path: Path) -> dict[str, tuple[str, ...]]:
    """The lists of strings in Docker's daemon.json; empty when there is none to read."""
    try:
        raw = path.read_bytes()
    except OSError:
        return {}
    import json

    try:
        document = json.loads(raw)
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {
        name: tuple(map(str, value)) for name, value in document.items() if isinstance(value, list)
    }
