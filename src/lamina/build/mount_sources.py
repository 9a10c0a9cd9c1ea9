"""What the mounts of a RUN show, made ready: from the vertex's values to the container's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import gmtime, strftime
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from lamina.build.workshop import Workshop
from lamina.cache.mounts import CacheMounts
from lamina.context.tree import clean, resolve
from lamina.copying.reading import Origin, Reading, content, read
from lamina.copying.select import NoSuchSource
from lamina.errors import Invalid, NotFound
from lamina.layer.entry import Kind
from lamina.plan.graph import CopySource, RunMount, RunOp

if TYPE_CHECKING:
    from lamina.run.spec import FileMount, Mount, TreeMount

    AnyMount: TypeAlias = Mount | TreeMount | FileMount


class NoSecret(NotFound):
    """A mount needs a secret that the build was not given."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no secret {name}", hint=f"build with --secret id={name},src=FILE")


class NoAgent(NotFound):
    """A mount needs an ssh agent that the build was not given."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no ssh agent {name}", hint=f"build with --ssh {name}")


class NotText(Invalid):
    """A secret cannot be the value of a variable."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the secret {name} has a zero byte, which no variable can hold")


class NotADirectory(Invalid):
    """A cache mount is to begin with something else than a directory."""

    def __init__(self, source: str) -> None:
        super().__init__(f"{source} is not a directory: a cache mount cannot begin with it")


class Shown(msgspec.Struct, frozen=True):
    """What a command is given by its mounts."""

    mounts: tuple[AnyMount, ...] = ()
    env: tuple[str, ...] = ()
    """`NAME=value` lines."""
    secrets: Mapping[str, bytes] = {}
    """Those of the build's that it can read."""


@contextmanager
def shown(
    shop: Workshop,
    place: Path,
    op: RunOp,
    origins: Sequence[Origin],
    waiting: Callable[[str], None],
) -> Iterator[Shown]:
    """Everything that the mounts of `op` show, there for the length of a `with` block.

    `place` is the step's own directory.  `waiting` is called again and again, with the id,
    while another build has a cache mount to itself; what it raises ends the wait.

    Raises NoSecret and NoAgent for those that are required, NotText, NoSuchSource.
    """
    with ExitStack() as stack:
        maker = _Maker(shop, place, op, origins, waiting, stack)
        # Caches by their ids: two commands that want the same ones never wait for each other.
        order = sorted(enumerate(op.mounts), key=lambda each: (each[1].kind == "cache", each[1].id))
        made = {number: maker.make(mount) for number, mount in order}
        mounts = tuple(found for _, found in sorted(made.items()) if found is not None)
        yield Shown(mounts, tuple(maker.env), maker.secrets)


class _Maker:
    def __init__(
        self,
        shop: Workshop,
        place: Path,
        op: RunOp,
        origins: Sequence[Origin],
        waiting: Callable[[str], None],
        stack: ExitStack,
    ) -> None:
        self._shop = shop
        self._place = place
        self._op = op
        self._origins = origins
        self._waiting = waiting
        self._stack = stack
        self._caches: dict[tuple[object, ...], Path] = {}
        self._number = 0
        self.env: list[str] = []
        self.secrets: dict[str, bytes] = {}

    def make(self, mount: RunMount) -> AnyMount | None:
        """What the container mounts for it; None for nothing."""
        kinds: dict[str, Callable[[RunMount], AnyMount | None]] = {
            "bind": self._bind,
            "cache": self._cache,
            "tmpfs": self._tmpfs,
            "secret": self._secret,
            "ssh": self._agent,
        }
        return kinds[mount.kind](mount)

    def _new_name(self) -> Path:
        self._number += 1
        return self._place / f"mount-{self._number}"

    def _tmpfs(self, mount: RunMount) -> AnyMount:
        from lamina.run.spec import Mount

        options = f"exec,size={mount.size}" if mount.size else "exec"
        return Mount("tmpfs", mount.target, read_only=mount.read_only, options=options)

    def _secret(self, mount: RunMount) -> AnyMount | None:
        from lamina.run.spec import FileMount, Hidden

        found = self._shop.means.secrets.get(mount.id)
        if found is None:
            if mount.required:
                raise NoSecret(mount.id)
            return None
        self.secrets[mount.id] = found
        if mount.env:
            if b"\0" in found:
                raise NotText(mount.id)
            self.env.append(f"{mount.env}={os.fsdecode(found)}")
        if not mount.target:
            return None
        return FileMount(mount.target, Hidden(found), mount.mode or 0, mount.uid, mount.gid)

    def _agent(self, mount: RunMount) -> AnyMount | None:
        from lamina.linux.forwarder import forwarded
        from lamina.run.spec import Mount

        agent = self._shop.means.agents.get(mount.id)
        if agent is None:
            if mount.required:
                raise NoAgent(mount.id)
            return None
        socket, mode = self._new_name(), mount.mode or 0
        self._stack.enter_context(forwarded(socket, agent, mode=mode, uid=mount.uid, gid=mount.gid))
        return Mount("bind", mount.target, socket)

    def _bind(self, mount: RunMount) -> AnyMount:
        from lamina.run.lowers import lowers
        from lamina.run.spec import TreeMount

        reading = self._read(mount)
        layers = reading.origin.layers
        if not self._shop.ground.is_mountable(layers or ()):
            return self._bind_copy(mount, reading)
        if layers is None:
            from lamina.build.shown_tree import NAME, real_directory

            below: tuple[Path, ...] = (real_directory(self._shop, reading),)
            path = f"/{NAME}"
        else:
            below = self._stack.enter_context(lowers(self._shop.store.layers, layers))
            path = f"/{mount.source}"
        scratch = self._new_name()
        scratch.mkdir(mode=0o700)
        directory = reading.selection[0].entry.kind is Kind.DIRECTORY
        return TreeMount(mount.target, below, path, directory, scratch, mount.read_only)

    def _bind_copy(self, mount: RunMount, reading: Reading) -> AnyMount:
        """Files that are to be shown, as a copy of this command's own."""
        from lamina.build.shown_tree import NAME, lay_out
        from lamina.run.spec import Mount

        place = self._new_name()
        place.mkdir(mode=0o755)
        lay_out(self._shop, reading, place, f"/{NAME}")
        return Mount("bind", mount.target, place / NAME, read_only=mount.read_only)

    def _read(self, mount: RunMount) -> Reading:
        origin = self._origins[mount.origin]
        if origin.tree.lookup(resolve(origin.tree.lookup, clean(mount.source))) is None:
            raise NoSuchSource(mount.source)
        return read(self._op, CopySource(mount.source, mount.origin), origin)

    def _cache(self, mount: RunMount) -> AnyMount:
        from lamina.run.spec import Mount

        key = (mount.id, mount.origin, mount.source, mount.mode, mount.uid, mount.gid)
        # What is locked once for this command need not be waited for again.
        if key not in self._caches or mount.sharing == "private":
            self._caches[key] = self._stack.enter_context(self._cache_directory(mount))
        return Mount("bind", mount.target, self._caches[key], read_only=mount.read_only)

    def _cache_directory(self, mount: RunMount) -> AbstractContextManager[Path]:
        base, populate = "", None
        if mount.origin >= 0:
            reading = self._read(mount)
            if reading.selection[0].entry.kind is not Kind.DIRECTORY:
                raise NotADirectory(f"/{mount.source}")
            base = str(content(reading))
            populate = partial(_populate, self._shop, reading)
        # What is moved into a root, for want of mounts, nobody else can have meanwhile.
        moved = self._shop.ground.way.isolation == "chroot" and mount.sharing == "shared"
        return CacheMounts(self._shop.store.root).use(
            mount.id,
            "locked" if moved else mount.sharing,
            now=strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(self._shop.now // 10**9)),
            mode=0o755 if mount.mode is None else mount.mode,
            uid=mount.uid,
            gid=mount.gid,
            base=base,
            populate=populate,
            waiting=lambda: self._waiting(mount.id),
        )


def _populate(shop: Workshop, reading: Reading, directory: Path) -> None:
    from lamina.build.shown_tree import lay_out

    lay_out(shop, reading, directory, "/")
