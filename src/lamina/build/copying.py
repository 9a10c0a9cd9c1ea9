"""COPY and ADD: a selection laid out under a destination, by BuildKit's rules.

A directory gives its contents, a file goes into a destination that is a
directory or ends with a slash, else it takes the destination's name.  A
destination that is not there is made: with the source directory's mode when
no slash asks for it, else 0755.  Directories below the first level carry their
metadata over; the destination itself keeps its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from lamina.build.graph import CopyOp, Document
from lamina.build.reading import Reading
from lamina.build.select import Selected
from lamina.build.unpack import is_archive, unpack
from lamina.build.upper import Upper
from lamina.context.tree import Tree, clean
from lamina.layer.entry import Entry, Kind


@dataclass(frozen=True, slots=True)
class Copier:
    """One COPY: where to, and what the files' metadata become."""

    op: CopyOp
    upper: Upper
    owner: tuple[int, int] | None
    """None keeps the source's."""
    now: int
    """The mtime of documents, in nanoseconds."""

    def run(self, readings: Sequence[Reading]) -> None:
        """Copy everything.  Raises InTheWay, ContextChanged, OSError."""
        dest = self.upper.resolve(clean(self.op.dest))
        owner = self.owner or (0, 0)
        into = self.op.dest.endswith("/")
        self.upper.make_directories(dest if into else dest.rpartition("/")[0], owner)
        for reading in readings:
            unpack = self._unpacks(reading)
            for each in reading.selection:
                self._one(reading.tree, each, dest, into, unpack)
        for document in self.op.documents:
            self._document(document, dest, into)
        self.upper.finish()

    def _unpacks(self, reading: Reading) -> bool:
        """Whether archives are unpacked: those of the context, unless ADD says otherwise."""
        if self.op.unpack is None:
            return self.op.add and not reading.source.origin
        return self.op.unpack

    def _one(self, tree: Tree, each: Selected, dest: str, into: bool, unpacks: bool) -> None:
        if each.entry.kind is Kind.DIRECTORY:
            self.upper.put_directory(dest, self._made(each.entry), overwrite=False)
            self._contents(tree, each.entry, dest)
        elif unpacks and is_archive(tree, each.entry):
            self.upper.make_directories(dest)
            unpack(tree, each.entry, self.upper, dest)
        else:
            self._other(tree, each.entry, self._target(each.name, dest, into))

    def _target(self, name: str, dest: str, into: bool) -> str:
        """Where a file of that name goes; the directory is there afterwards.

        In a directory it replaces a link of its name, as in BuildKit; a destination
        that is itself a link has been followed.
        """
        found = self.upper.lookup(dest)
        if not into and (found is None or found.kind is not Kind.DIRECTORY):
            return dest
        self.upper.make_directories(dest)
        return f"{dest}/{name}" if dest else name

    def _contents(self, tree: Tree, directory: Entry, dest: str) -> None:
        pending = [(directory.path, dest)]
        while pending:
            source, target = pending.pop()
            for entry in tree.children(source):
                path = f"{target}/{entry.name}" if target else entry.name
                if entry.kind is Kind.DIRECTORY:
                    self.upper.put_directory(path, self._made(entry), overwrite=True)
                    pending.append((entry.path, path))
                else:
                    self._other(tree, entry, path)

    def _other(self, tree: Tree, entry: Entry, path: str) -> None:
        made = self._made(entry)
        if entry.kind not in (Kind.FILE, Kind.HARDLINK):
            self.upper.put_special(path, made)
            return
        content = tree.open(entry)
        with content.file:
            self.upper.put_file(path, made, content)

    def _document(self, document: Document, dest: str, into: bool) -> None:
        path = self._target(document.name, dest, into)
        content = document.content.encode("utf-8", "surrogateescape")
        entry = Entry(path, Kind.FILE, 0o644, 0, 0, len(content), self.now)
        self.upper.write_file(path, self._made(entry), [content])

    def _made(self, entry: Entry) -> Entry:
        """The entry with the owner and mode that the instruction asks for."""
        uid, gid = self.owner if self.owner is not None else (entry.uid, entry.gid)
        mode = int(self.op.mode, 8) if self.op.mode else entry.mode
        return msgspec.structs.replace(entry, uid=uid, gid=gid, mode=mode)
