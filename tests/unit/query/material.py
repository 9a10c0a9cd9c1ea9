"""A store in which every query of docs/sql.md finds something."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lamina.oci import mediatype
from lamina.oci.config import Execution, History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store
from tests.fakes.archives import Member, archive, file, folder, hardlink, symlink
from tests.unit.cli import sample

DPKG = "var/lib/dpkg/status"


def package(name: str, version: str) -> bytes:
    """A paragraph of dpkg's."""
    return (
        f"Package: {name}\nStatus: install ok installed\nInstalled-Size: 10\n"
        f"Architecture: amd64\nVersion: {version}\n\n"
    ).encode()


BASE = (
    folder("bin"),
    file("bin/su", b"s" * 4000, mode=0o4755),
    hardlink("bin/alias", "bin/su"),
    folder("tmp", mode=0o1777),
    folder("var/cache", mode=0o777),
    file("etc/shadow", b"root:*\n", mode=0o600),
    file(DPKG, package("bash", "5.1") + package("zlib1g", "1.2")),
    symlink("lib", "usr/lib"),
)
UPDATE = (
    file("var/lib/apt/lists/debian_InRelease", b"i" * 30_000),
    file(DPKG, package("bash", "5.2") + package("zlib1g", "1.2")),
)
BIG = (folder("home"), file("home/big.bin", b"b" * 50_000), file("home/caf\udce9", b"c" * 10))
CLEAN = (file("home/.wh.big.bin"), file("etc/shadow", b"root:*\n", mode=0o640))


def image(
    store: Store,
    name: str,
    steps: Sequence[tuple[str, Sequence[Member] | None]],
    *,
    base: Image | None = None,
    created: str,
    execution: Execution | None = None,
) -> Image:
    """An image from instructions and what each adds."""
    config = base.config if base else ImageConfig.scratch(Platform("amd64"))
    layers, history = list(config.diff_ids), list(config.history)
    for created_by, members in steps:
        history.append(History(created, created_by, empty_layer=members is None))
        if members is not None:
            layers.append(store.layers.ingest([archive(*members)], expected=None).diff_id)
    config = config.amend(
        created=created,
        diff_ids=layers,
        history=history,
        execution=execution or Execution(env=("PATH=/bin",), cmd=("sh",)),
    )
    blobs = [
        Descriptor(mediatype.OCI_LAYER, each, store.layers.info(each).tar_size) for each in layers
    ]
    manifest = Manifest.build(config.descriptor(), blobs)
    return store.images.add(manifest, config, Reference.parse(name))


def fill(store: Store) -> None:
    """A base image, one on it that wastes and has two names, and a container of that."""
    base = image(store, "base", [("ADD rootfs /", BASE)], created="2026-01-05T10:00:00Z")
    execution = Execution(
        env=("PATH=/bin", "API_TOKEN=abc"),
        cmd=("sh", "-c", "true"),
        labels={"stage": "demo"},
        user="nobody",
        working_dir="/home",
        exposed_ports={"80/tcp": {}},
    )
    app = image(
        store,
        "app:1",
        [
            ("RUN /bin/sh -c apt-get update # buildkit", UPDATE),
            ("ENV API_TOKEN=abc", None),
            ("RUN /bin/sh -c make big # buildkit", BIG),
            ("RUN /bin/sh -c rm /home/big.bin # buildkit", CLEAN),
        ],
        base=base,
        created="2026-02-06T11:12:13.123456789+01:00",
        execution=execution,
    )
    store.refs.set(
        msgspec.structs.replace(app.row, reference=Reference.parse("ghcr.io/me/app:stable"))
    )
    record = sample.container(store, app)
    upper = store.containers.directory(record.id) / "upper"
    (upper / "new").write_bytes(b"1234567")
