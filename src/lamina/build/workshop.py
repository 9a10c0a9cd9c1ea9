"""Where steps are carried out: an upper directory is filled and becomes a layer by rename."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import msgspec

from lamina.build.ground import Ground
from lamina.build.means import Means
from lamina.copying.merged import Views
from lamina.layer.contract import LayerInfo
from lamina.store.contract import Filling, Store


class Workshop(msgspec.Struct, frozen=True):
    """A directory in the store's file system, and what steps need beside their inputs."""

    store: Store
    views: Views
    directory: Path
    now: int
    """Nanoseconds since the epoch: the mtime of directories that have no other."""
    means: Means
    ground: Ground
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

    def adopt(
        self,
        place: Path,
        filling: Filling | None = None,
        timeless: Container[str] = (),
    ) -> LayerInfo:
        """The layer that the upper directory of `place` becomes; `filling` is what belongs in
        it, if whoever fills it knows (`LayerStore.adopt`), and what `timeless` is `clamp` says."""
        if self.clamp(place / "upper", timeless):
            filling = self._clamped(place / "upper", filling)
        return self.store.layers.adopt(place / "upper", filling=filling)

    def _clamped(self, upper: Path, filling: Filling | None) -> Filling | None:
        """What lies in a directory whose times were clamped.  A walk tells, but for owners,
        where files cannot be given to them."""
        from lamina.layer.rights import rights_here

        if filling is None or rights_here().owners:
            return None
        from lamina.copying.clamp import Clamped

        return Clamped(upper, filling)

    def clamp(self, upper: Path, timeless: Container[str] = ()) -> bool:
        """Let no time in an upper directory pass the epoch; whether there is one."""
        if self.epoch is None:
            return False
        from lamina.copying.clamp import clamp

        clamp(upper, self.epoch, timeless)
        return True
