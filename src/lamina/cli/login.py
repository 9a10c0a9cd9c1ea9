"""`lamina login`: check a login with its registry, and keep it where Docker keeps it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App
from lamina.cli.registry_options import config_file, registry_name, registry_options, settings

if TYPE_CHECKING:
    from lamina.registry.settings import Credential


@click.command(
    "login",
    epilog="Example: echo $TOKEN | lamina login -u me --password-stdin ghcr.io",
)
@click.argument("server", required=False, default="docker.io")
@click.option("-u", "--username", metavar="USER", help="The user's name.")
@click.option(
    "-p",
    "--password",
    metavar="PASSWORD",
    help="The password, or an access token (unsafe: see ps).",
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@registry_options
@click.pass_obj
def command(
    app: App,
    /,
    server: str,
    username: str | None,
    password: str | None,
    password_stdin: bool,
    **options: Any,
) -> None:
    """Log in to a registry (docker.io by default).

    The registry is asked first. The login is kept in Docker's config.json, or
    in the credential helper that it names.
    """
    from lamina.registry.connect import check_login
    from lamina.registry.credentials import CredentialFile

    registry = registry_name(server)
    file = CredentialFile(config_file(os.environ))
    credential = None
    if username is None and password is None and not password_stdin:
        credential = file.get(registry)
        if credential is not None:
            click.echo("Authenticating with existing credentials...")
    if credential is None:
        credential = _asked(username, password, password_stdin)
    check_login(registry, settings(app, **options), credential)
    helper = file.store(registry, credential)
    if helper is None:
        _warn_plain(Path(file.path))
    click.echo("Login Succeeded")


def _asked(username: str | None, password: str | None, from_stdin: bool) -> Credential:
    """The login from the options, the standard input or the terminal."""
    from lamina.registry.settings import Credential

    if from_stdin:
        if password is not None:
            raise click.UsageError("--password and --password-stdin are mutually exclusive")
        if username is None:
            raise click.UsageError("--password-stdin needs --username")
        password = sys.stdin.read().rstrip("\r\n")
    elif password is not None:
        click.echo(
            "WARNING! Using --password via the CLI is insecure. Use --password-stdin.", err=True
        )
    if (username is None or password is None) and not sys.stdin.isatty():
        raise click.UsageError(
            "cannot ask for user and password: standard input is not a terminal"
            " (use --username and --password-stdin)"
        )
    if username is None:
        username = click.prompt("Username")
    if password is None:
        password = click.prompt("Password", hide_input=True)
    if not username or not password:
        raise click.UsageError("user and password must not be empty")
    return Credential(username, password)


def _warn_plain(path: Path) -> None:
    click.echo(
        f"WARNING! Your password will be stored unencrypted in {path}.\n"
        "Configure a credential helper (credsStore) to remove this warning.",
        err=True,
    )
