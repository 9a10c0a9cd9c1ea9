"""What commands of a build stand on: the layers themselves, or a plain copy of them.

How is decided when the first command comes (run/isolation.py).  Copies are kept from one step
to the next, so that a chain of steps copies its base once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from lamina.copying.merged import Views
from lamina.oci.digest import Digest
from lamina.store.contract import Store

if TYPE_CHECKING:
    from lamina.build.plain_root import PlainRoot
    from lamina.run.isolation import Way

_IDLE = 2
"""Copies that wait for a step which goes on from them; each may take as much as an image."""


class Ground:
    """The ground of one build; safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        views: Views,
        directory: Path,
        tell: Callable[[str], object],
        *,
        chroot: bool = False,
    ) -> None:
        """`directory` is the build's own; `tell` is given one line, once, when commands cannot
        run as usual.  With `chroot` they are to run that way."""
        self._store = store
        self._views = views
        self._directory = directory
        self._tell = tell
        self._chroot = chroot
        self._way: Way | None = None
        self._idle: list[PlainRoot] = []
        self._count = 0
        self._lock = Lock()

    @property
    def way(self) -> Way:
        """How commands run here.  Raises NoWay."""
        from lamina.run.isolation import way

        with self._lock:
            if self._way is None:
                self._way = way(self._store.root, chroot=self._chroot)
                if self._way.reason:
                    self._tell(self._way.sentence)
            return self._way

    def is_mountable(self, chain: Sequence[Digest]) -> bool:
        """Whether the layers of `chain` can lie under an overlay as they are."""
        if not self.way.usual:
            return False
        layers = self._store.layers
        return not layers.no_image_form or all(
            layers.info(each).form == "tree" for each in dict.fromkeys(chain)
        )

    @contextmanager
    def copy(self, chain: Sequence[Digest]) -> Iterator[PlainRoot]:
        """A copy of `chain`, for one step alone.  It is kept if it shows a chain of layers at
        the end of the block, and deleted if that failed."""
        from lamina.store.trash import delete_tree

        root = self._taken(tuple(chain))
        try:
            root.bring(chain, self._views.of(chain))
            yield root
        except BaseException:
            delete_tree(root.directory)
            raise
        with self._lock:
            self._idle.append(root)
            old = self._idle.pop(0) if len(self._idle) > _IDLE else None
        if old is not None:
            delete_tree(old.directory)

    def _taken(self, chain: tuple[Digest, ...]) -> PlainRoot:
        """The idle copy from which the way to `chain` is shortest, or a new one."""
        from lamina.build.plain_root import PlainRoot

        with self._lock:
            fit = [each for each in self._idle if each.chain == chain[: len(each.chain)]]
            if fit:
                best = max(fit, key=lambda each: len(each.chain))
                self._idle.remove(best)
                return best
            self._count += 1
            place = self._directory / f"copy-{self._count}"
        place.mkdir(mode=0o755)
        return PlainRoot(place)
