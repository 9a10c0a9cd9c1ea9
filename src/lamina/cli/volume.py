"""`lamina volume`: directories that outlive containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App, timestamp
from lamina.cli.documents import print_documents, renderer
from lamina.cli.filters import flag, has_labels, parse_filters
from lamina.cli.format import emit, listing_options, render, size
from lamina.cli.named import for_each
from lamina.cli.pruning import agreed
from lamina.errors import Invalid, NotFound

if TYPE_CHECKING:
    from lamina.store.volumes import DirVolumes, Volume

_COLUMNS = {"Driver": "DRIVER", "Name": "VOLUME NAME"}
_HEADERS = {"Labels": "LABELS", "Mountpoint": "MOUNTPOINT", "Scope": "SCOPE"}
_FILTERS = ("dangling", "driver", "label", "name")


class NoDriver(Invalid):
    """Volumes are local, or not at all."""


@click.group(epilog="Example: lamina volume create data && lamina run -v data:/var/lib/x IMAGE")
def command() -> None:
    """Make, list and remove volumes."""


def _volumes(app: App) -> DirVolumes:
    from lamina.store.volumes import DirVolumes

    return DirVolumes(app.engine.store.root)


@command.command(epilog="Example: lamina volume create --label keep=yes data")
@click.argument("name", required=False, default="")
@click.option("-d", "--driver", default="local", show_default=True, help="Only local is there.")
@click.option("-l", "--label", multiple=True, metavar="NAME[=VALUE]", help="Label it.")
@click.option(
    "-o", "--opt", multiple=True, metavar="NAME=VALUE", help="type=none|tmpfs, device=…, o=…"
)
@click.pass_obj
def create(app: App, name: str, driver: str, label: tuple[str, ...], opt: tuple[str, ...]) -> None:
    """Make a volume and print its name; one that is there already stays as it is."""
    import os

    from lamina.run.mount_request import volume_name
    from lamina.store.volumes import Volume

    if driver != "local":
        raise NoDriver(f"no volume driver {driver!r}", hint="volumes are local here")
    chosen = volume_name(name) if name else os.urandom(32).hex()
    wanted = Volume(chosen, timestamp(), _pairs(label), _pairs(opt), anonymous=not name)
    click.echo(_volumes(app).make(wanted).name)


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


@command.command("ls", epilog="Example: lamina volume ls -q --filter dangling=true")
@listing_options
@click.pass_obj
def list_(app: App, fmt: str, quiet: bool, no_trunc: bool, filters: tuple[str, ...]) -> None:
    """List volumes.

    Filters: dangling=true|false (whether no container has it), name=TEXT,
    label=KEY[=VALUE], driver=local.
    """
    store = _volumes(app)
    wanted = parse_filters(filters, _FILTERS)
    dangling = flag("dangling", wanted.get("dangling", ()))
    users = store.users() if dangling is not None else {}
    found = [
        volume
        for volume in store
        if has_labels(volume.labels, wanted.get("label", ()))
        and any(text in volume.name for text in wanted.get("name", [""]))
        and "local" in wanted.get("driver", ["local"])
        and (dangling is None or dangling == (volume.name not in users))
    ]
    if quiet:
        emit("\n".join(volume.name for volume in found))
        return
    rows = [_row(store, volume) for volume in found]
    emit(render(rows, fmt, _COLUMNS, headers=_HEADERS))


def _row(store: DirVolumes, volume: Volume) -> dict[str, object]:
    return {
        "Driver": "local",
        "Name": volume.name,
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(volume.labels.items())),
        "Mountpoint": str(store.data(volume.name)),
        "Scope": "local",
    }


@command.command(epilog="Example: lamina volume inspect -f '{{.Mountpoint}}' data")
@click.argument("names", metavar="VOLUME...", nargs=-1, required=True)
@click.option(
    "-f", "--format", "fmt", default="", metavar="TEMPLATE", help="json or a Go template."
)
@click.pass_obj
def inspect(app: App, names: tuple[str, ...], fmt: str) -> int:
    """Show everything known of volumes, as a JSON array."""
    store = _volumes(app)
    render = renderer(fmt)
    found: list[dict[str, Any]] = []
    status = for_each(names, lambda name: found.append(_description(store, store.find(name))))
    print_documents(found, fmt, render)
    return status


def _description(store: DirVolumes, volume: Volume) -> dict[str, Any]:
    return {
        "CreatedAt": volume.created,
        "Driver": "local",
        "Labels": volume.labels or None,
        "Mountpoint": str(store.data(volume.name)),
        "Name": volume.name,
        "Options": volume.options or None,
        "Scope": "local",
    }


@command.command(epilog="Example: lamina volume rm data")
@click.argument("names", metavar="VOLUME...", nargs=-1, required=True)
@click.option("-f", "--force", is_flag=True, help="Forgive when there is none.")
@click.pass_obj
def rm(app: App, names: tuple[str, ...], force: bool) -> int:
    """Remove volumes and all that is in them.  One that a container has stays."""
    store = _volumes(app)

    def act(name: str) -> None:
        store.remove(name)
        click.echo(name)

    return for_each(names, act, forgive=(NotFound,) if force else ())


@command.command(epilog="Example: lamina volume prune --all --force")
@click.option("-a", "--all", "all_", is_flag=True, help="Also those that have a name.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--filter", "filters", multiple=True, metavar="label=KEY", help="Only with a label.")
@click.pass_obj
def prune(app: App, all_: bool, force: bool, filters: tuple[str, ...]) -> None:
    """Remove volumes that no container has: those without a name, or all."""
    from lamina.store.volumes import VolumeInUse, VolumeNotFound

    wanted = parse_filters(filters, ("label",)).get("label", [])
    if not force:
        which = "all" if all_ else "anonymous"
        warning = (
            f"WARNING! This will remove {which} local volumes not used by at least one container."
        )
        if not agreed(warning):
            return
    store = _volumes(app)
    users = store.users()
    freed, gone = 0, []
    for volume in list(store):
        if volume.name in users or not (all_ or volume.anonymous):
            continue
        if not has_labels(volume.labels, wanted):
            continue
        try:
            freed += store.remove(volume.name)
        except (VolumeInUse, VolumeNotFound):
            continue  # somebody was faster
        gone.append(volume.name)
    if gone:
        emit("\n".join(["Deleted Volumes:", *gone, ""]))
    emit(f"Total reclaimed space: {size(freed)}")
