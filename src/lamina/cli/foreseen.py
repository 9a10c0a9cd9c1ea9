"""What `run` would do with its options, without doing any of it: for `spec` and `--dry-run`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.cli import creating
from lamina.cli.app import App

if TYPE_CHECKING:
    from lamina.run.orders import Orders
    from lamina.run.settings import Settings
    from lamina.run.spec import Ids
    from lamina.store.contract import Image, Store

_NOBODY = "0" * 64
"""The id of a container that is never made; its host name, if it has no other."""


class Foreseen(NamedTuple):
    """A container as it would be."""

    image: Image
    orders: Orders
    network: str
    """As the options name it: `bridge`, `none`…"""
    runtime: str


@contextmanager
def foreseen(
    app: App, options: dict[str, Any], directory: Path, *, volumes: bool = True
) -> Iterator[Foreseen]:
    """The container that the options stand for, its layers in reach for the length of a block.

    `directory` stands for the container's own.  Without `volumes` it has none that would be
    made for it alone.  Nothing is made.  Raises EngineError.
    """
    import msgspec

    from lamina.lifecycle.surroundings import joined_namespaces
    from lamina.run import launch
    from lamina.run.lowers import lowers
    from lamina.run.orders import Orders
    from lamina.run.spec import Streams
    from lamina.run.specification import Surroundings, specification

    chosen = creating.Chosen(options)
    image = creating.find(app, options)
    over = creating.removed(app, image) if options["with_removed"] else ()
    settings = chosen.settings(app, image, options, _NOBODY, detached=False, make=False)
    store = app.engine.store
    network = settings.network.mode or "bridge"
    with lowers(store.layers, (*image.layers, *over)) as below:
        around = Surroundings(
            lowers=below,
            network=_namespace(store, network),
            namespaces=joined_namespaces(store, settings.namespaces),
            ids=_ids(store, settings),
            volumes=store.root / "volumes",
        )
        labels = {**image.config.labels, **chosen.process.labels}
        if not volumes:
            kept = tuple(mount for mount in settings.mounts if not mount.anonymous)
            settings = msgspec.structs.replace(settings, mounts=kept)
        spec = specification(_NOBODY, directory, settings, labels, around)
        spec, steps, granted = launch.foresee(spec)
        yield Foreseen(
            image,
            Orders(spec, steps, granted, b"", -1, -1, Streams(0, 1, 2)),
            network,
            settings.runtime,
        )


def _ids(store: Store, settings: Settings) -> Ids | None:
    if settings.namespaces.user == "host":
        return None
    from lamina.lifecycle import user_namespace

    return user_namespace.foreseen(store, settings, _NOBODY)


def _namespace(store: Store, network: str) -> str:
    from lamina.lifecycle.surroundings import joined

    if network.startswith("container:"):
        return joined(store, network, "net")
    # A network of ours is a namespace with something in it, which is not made here.
    return network if network == "host" else "none"
