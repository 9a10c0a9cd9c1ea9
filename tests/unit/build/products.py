"""What a build made, without building it: images of tars, as `build` would give them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lamina.build.build import Product, Variant
from lamina.build.inputs import Result
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform
from lamina.store.contract import Store
from tests.fakes.images import documents
from tests.unit.plan.test_plan import planned

NOW = 1_700_000_000


def member(
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
    mode: int = 0o644,
) -> tuple[tarfile.TarInfo, bytes]:
    """A member of a layer."""
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode, found.mtime = kind, link, mode, NOW
    found.uid, found.gid, found.size = 7, 8, len(content)
    return found, content


def directory(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    """A directory of a layer."""
    return member(name, kind=tarfile.DIRTYPE, mode=mode)


Layer = Sequence[tuple[tarfile.TarInfo, bytes]]


def stored(store: Store, layer: Layer) -> Digest:
    """Store a layer of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in layer:
            archive.addfile(info, io.BytesIO(content))
    return store.layers.ingest([buffer.getvalue()], expected=None).diff_id


@contextmanager
def product(store: Store, **variants: Sequence[Layer]) -> Iterator[Product]:
    """One image for each architecture, of its layers."""
    found = []
    results: dict[Digest, Result] = {}
    for architecture, layers in variants.items():
        platform = Platform(architecture)
        diff_ids = [stored(store, each) for each in layers]
        sizes = [store.layers.info(each).tar_size for each in diff_ids]
        manifest, config = documents(diff_ids, sizes=sizes, platform=platform)
        size = sum(store.layers.info(each).content_size for each in diff_ids)
        made = planned("FROM scratch\nENV A=1\n")
        found.append(Variant(platform, made, manifest, config, size, 0))
    with store.leases.hold() as lease:
        yield Product(tuple(found), results, lease, (), ())
