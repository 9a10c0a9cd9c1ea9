"""SQL over a large store: a group-by over 100 images that hold 2 million files."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from bench.measure import interleaved
from bench.rows import Bench, Row, forget
from lamina.engine import open_engine
from lamina.oci import mediatype
from lamina.oci.config import History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Store

IMAGES, BASES = 100, 10
FILES = 20_000
"""Of each image, over all its layers."""
IN_BASE, IN_CHANGE = 12_000, 400
_PIECE = 1 << 20
BY_SIZE = "select image, type, count(*), sum(size) from files group by all"
BY_FATE = "select image, visible, count(*), sum(size) from files group by all"


def sql(bench: Bench) -> Sequence[Row]:
    """`sql`, whole process: a group-by that reads sizes, and one that asks who can see what."""
    engine = bench.own_store("sql")
    fill(open_engine(Path(engine.prefix[-1])).store)
    what = f"sql: group-by over {IMAGES} images, 2 million files"
    rows = []
    for name, query in ((what, BY_SIZE), (f"{what}, by visibility", BY_FATE)):
        ours = {"lamina": lambda query=query: engine.time("sql", query, "-o", "csv").seconds}
        figures, notes = interleaved(ours, bench.runs)
        rows.append(Row(name, "s", figures, 2.0, (), notes))
    forget(engine, "bench/sql:0")
    return rows


def fill(store: Store) -> None:
    """Ingest the images: ten bases, and on each of them ten that add, overwrite and delete."""
    bases = [store.layers.ingest(layer(base_files(n)), expected=None).diff_id for n in range(BASES)]
    for number in range(IMAGES):
        own, changed = (
            store.layers.ingest(layer(files), expected=None).diff_id
            for files in (own_files(number), changes(number))
        )
        name(store, [bases[number % BASES], own, changed], f"bench/sql:{number}")


def name(store: Store, layers: Sequence[Digest], reference: str) -> None:
    """Let a name stand for these layers."""
    history = [History(created_by=f"RUN step {number}") for number in range(len(layers))]
    config = ImageConfig.scratch(Platform("amd64")).amend(diff_ids=layers, history=history)
    blobs = [
        Descriptor(mediatype.OCI_LAYER, each, store.layers.info(each).tar_size) for each in layers
    ]
    manifest = Manifest.build(config.descriptor(), blobs)
    store.images.add(manifest, config, Reference.parse(reference))


def base_files(number: int) -> Iterator[tuple[str, bytes]]:
    """The files of a base."""
    for file in range(IN_BASE):
        path = f"usr/share/package-{file % 600}/docs/release-{number}/file-number-{file}"
        yield path, b"%d of base %d" % (file, number)


def own_files(number: int) -> Iterator[tuple[str, bytes]]:
    """What an image adds."""
    for file in range(FILES - IN_BASE - IN_CHANGE):
        path = f"srv/application/lib/module-{file % 400}/part-{file}-of-{number}.py"
        yield path, b"%d of image %d" % (file, number)


def changes(number: int) -> Iterator[tuple[str, bytes]]:
    """What it then changes: half overwrites files of its base, half deletes them."""
    for place, (path, content) in enumerate(base_files(number % BASES)):
        if place >= IN_CHANGE:
            return
        if place % 2:
            directory, _, last = path.rpartition("/")
            yield f"{directory}/.wh.{last}", b""
        else:
            yield path, b"now " + content


def layer(files: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
    """A layer's tar: the directories as they are first needed, and the files."""
    known = {""}
    piece = bytearray()
    for path, content in files:
        above = path.split("/")[:-1]
        for depth in range(1, len(above) + 1):
            directory = "/".join(above[:depth])
            if directory not in known:
                known.add(directory)
                piece += _member(directory, tarfile.DIRTYPE, 0o755, 0)
        piece += _member(path, tarfile.REGTYPE, 0o644, len(content))
        piece += content + bytes(-len(content) % 512)
        if len(piece) > _PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece) + bytes(1024)


def _member(path: str, kind: bytes, mode: int, size: int) -> bytes:
    """A ustar header: `tarfile` takes a minute for a million of them."""
    header = bytearray(_headers(kind, mode))
    name, count = path.encode(), b"%011o" % size
    header[: len(name)] = name
    header[124:135] = count
    header[148:155] = b"%06o\0" % (sum(header) + 8 * ord(" "))
    header[155] = ord(" ")
    return bytes(header)


@cache
def _headers(kind: bytes, mode: int) -> bytes:
    """A header without a name and a checksum."""
    member = tarfile.TarInfo("")
    member.type, member.mode, member.mtime = kind, mode, 1_700_000_000
    header = bytearray(member.tobuf(tarfile.USTAR_FORMAT))
    header[148:156] = bytes(8)
    return bytes(header)
