"""Which files of a directory differ from what layers have at their paths."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from lamina.copying.merged import LayersTree
from lamina.layer.entry import KINDS, WHITEOUT_PREFIX, Kind, os_path
from lamina.layer.errors import BadLayer
from lamina.layer.whiteout import NAMED

_NANO = 1_000_000_000
_PIECE = 1 << 20


class Comparison:
    """Files that may have changed, held against what the layers say of them.

    All of it raises BadLayer for a name that no layer may have.
    """

    def __init__(self, base: bytes, view: LayersTree) -> None:
        """`base` is the directory that has them, with a slash; `view` the merged layers."""
        self._base = base
        self._view = view
        self._found: dict[str, bool] = {}
        """Path → whether it differs."""
        self._names: dict[int, list[str]] = {}
        """The names of each file that has several, by inode."""

    def look(self, path: str, status: os.stat_result) -> None:
        """Compare one path, whose lstat(2) that is.  A socket is deleted: no layer has one."""
        if (kind := self._kind(path, status)) is not None:
            self._found[path] = self._differs(path, kind, status)

    def take(self, path: str, status: os.stat_result) -> None:
        """The same for what differs in any case."""
        if self._kind(path, status) is not None:
            self._found[path] = True

    def _kind(self, path: str, status: os.stat_result) -> Kind | None:
        kind = KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            place = self._base + os_path(path)
            parent = os.path.dirname(place)
            before = os.lstat(parent).st_mtime_ns
            os.unlink(place)
            os.utime(parent, ns=(before, before))
            return None
        if path.rpartition("/")[2].startswith(WHITEOUT_PREFIX):
            raise BadLayer(f"{path!r} has a name that means a deletion in a layer")
        if kind is not Kind.DIRECTORY and status.st_nlink > 1:
            self._names.setdefault(status.st_ino, []).append(path)
        return kind

    def changed(self) -> set[str]:
        """What differs, and all names of a file that got a new one: a layer that has one name
        alone would part it from the others."""
        for names in self._names.values():
            if any(self._found[name] for name in names) or self._are_joined(names):
                self._found.update(dict.fromkeys(names, True))
        return {path for path, differs in self._found.items() if differs}

    def _are_joined(self, names: Sequence[str]) -> bool:
        """Whether what are names of one file now were several files before."""
        found = [self._view.lookup(name) for name in names]
        return len({self._view.identity(entry) for entry in found if entry is not None}) > 1

    def _differs(self, path: str, kind: Kind, status: os.stat_result) -> bool:
        union = self._view.union
        found = union.content(path) or union.get(path)
        if found is None:
            return True
        place = self._base + os_path(path)
        entry = found.entry
        if (Kind.FILE if entry.kind is Kind.HARDLINK else entry.kind) is not kind:
            return True
        owner = (status.st_uid, status.st_gid, status.st_mtime_ns // _NANO)
        if owner != (entry.uid, entry.gid, entry.mtime // _NANO):
            return True
        if kind is Kind.SYMLINK:
            return os.readlink(place) != os_path(entry.link)
        if stat.S_IMODE(status.st_mode) != entry.mode:
            return True
        if NAMED.attributes(place)[1] != entry.xattrs:
            return True
        if kind is Kind.FILE:
            return status.st_size != entry.size or not self._is_same(place, path)
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        return kind in (Kind.CHAR, Kind.BLOCK) and device != entry.device

    def _is_same(self, place: bytes, path: str) -> bool:
        """Whether a file's content is that of the layers', which is as long."""
        entry = self._view.lookup(path)
        assert entry is not None
        content = self._view.open(entry)
        with content.file, open(place, "rb") as ours:
            left = content.size
            while left:
                piece = ours.read(min(left, _PIECE))
                if not piece or piece != content.file.read(len(piece)):
                    return False
                left -= len(piece)
        return True
