"""Carrying out one step: an upper directory is filled and becomes a layer by rename."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.build.copying import Copier
from lamina.build.errors import CommandFailed
from lamina.build.graph import CopyOp, MakeDirOp, RunOp
from lamina.build.merged import Views
from lamina.build.select import Selected
from lamina.build.upper import Upper
from lamina.context.tree import Tree, resolve
from lamina.layer.contract import LayerInfo
from lamina.layer.entry import Kind
from lamina.oci.digest import Digest
from lamina.store.contract import Store

if TYPE_CHECKING:
    from lamina.run.spec import ContainerSpec

_PIECE = 65536
_HOSTNAME = "lamina"
"""The same for every step: a name that changes would make layers differ."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where steps are carried out: a directory in the store's file system."""

    store: Store
    views: Views
    directory: Path
    now: int
    """Nanoseconds since the epoch: the mtime of directories that have no other."""

    def place(self, number: int) -> Path:
        """A new directory for a step, with `upper` (0755, root) and `work`."""
        place = self.directory / str(number)
        place.mkdir(mode=0o700)
        for name in ("upper", "work"):
            (place / name).mkdir(mode=0o755)
            (place / name).chmod(0o755)
        return place


def run(
    shop: Workshop,
    place: Path,
    op: RunOp,
    chain: Sequence[Digest],
    proxies: tuple[str, ...],
    output: Callable[[bytes], None],
) -> LayerInfo:
    """Run a command over the layers of `chain`; what it prints goes to `output`.

    Raises CommandFailed, and what `launch` raises.
    """
    from lamina.run.lowers import lowers
    from lamina.run.spec import ContainerSpec, Mount, Overlay, Process

    mounts: tuple[Mount, ...] = ()
    if op.script:
        script = place / "script"
        script.write_text(op.script, encoding="utf-8", errors="surrogateescape")
        script.chmod(0o755)
        mounts = (Mount("bind", op.args[0], script, read_only=True),)
    with lowers(shop.store.layers, chain) as below:
        spec = ContainerSpec(
            identity=shop.directory.name,
            directory=place,
            rootfs=Overlay(below, place / "upper", place / "work", True),
            process=Process(op.args, (*op.env, *proxies), op.cwd, op.user),
            hostname=_HOSTNAME,
            network="none" if op.network == "none" else "host",
            mounts=mounts,
            # Images are built with sudo and su, as Docker lets them.
            no_new_privileges=False,
            cache=shop.store.root / "cache",
        )
        status = _run_to_its_end(spec, output)
    if status:
        raise CommandFailed(status)
    return shop.store.layers.adopt(place / "upper")


def _run_to_its_end(spec: ContainerSpec, output: Callable[[bytes], None]) -> int:
    from lamina.run.launch import start
    from lamina.run.spec import Streams

    reader, writer = os.pipe()
    quiet = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        running = start(spec, Streams(quiet, writer, writer))
        os.close(writer)
        writer = -1
        try:
            while piece := os.read(reader, _PIECE):
                output(piece)
            status = running.wait()
        except BaseException:
            running.kill()
            running.wait()
            raise
        if running.refused:
            output(f"lamina: {running.refused}\n".encode())
        return status
    finally:
        for fd in (reader, quiet, *([writer] if writer >= 0 else [])):
            os.close(fd)


def make_directory(
    shop: Workshop, place: Path, op: MakeDirOp, chain: Sequence[Digest]
) -> LayerInfo:
    """WORKDIR.  Raises InTheWay when something else is there."""
    below = shop.views.of(chain)
    upper = Upper(place / "upper", below, now=shop.now)
    path = upper.resolve(op.path)
    if below.lookup(path) is None:
        upper.make_directories(path)
        upper.finish()
    elif (found := below.lookup(path)) and found.kind is not Kind.DIRECTORY:
        upper.make_directories(path)
    return shop.store.layers.adopt(place / "upper")


def copy(
    shop: Workshop,
    place: Path,
    op: CopyOp,
    chain: Sequence[Digest],
    tree: Tree,
    selection: Sequence[Selected],
    *,
    keep_owner: bool,
) -> LayerInfo:
    """COPY and ADD: no mount, the files are written where the layer will be."""
    below = shop.views.of(chain)
    owner = None if keep_owner and not op.owner else _owner(op.owner, below)
    upper = Upper(place / "upper", below, now=shop.now)
    Copier(op, tree, upper, owner, shop.now).run(selection)
    return shop.store.layers.adopt(place / "upper")


def _owner(text: str, below: Tree) -> tuple[int, int]:
    """`--chown`, with names looked up in the layers below.  Raises UnknownUser, BadUser."""
    if not text:
        return 0, 0
    user, colon, group = text.partition(":")
    if user.isdecimal() and (not colon or group.isdecimal()):
        return int(user), int(group or user)
    from lamina.run.identity import lookup

    identity, _ = lookup(text, _content(below, "etc/passwd"), _content(below, "etc/group"))
    return identity.uid, identity.gid


def _content(tree: Tree, path: str) -> bytes:
    entry = tree.lookup(resolve(tree.lookup, path))
    if entry is None or entry.kind not in (Kind.FILE, Kind.HARDLINK):
        return b""
    with tree.open(entry).file as file:
        return file.read()
