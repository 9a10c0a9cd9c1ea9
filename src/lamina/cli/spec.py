"""`lamina spec`: a container as a runtime bundle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamina.cli import creating
from lamina.cli.app import App
from lamina.cli.declared import add
from lamina.errors import Exists, Unsupported

if TYPE_CHECKING:
    from lamina.run.bundle import Document
    from lamina.run.orders import Orders
    from lamina.run.spec import Ids

_CONFIG, _ROOTFS = "config.json", "rootfs"


class BundleThere(Exists):
    """The directory holds something already."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not empty", hint="name a directory that is not there yet")


class NoInit(Unsupported):
    """A bundle cannot bring the first process of `--init`."""

    def __init__(self) -> None:
        super().__init__(
            "--init cannot be said in a runtime bundle", hint="leave it out, or lamina run --init"
        )


@click.command(
    epilog="Example: lamina spec -b /tmp/web -e DEBUG=1 nginx && runc run -b /tmp/web web",
    context_settings={"allow_interspersed_args": False},
)
@add(creating.OPTIONS)
@click.option(
    "-b",
    "--bundle",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write config.json and the root file system into a new directory.",
)
@click.help_option("--help")
@click.argument("image")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(app: App, /, **options: Any) -> None:
    """Print the config.json of a container of IMAGE.

    It takes the options of run, and starts nothing.  Its network is a namespace of its own
    with nothing in it, unless it is the host's or another container's.
    """
    import msgspec

    from lamina.cli.foreseen import foreseen

    place = options["bundle"]
    if options["init"]:
        raise NoInit
    with foreseen(app, options, Path(), volumes=False) as found:
        if place is None:
            document = msgspec.json.encode(_described(app, found.orders))
            click.echo(msgspec.json.format(document, indent=2))
        else:
            _write(app, found.orders, place)


def _described(app: App, orders: Orders) -> Document:
    from lamina.run.external_bundle import describe

    root = _root(app, orders)
    try:
        return describe(orders, root, "", _ROOTFS)
    finally:
        os.close(root)


def _root(app: App, orders: Orders) -> int:
    """The image's merged tree."""
    from lamina.linux import mounts

    empty = app.engine.store.root / "empty"
    empty.mkdir(exist_ok=True)  # an overlay without a writable layer needs two
    lowers = [str(path) for path in reversed(orders.spec.rootfs.lowers)]
    place = mounts.open_overlay(str(empty), [*lowers, str(empty)][: max(2, len(lowers))])
    try:
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)


def _write(app: App, orders: Orders, place: Path) -> None:
    from lamina.run.copy import copy_directory
    from lamina.run.external_bundle import describe, write
    from lamina.run.launch import own_texts

    if place.exists() and any(place.iterdir()):
        raise BundleThere(place)
    (place / _ROOTFS).mkdir(parents=True, mode=0o755)
    place.chmod(0o700)  # like a store: what is setuid in there is for nobody else
    root = _root(app, orders)
    rootfs = _writable(place, orders.spec.ids)
    try:
        copy_directory(root, rootfs, archive=True)
        for name, text in own_texts(orders.spec).items():
            (place / name).write_text(text, encoding="utf-8", errors="surrogateescape")
            if orders.spec.ids is not None:
                os.chown(place / name, *orders.spec.ids.root)
        write(describe(orders, root, "", _ROOTFS), place)
    finally:
        os.close(rootfs)
        os.close(root)


def _writable(place: Path, ids: Ids | None) -> int:
    """The directory for the root file system.  In it an owner is written down as whom it stands
    for: a runtime takes a root file system as it is."""
    from lamina.linux import mounts, syscall, userns
    from lamina.linux.id_mapping import reverse

    rootfs = place / _ROOTFS
    if ids is None or not userns.is_initial():
        return os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    place.chmod(0o711)  # the runtime gets at it as root of the container
    os.chown(rootfs, *ids.root)
    mount = mounts.clone(syscall.AT_FDCWD, str(rootfs), recursive=False)
    back = userns.new(reverse(ids.uids), reverse(ids.gids))
    try:
        mounts.map_owners(mount, back, str(rootfs))
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=mount)
    finally:
        os.close(back)
        os.close(mount)
