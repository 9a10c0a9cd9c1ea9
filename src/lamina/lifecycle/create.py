"""A new container: its record, its directories, and all that was decided of it."""

from __future__ import annotations

import msgspec

from lamina.oci.digest import Digest
from lamina.run.settings import Settings, to_json
from lamina.run.volumes import remove_anonymous
from lamina.store.contract import ContainerRecord, Image, Store
from lamina.store.volumes import DirVolumes


class Naming(msgspec.Struct, frozen=True):
    """What a new container is called; random parts are chosen by the command line."""

    identity: str
    """64 hexadecimal digits."""
    name: str
    image: str
    """The image as the user named it."""


def create(
    store: Store,
    image: Image,
    settings: Settings,
    naming: Naming,
    now: str,
    *,
    labels: dict[str, str],
    over: tuple[Digest, ...] = (),
) -> ContainerRecord:
    """Make the record and the directories of a container that does not run yet.

    The layers `over` lie on top of the image's own.  A lease keeps gc off the layers
    until the record does.  Raises NameTaken; then nothing is left.
    """
    with store.leases.hold() as lease:
        lease.protect(image.config.digest, image.manifest.digest, *image.layers, *over)
        record = ContainerRecord(
            id=naming.identity,
            name=naming.name,
            image=naming.image,
            image_id=image.config.digest,
            layers=(*image.layers, *over),
            created=now,
            command=settings.process.args,
            labels={**image.config.labels, **labels},
            settings=to_json(settings),
        )
        try:
            store.containers.create(record)
        except BaseException:
            remove_anonymous(store.root / "volumes", record)
            raise
        # A volume that was pruned before the record told of it is made again.
        DirVolumes(store.root).remake(record)
        return record
