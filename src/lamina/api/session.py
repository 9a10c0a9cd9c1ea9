"""The store, opened for a program."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from lamina.engine import Engine, open_engine
from lamina.oci.platform import Platform
from lamina.store.place import default_root

if TYPE_CHECKING:
    from lamina.api.containers import Container, Finished
    from lamina.api.image import Image
    from lamina.api.rows import Rows
    from lamina.query.sql import Result


class ImageName(msgspec.Struct, frozen=True):
    """One row of what `lamina images` lists."""

    name: str
    """`debian:bookworm`; empty for an image that lost its name."""
    id: str
    """Digest of the config: what `Session.image` takes as well."""
    created: str
    """RFC 3339, as the image has it."""
    size: int
    """Bytes of file content in all layers."""


class Session:
    """An open store.  A context manager; what came out of it stays readable afterwards.

    What a method needs is loaded when it is called: a program that runs containers needs
    nothing of what explains images, and each of its containers begins as a copy of it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is held open between calls."""

    def __repr__(self) -> str:
        return f"<Session on {self.root}>"

    @property
    def root(self) -> Path:
        """The store's directory."""
        return self._engine.store.root

    def images(self) -> Rows[ImageName]:
        """Every image of the store, in the order in which they came."""
        from lamina.api.rows import Rows

        return Rows(
            [
                ImageName(
                    row.reference.familiar if row.reference else "",
                    str(row.image_id),
                    row.created,
                    row.size,
                )
                for row in self._engine.store.refs.rows()
            ]
        )

    def image(self, name: str) -> Image:
        """By name, id, or the first digits of an id.  Raises ImageNotFound, AmbiguousName."""
        from lamina.api.image import Image
        from lamina.explain.stack import image_stack

        store = self._engine.store
        return Image(image_stack(store, store.images.find(name), name))

    def container(self, name: str) -> Image:
        """By name or id: its image's layers and its own on top.  Raises ContainerNotFound."""
        from lamina.api.image import Image
        from lamina.explain.stack import container_stack

        store = self._engine.store
        return Image(container_stack(store, store.containers.find(name)))

    def run(
        self,
        image: str,
        *command: str,
        stdin: bytes = b"",
        network: str = "",
        volumes: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        user: str = "",
        workdir: str = "",
    ) -> Finished:
        """A command in a new container, to its end; the container is removed then.

        Without a command the image's own.  `network` and `volumes` are as `--network` and
        `-v` have them.  An exception that interrupts it ends the container, and so does the
        end of this program.  Raises ImageNotFound, NoCommand, and Unsupported for a command
        that cannot be executed.
        """
        from lamina.api.containers import finished

        return finished(
            self._engine.store,
            image,
            command,
            stdin=stdin,
            network=network,
            volumes=volumes,
            environment=environment,
            user=user,
            workdir=workdir,
        )

    def start(
        self,
        image: str,
        *command: str,
        name: str = "",
        network: str = "",
        ports: Sequence[str] = (),
        volumes: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        user: str = "",
        workdir: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Container:
        """A new container in the background: it goes on when this program has ended.

        `ports` are as `-p` has them.  Raises what `run` raises, NameTaken, BadName.
        """
        from lamina.api.containers import started

        return started(
            self._engine.store,
            image,
            command,
            name=name,
            network=network,
            ports=ports,
            volumes=volumes,
            environment=environment,
            user=user,
            workdir=workdir,
            labels=labels,
        )

    def containers(self) -> list[Container]:
        """Every container of the store, the oldest first."""
        from lamina.api.containers import containers

        return containers(self._engine.store)

    def load(self, path: str | os.PathLike[str]) -> Rows[ImageName]:
        """Bring every image of an archive or an OCI layout into the store.

        Raises BadArchive, NoSuchImage, and Corrupt kinds for bytes that are not what their
        digest says.
        """
        from lamina.api.rows import Rows
        from lamina.transfer.archive import open_path
        from lamina.transfer.load import load
        from lamina.transfer.progress import Silent

        with open_path(Path(path)) as members:
            loaded = load(members, self._engine.store, platform=_host(), progress=Silent())
        ids = {str(each.image.config.digest) for each in loaded}
        return Rows([row for row in self.images() if row.id in ids])

    def slim(self, name: str, new: str, *, squash_from: int | None = None) -> Image:
        """Call an image `new` that shows what `name` shows, without its hidden bytes.

        With `squash_from` that layer, 1 is the lowest, and all above it become one.  Layers
        of which other images show what this one hides stay as they are, but from there on.
        Raises ImageNotFound, NoSuchLayer, BadReference; NotTheSame before anything is named.
        """
        from lamina.api.image import Image
        from lamina.explain.stack import image_stack
        from lamina.oci.reference import Reference
        from lamina.repack.plan import plan
        from lamina.repack.repack import slim
        from lamina.repack.sharing import sharers
        from lamina.repack.spans import lossless, squashed

        store = self._engine.store
        found = store.images.find(name)
        stack = image_stack(store, found, name)
        shared = sharers(store, found, stack)
        if squash_from is None:
            spans = lossless(stack.account, kept=shared)
        else:
            spans = squashed(stack.account, stack.place(str(squash_from)), kept=shared)
        planned = plan(stack.listings, stack.union, spans)
        made = slim(store, found, stack, planned, Reference.parse(new))
        return Image(image_stack(store, made.image))

    def sql(self, query: str) -> Result:
        """Ask the store with SQL (docs/sql.md): `.arrow()`, `.df()`, `.rows()`.

        Raises BadQuery, and Unsupported without the extra `sql`.
        """
        from lamina.query.sql import query as ask

        return ask(self._engine.store, query)


def open_session(root: str | os.PathLike[str] | None = None) -> Session:
    """Open the store at `root`, made if it is not there; without one where the command line
    has it: LAMINA_ROOT, /var/lib/lamina for root, the user's data directory.

    Raises a newer format, no permission.
    """
    place = Path(root) if root is not None else default_root(os.environ, os.geteuid())
    return Session(open_engine(place))


@contextmanager
def open_image_archive(path: str | os.PathLike[str], name: str = "") -> Iterator[Image]:
    """An image in an archive (of `docker save`, OCI) or an OCI layout, read where it lies.

    `name` says which one of several.  Raises BadArchive, NoSuchImage.
    """
    from lamina.api.image import Image
    from lamina.explain.stack import source_stack
    from lamina.transfer.archive import find_image, open_path
    from lamina.transfer.contents import SourceContents
    from lamina.transfer.receive import read_documents

    with open_path(Path(path)) as members:
        source = find_image(members, name)
        what = name or Path(path).name
        documents = read_documents(source, source.resolve(), platform=_host(), what=what)
        with closing(SourceContents(source, documents)) as contents:
            yield Image(source_stack(what, documents.config, contents, None))


def _host() -> Platform:
    return Platform.of_machine(os.uname().machine)
