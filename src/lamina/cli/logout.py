"""`lamina logout`: forget a login."""

from __future__ import annotations

import os

import click

from lamina.cli.registry_options import config_file, registry_name


@click.command("logout", epilog="Example: lamina logout ghcr.io")
@click.argument("server", required=False, default="docker.io")
def command(server: str) -> None:
    """Log out of a registry (docker.io by default)."""
    from lamina.registry.credentials import CredentialFile

    registry = registry_name(server)
    if CredentialFile(config_file(os.environ)).erase(registry):
        click.echo(f"Removing login credentials for {registry}")
    else:
        click.echo(f"Not logged in to {registry}")
