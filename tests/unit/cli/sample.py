"""A store with the images and the container that the tests of commands list and explain."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lamina.network.request import NetworkRequest
from lamina.oci import mediatype
from lamina.oci.config import Execution, History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.run.settings import Settings, to_json
from lamina.run.spec import Mount, Process
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Image, Store

Files = Mapping[str, bytes | str | None]
"""Path → content; None is a directory, a str a hard link's target."""
ESC = "\x1b[31mred\x1b[0m"


def tar_of(files: Files) -> bytes:
    """A tar, the same bytes every time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o644
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.LNKTYPE, content
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def make(
    store: Store,
    name: str | None,
    steps: Sequence[tuple[str, Files | None]],
    *,
    base: Image | None = None,
    created: str = "2026-01-01T00:00:00Z",
    labels: Mapping[str, str] | None = None,
    repo_digests: Sequence[str] = (),
) -> Image:
    """An image from instructions and the files that each adds; None makes no layer."""
    config = base.config if base else ImageConfig.scratch(Platform("amd64"))
    layers, history = list(config.diff_ids), list(config.history)
    for created_by, files in steps:
        history.append(History(created, created_by, empty_layer=files is None))
        if files is not None:
            layers.append(store.layers.ingest([tar_of(files)], expected=None).diff_id)
    config = config.amend(
        created=created,
        diff_ids=layers,
        history=history,
        execution=Execution(
            env=("PATH=/bin",), cmd=("sh",), labels=dict(labels) if labels else None
        ),
    )
    manifest = Manifest.build(
        config.descriptor(),
        [
            Descriptor(mediatype.OCI_LAYER, each, store.layers.info(each).tar_size)
            for each in layers
        ],
    )
    reference = Reference.parse(name) if name else None
    return store.images.add(manifest, config, reference, repo_digests=repo_digests)


def debian(store: Store) -> Image:
    """A base image of one layer."""
    files: Files = {
        "bin": None,
        "bin/sh": b"#" * 120_000,
        "bin/dash": "bin/sh",
        "etc": None,
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\n",
        "usr/share/doc/a": b"a" * 30_000,
        "usr/share/doc/b/c": b"c" * 5_000,
    }
    return make(store, "debian:bookworm", [("/bin/sh -c #(nop) ADD file:1 in / ", files)])


def seed(store: Store) -> Image:
    """The image that removes in one layer what it made in another."""
    return make(
        store,
        "seed",
        [
            ("WORKDIR /home # buildkit", {"home": None}),
            (
                "RUN |1 A=b /bin/sh -c dd if=/dev/zero of=50M.file bs=1k count=50 # buildkit",
                {"home": None, "home/50M.file": bytes(51_200)},
            ),
            ('CMD ["sh"]', None),
            ("RUN /bin/sh -c rm -rf 50M.file # buildkit", {"home": None, "home/.wh.50M.file": b""}),
        ],
        base=debian(store),
        created="2026-01-02T00:00:00Z",
        labels={"stage": "demo"},
        repo_digests=[f"ghcr.io/me/seed@sha256:{'ab' * 32}"],
    )


def hostile(store: Store) -> Image:
    """An image whose every text tries to write on the terminal by itself."""
    return make(
        store,
        "hostile",
        [
            (f"RUN echo {ESC}\r\n\u202eevil", {f"etc/{ESC}\u202e": b"x" * 2000}),
            (f"/bin/bash -c rm {ESC}", {f"etc/.wh.{ESC}\u202e": b"", "etc/\udce9.txt": b"y"}),
        ],
        created="2026-01-03T00:00:00Z",
        labels={ESC: f"{ESC}\x9b2J"},
    )


def container(store: Store, image: Image, *, name: str = "web") -> ContainerRecord:
    """A container that has read, changed, deleted and added files."""
    record = ContainerRecord(
        id="c0ffee" + "0" * 58,
        name=name,
        image="seed",
        image_id=image.config.digest,
        layers=image.layers,
        created="2026-01-04T00:00:00Z",
        command=("sh", "-c", "true"),
        status="exited",
        started="2026-01-04T00:00:01Z",
        finished="2026-01-04T00:00:02Z",
        exit_status=3,
        labels={"tier": "front"},
        settings=to_json(
            Settings(
                Process(("sh", "-c", "true"), ("PATH=/bin", "A=1"), "/home"),
                hostname="web1",
                network=NetworkRequest("none"),
                mounts=(Mount("bind", "/data", Path("/srv"), read_only=True),),
            )
        ),
    )
    store.containers.create(record)
    return record
