"""An upper directory without what it has for no reason.

Overlayfs copies a file up when it is opened for writing or given the mode that it has; the
layer would ship what the layers below have already.  Without that a layer says what a command
changed and not how, and is the same however the command was run.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lamina.copying.comparison import Comparison
from lamina.copying.merged import LayersTree
from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Kind, os_path, text_path
from lamina.layer.whiteout import Whiteouts

_OPAQUE = os_path(OPAQUE_NAME)


def drop_unchanged(upper: Path, view: LayersTree, whiteouts: Whiteouts) -> None:
    """Delete what equals the layers of `view` from `upper`, which lies over them.

    What has several names in there stays: linking is a change.  Raises BadLayer.
    """
    _Dropping(os.fsencode(upper) + b"/", view, whiteouts).directory("")


class _Dropping:
    def __init__(self, base: bytes, view: LayersTree, whiteouts: Whiteouts) -> None:
        self._base = base
        self._view = view
        self._whiteouts = whiteouts

    def directory(self, path: str) -> bool:
        """Go through a directory that lies over one of the layers; whether it is empty then."""
        place = self._base + os_path(path)
        before = os.stat(place)
        dropped = False
        left = 0
        with os.scandir(place) as found:
            members = list(found)
        if self._whiteouts.named and any(each.name == _OPAQUE for each in members):
            return False
        for member in members:
            name = text_path(member.name)
            gone = self._drop(f"{path}/{name}" if path else name, member)
            dropped |= gone
            left += not gone
        if dropped:
            os.utime(place, ns=(before.st_mtime_ns, before.st_mtime_ns))
        return not left

    def _drop(self, path: str, member: os.DirEntry[bytes]) -> bool:
        status = member.stat(follow_symlinks=False)
        if self._is_mark(member.name, status):
            return False
        if not stat.S_ISDIR(status.st_mode):
            if status.st_nlink > 1 or self._differs(path, status):
                return False
            os.unlink(member.path)
            return True
        below = self._view.lookup(path)
        if below is None or below.kind is not Kind.DIRECTORY:
            return False
        if self._whiteouts.attributes(member.path)[0]:
            return False  # what is in there is all there is
        if not self.directory(path) or self._differs(path, status):
            return False
        os.rmdir(member.path)
        return True

    def _is_mark(self, name: bytes, status: os.stat_result) -> bool:
        named = self._whiteouts.named and text_path(name).startswith(WHITEOUT_PREFIX)
        return named or self._whiteouts.is_whiteout(status)

    def _differs(self, path: str, status: os.stat_result) -> bool:
        if stat.S_ISSOCK(status.st_mode):
            return True  # whoever reads the directory leaves it out
        comparison = Comparison(self._base, self._view)
        comparison.look(path, status)
        return bool(comparison.changed())
