"""`lamina network connect` and `disconnect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamina.cli.app import App, timestamp
from lamina.cli.completion import object_names

if TYPE_CHECKING:
    from lamina.network.request import NetworkRequest
    from lamina.run.settings import Settings
    from lamina.store.container_contract import ContainerRecord

_UP = ("running", "paused")


@click.command(epilog="Example: lamina network connect --alias db lan mariadb")
@click.argument("network")
@click.argument("container", shell_complete=object_names)
@click.option("--alias", multiple=True, metavar="NAME", help="A further name in the network.")
@click.option("--ip", default="", metavar="ADDRESS", help="Its IPv4 address there.")
@click.option("--ip6", default="", metavar="ADDRESS", help="Its IPv6 address there.")
@click.option("--link", multiple=True, hidden=True)
@click.option("--driver-opt", multiple=True, hidden=True)
@click.pass_obj
def connect(
    app: App,
    network: str,
    container: str,
    alias: tuple[str, ...],
    ip: str,
    ip6: str,
    link: tuple[str, ...],
    driver_opt: tuple[str, ...],
) -> None:
    """Put a container into a network, whether it runs or not."""
    from lamina.cli.network_create import tell
    from lamina.network import manage
    from lamina.network.parse import check_address, check_attachment
    from lamina.network.request import Attachment

    store = app.engine.store
    record = store.containers.find(container)
    settings = _settings(record)
    found = manage.named(store.root, network)
    asked = Attachment(
        found.name,
        alias,
        check_address(ip, 4) if ip else "",
        check_address(ip6, 6) if ip6 else "",
    )
    check_attachment(asked)
    request = manage.with_network(settings.network, asked, record.name, (found.name, found.id))
    if record.status in _UP:
        manage.connect(store.root, record.id, record.pid, asked, now=timestamp())
    _keep(app, record, settings, request)
    tell(app, "connect", found, container=record.id)


@click.command(epilog="Example: lamina network disconnect lan mariadb")
@click.argument("network")
@click.argument("container", shell_complete=object_names)
@click.option("-f", "--force", is_flag=True, help="Also when it is not there any more.")
@click.pass_obj
def disconnect(app: App, network: str, container: str, force: bool) -> None:
    """Take a container out of a network, whether it runs or not."""
    from lamina.cli.network_create import tell
    from lamina.network import manage
    from lamina.network.errors import NotConnected

    store = app.engine.store
    record = store.containers.find(container)
    settings = _settings(record)
    found = manage.named(store.root, network)
    try:
        request = manage.without_network(
            settings.network, (found.name, found.id, network), record.name
        )
        if record.status in _UP:
            manage.disconnect(store.root, record.id, record.pid, found.id)
    except NotConnected:
        if not force:
            raise
        return
    _keep(app, record, settings, request)
    tell(app, "disconnect", found, container=record.id)


def asked(app: App) -> set[str]:
    """The networks that containers ask for, running or not, as they name them."""
    found: set[str] = set()
    for record in app.engine.store.containers:
        if record.settings:
            found |= {each.network for each in _settings(record).network.attachments}
    return found


def _settings(record: ContainerRecord) -> Settings:
    from lamina.run.settings import settings_of

    return settings_of(record.name, record.settings)


def _keep(app: App, record: ContainerRecord, settings: Settings, request: NetworkRequest) -> None:
    import msgspec

    from lamina.run.settings import to_json

    changed = to_json(msgspec.structs.replace(settings, network=request))
    app.engine.store.containers.update(record.id, settings=changed)
