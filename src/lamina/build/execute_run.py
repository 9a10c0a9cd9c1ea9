"""Carrying out RUN: a container over the layers below, whose upper directory is the layer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.build.errors import CommandFailed
from lamina.build.schedule import Stop, Stopped
from lamina.build.workshop import Workshop
from lamina.copying.reading import Origin
from lamina.layer.contract import LayerInfo
from lamina.oci.digest import Digest
from lamina.plan.graph import RunOp
from lamina.text import prose_size

if TYPE_CHECKING:
    from lamina.build.mount_sources import Shown
    from lamina.linux.cgroup_group import Group
    from lamina.run.launch import Running
    from lamina.run.spec import ContainerSpec, FileMount, Network, Overlay, Streams

_PIECE = 65536
_SHM_SIZE = 64 << 20
_YOUNG = 60
"""Seconds for which another build's control group may be without processes: they begin."""
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

    `origins` are what its mounts show.  `stop` kills it.  Secrets that it prints come out
    as `***`, and a note says so where its layer has one.  Raises CommandFailed, NoEmulator,
    and what `launch` and `shown` raise.
    """
    from lamina.build.mount_sources import shown
    from lamina.build.secrecy import Redactor
    from lamina.build.standing import standing

    if op.platform:
        from lamina.build.foreign import require_emulator

        require_emulator(op.platform)
    with standing(shop, place, chain) as ground:
        with (
            shown(shop, place, op, origins, _Wait(output, stop)) as given,
            _memory(shop, place, output) as group,
        ):
            spec = _container(shop, place, op, ground.rootfs, given, proxies, group)
            redactor = Redactor(given.secrets.values(), output)
            with ground.ready(spec, redactor.feed) as start:
                status = _run_to_its_end(start, redactor.feed, stop)
            redactor.flush()
            if group is not None and group.out_of_memory():
                size = prose_size(shop.means.memory)
                output(f"lamina: the command ran out of memory: it may use {size}\n".encode())
        if status:
            raise CommandFailed(status)
        return ground.layer(lambda upper: _note_secrets(upper, given.secrets, output))


def _container(
    shop: Workshop,
    place: Path,
    op: RunOp,
    rootfs: Overlay,
    given: Shown,
    proxies: tuple[str, ...],
    group: Group | None,
) -> ContainerSpec:
    from lamina.run.spec import ContainerSpec, Process

    means = shop.means
    network: Network = "none" if op.network == "none" else "host"
    return ContainerSpec(
        identity=shop.directory.name,
        directory=shop.directory / f"run-{network}",
        rootfs=rootfs,
        process=Process(op.args, (*op.env, *given.env, *proxies), op.cwd, op.user),
        hostname=_HOSTNAME,
        network=network,
        mounts=(*given.mounts, *_script(op)),
        privileged=op.insecure,
        # As in BuildKit: what a command writes to /etc/hostname is the image's.
        own_files=("hosts", "resolv.conf"),
        own_files_read_only=True,
        extra_hosts=op.hosts,
        # Images are built with sudo and su, as Docker lets them.
        no_new_privileges=False,
        cache=shop.store.root / "cache",
        shm_size=means.shm_size or _SHM_SIZE,
        limits=means.limits,
        cgroups=tuple(map(Path, group.paths)) if group else (),
    )


def _script(op: RunOp) -> tuple[FileMount, ...]:
    """The heredoc that begins with `#!`, as the file that is executed."""
    from lamina.run.spec import FileMount, Hidden

    if not op.script:
        return ()
    content = op.script.encode("utf-8", "surrogateescape")
    return (FileMount(op.args[-1], Hidden(content), 0o755, executable=True),)


@contextmanager
def _memory(shop: Workshop, place: Path, output: Callable[[bytes], None]) -> Iterator[Group | None]:
    """The control group that limits the command's memory; None where there is no limit, or
    this host has no means to set one."""
    from lamina.build.memory import NoMemoryControl, limited_memory

    with ExitStack() as stack:
        group = None
        if shop.means.memory:
            name = f"build-{shop.directory.name}-{place.name}"
            before = shop.now / 1e9 - _YOUNG
            try:
                limited = limited_memory(name, shop.means.memory, before=before)
                group = stack.enter_context(limited)
            except NoMemoryControl as error:
                output(f"lamina: {error}\n".encode())
        yield group


class _Wait:
    """What happens while another build has a cache mount to itself."""

    def __init__(self, output: Callable[[bytes], None], stop: Stop) -> None:
        self._output = output
        self._stop = stop
        self._told: set[str] = set()

    def __call__(self, name: str) -> None:
        if self._stop.asked:
            raise Stopped
        if name not in self._told:
            self._told.add(name)
            self._output(f"lamina: waiting for the cache mount {name}\n".encode())


def _note_secrets(
    upper: Path, secrets: Mapping[str, bytes], output: Callable[[bytes], None]
) -> None:
    if not secrets:
        return
    from lamina.build.secrecy import places

    for name, path in places(upper, secrets):
        text = f"lamina: the secret {name} is in {path} of this layer\n"
        output(text.encode("utf-8", "surrogateescape"))


def _run_to_its_end(
    start: Callable[[Streams], Running], output: Callable[[bytes], None], stop: Stop
) -> int:
    from lamina.run.spec import Streams

    reader, writer = os.pipe()
    quiet = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        running = start(Streams(quiet, writer, writer))
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
