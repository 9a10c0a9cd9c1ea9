"""Where steps are carried out: an upper directory is filled and becomes a layer by rename."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from lamina.build.means import Means
from lamina.build.merged import Views
from lamina.build.reading import Reading
from lamina.layer.contract import LayerInfo
from lamina.store.contract import Store


class Workshop(msgspec.Struct, frozen=True):
    """A directory in the store's file system, and what steps need beside their inputs."""

    store: Store
    views: Views
    directory: Path
    now: int
    """Nanoseconds since the epoch: the mtime of directories that have no other."""
    means: Means
    epoch: int | None = None
    """Seconds since 1970 that no time in a layer may pass; None keeps times."""

    def place(self, number: int) -> Path:
        """A new directory for a step, with `upper` (0755, root) and `work`."""
        place = self.directory / str(number)
        place.mkdir(mode=0o700)
        for name in ("upper", "work"):
            (place / name).mkdir(mode=0o755)
            (place / name).chmod(0o755)
        return place

    def timed(self, readings: Sequence[Reading]) -> Sequence[Reading]:
        """What is copied, with the times that it has in the layer."""
        if self.epoch is None:
            return readings
        from lamina.build.level import levelled

        return [levelled(each, self.epoch) for each in readings]

    def adopt(self, place: Path) -> LayerInfo:
        """The layer that the upper directory of `place` becomes."""
        if self.epoch is not None:
            from lamina.build.clamp import clamp

            clamp(place / "upper", self.epoch)
        return self.store.layers.adopt(place / "upper")
