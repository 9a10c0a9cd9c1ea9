"""COPY and ADD: a selection laid out under a destination, by BuildKit's rules.

A directory gives its contents, a file goes into a destination that is a
directory or ends with a slash, else it takes the destination's name.  A
destination that is not there is made as its missing parents are: 0755 or what an
octal `--chmod` says, root's or what `--chown` says.  Directories below it carry
their metadata over; one that is the destination and was there keeps its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from lamina.context.directory import Context
from lamina.context.tree import clean
from lamina.copying.filtered import Filtered
from lamina.copying.merged import LayersTree
from lamina.copying.reading import Reading
from lamina.copying.select import Selected
from lamina.copying.unpack import is_archive, unpack
from lamina.copying.upper import Upper
from lamina.layer.entry import Entry, Kind
from lamina.plan.graph import CopyOp, Document
from lamina.plan.mode import Mode

if TYPE_CHECKING:
    from lamina.store.contract import Filling

_FILES = (Kind.FILE, Kind.HARDLINK)
_DIRECTORY_MODE = 0o755


class Copier:
    """One COPY: where to, and what the files' metadata become."""

    def __init__(
        self,
        op: CopyOp,
        upper: Upper,
        owner: tuple[int, int] | None,
        now: int,
        timeless: set[str] | None = None,
    ) -> None:
        """`owner` None keeps the source's; `now` is the mtime of documents, in nanoseconds.

        `timeless` is told the path of each thing from a context: when that was last changed
        says when somebody cloned, unpacked or pulled it.
        """
        self._timeless = timeless
        self._op = op
        self._upper = upper
        self._owner = owner
        self._now = now
        self._mode = Mode.parse(op.mode) if op.mode else None
        self._path = clean(op.dest)
        self._into = op.dest.endswith("/")

    def run(self, readings: Sequence[Reading]) -> Filling | None:
        """Copy everything; returns what `Upper.finish` does.

        Raises InTheWay, ContextChanged, BadName, OSError.
        """
        for reading in readings:
            for each in reading.selection:
                self._one(reading, each)
        for document in self._op.documents:
            self._document(document)
        return self._upper.finish()

    def _one(self, reading: Reading, each: Selected) -> None:
        if each.entry.kind is Kind.DIRECTORY:
            dest = self._directory(self._path)
            if self._upper.is_new(dest):
                self._upper.set_time(dest, each.entry.mtime)
                self.note(reading, dest)
            _Branch(self, reading).lay(each.entry.path, dest)
        elif reading.source.unpack and is_archive(reading.tree, each.entry):
            dest = self._upper.resolve(self._path)
            self._upper.make_directories(dest, self._owner or (0, 0))
            unpack(reading.tree, each.entry, self._upper, dest, self._owner)
        else:
            _Branch(self, reading).put(each.entry, self._target(each.name))

    def _directory(self, path: str) -> str:
        """Where `path` leads; a directory is there afterwards."""
        found = self._upper.resolve(path)
        octal = self._mode.octal if self._mode is not None else None
        mode = _DIRECTORY_MODE if octal is None else octal & 0o777
        self._upper.make_directories(found, self._owner or (0, 0), mode)
        return found

    def _target(self, name: str) -> str:
        """Where a file of that name goes; its directory is there afterwards.

        In a directory it replaces a link of its name, as in BuildKit; a destination
        that is itself a link has been followed.
        """
        dest = self._upper.resolve(self._path)
        found = self._upper.lookup(dest)
        if not self._into and (found is None or found.kind is not Kind.DIRECTORY):
            self._directory(dest.rpartition("/")[0])
            return dest
        dest = self._directory(dest)
        return f"{dest}/{name}" if dest else name

    def _document(self, document: Document) -> None:
        path = self._target(document.name)
        content = document.content.encode("utf-8", "surrogateescape")
        entry = Entry(path, Kind.FILE, 0o644, 0, 0, len(content), self._now)
        self._upper.write_file(path, self.made(entry), [content])

    def note(self, reading: Reading, path: str) -> None:
        """Something of `reading` lies at `path` now."""
        if self._timeless is not None and reading.origin.layers is None:
            self._timeless.add(path)

    def made(self, entry: Entry) -> Entry:
        """The entry with the owner and mode that the instruction asks for."""
        uid, gid = self._owner if self._owner is not None else (entry.uid, entry.gid)
        mode = entry.mode
        if self._mode is not None:
            mode = self._mode.apply(mode, directory=entry.kind is Kind.DIRECTORY)
        return msgspec.structs.replace(entry, uid=uid, gid=gid, mode=mode)

    @property
    def upper(self) -> Upper:
        """What is written to."""
        return self._upper


class _Branch:
    """One thing that was found, with all that is in it: files that have several names among
    those keep them."""

    def __init__(self, copier: Copier, reading: Reading) -> None:
        self._copier = copier
        self._reading = reading
        self._upper = copier.upper
        self._tree = reading.tree
        self._whole = self._tree.whole if isinstance(self._tree, Filtered) else self._tree
        # Of any other tree nobody knows whether a digest is that of what is read.
        self._knows_digests = isinstance(self._whole, Context | LayersTree)
        self._names: dict[object, tuple[Entry, str]] = {}
        """The first name of each file, by what tells its others, and where it went."""

    def lay(self, directory: str, dest: str) -> None:
        """Lay what is in a directory into another."""
        pending = [(directory, dest)]
        while pending:
            source, target = pending.pop()
            for entry in self._tree.children(source):
                path = f"{target}/{entry.name}" if target else entry.name
                if entry.kind is Kind.DIRECTORY:
                    self._put_directory(entry, path)
                    pending.append((entry.path, path))
                else:
                    self.put(entry, path)

    def _put_directory(self, entry: Entry, path: str) -> None:
        self._copier.note(self._reading, path)
        passed = isinstance(self._tree, Filtered) and self._tree.passes(entry)
        if passed and self._upper.lookup(path) is not None:
            # Only what is in it was asked for: like BuildKit, take the mode alone.
            self._upper.make_directories(path)
            self._upper.set_mode(path, entry.mode)
        else:
            self._upper.put_directory(path, self._copier.made(entry))

    def put(self, entry: Entry, path: str) -> None:
        """Put something that is no directory."""
        self._copier.note(self._reading, path)
        made = self._copier.made(entry)
        if entry.kind not in _FILES:
            self._upper.put_special(path, made)
            return
        first = self._first_name(entry, path)
        if first is not None and self._upper.put_link(path, first):
            return
        if self._knows_digests and self._upper.leave_file(path, made, self._tree, entry):
            return
        content = self._tree.open(entry)
        with content.file:
            self._upper.put_file(path, made, content)

    def _first_name(self, entry: Entry, path: str) -> str | None:
        """Where another name of the same file went."""
        tree = self._whole
        if isinstance(tree, LayersTree):
            sign = tree.identity(entry)
            found = self._names.setdefault(sign, (entry, path)) if sign else (entry, path)
            return found[1] if found[1] != path else None
        if not isinstance(tree, Context):
            return None
        found = self._names.setdefault(tree.inode(entry), (entry, path))
        # Each file system numbers its files for itself.
        return found[1] if found[1] != path and tree.is_same(found[0], entry) else None
