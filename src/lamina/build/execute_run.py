"""Carrying out RUN: a container over the layers below, whose upper directory is the layer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.build.errors import CommandFailed
from lamina.build.graph import RunOp
from lamina.build.reading import Origin
from lamina.build.schedule import Stop
from lamina.build.workshop import Workshop
from lamina.layer.contract import LayerInfo
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from lamina.run.spec import ContainerSpec

_PIECE = 65536
_HOSTNAME = "lamina"
"""The same for every step: a name that changes would make layers differ."""


def run(
    shop: Workshop,
    place: Path,
    op: RunOp,
    chain: Sequence[Digest],
    origins: Sequence[Origin],
    proxies: tuple[str, ...],
    output: Callable[[bytes], None],
    stop: Stop,
) -> LayerInfo:
    """Run a command over the layers of `chain`; what it prints goes to `output`.

    `origins` are what its mounts show.  `stop` kills it.  Raises CommandFailed, and what
    `launch` raises.
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
            extra_hosts=op.hosts,
            # Images are built with sudo and su, as Docker lets them.
            no_new_privileges=False,
            cache=shop.store.root / "cache",
        )
        status = _run_to_its_end(spec, output, stop)
    if status:
        raise CommandFailed(status)
    return shop.adopt(place)


def _run_to_its_end(spec: ContainerSpec, output: Callable[[bytes], None], stop: Stop) -> int:
    from lamina.run.launch import start
    from lamina.run.spec import Streams

    reader, writer = os.pipe()
    quiet = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        running = start(spec, Streams(quiet, writer, writer))
        os.close(writer)
        writer = -1
        stop.add(running.kill)
        try:
            while piece := os.read(reader, _PIECE):
                output(piece)
            status = running.wait()
        except BaseException:
            running.kill()
            running.wait()
            raise
        finally:
            stop.remove(running.kill)
        if running.refused:
            output(f"lamina: {running.refused}\n".encode())
        return status
    finally:
        for fd in (reader, quiet, *([writer] if writer >= 0 else [])):
            os.close(fd)
