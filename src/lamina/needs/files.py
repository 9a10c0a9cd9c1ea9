"""The files of a stack as programs see them: through links, each looked into once.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.errors import EngineError
from lamina.explain.stack import Stack
from lamina.layer.entry import Kind
from lamina.layer.union import Located
from lamina.needs.elf import MAGIC, Elf, library_names, read_elf
from lamina.needs.scripts import LONGEST, Shebang, read_shebang

LARGEST = 1 << 30
"""Bytes of a program that is looked into."""
_MAX_SYMLINKS = 40


class Files:
    """The merged tree of a stack.  Paths have no leading slash, as everywhere; those that are
    given may have one.

    What cannot be read is as if it were empty: `unreadable` has it.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.union = stack.union
        self.unreadable: dict[str, str] = {}
        """Path → why its content could not be read."""
        self._elves: dict[str, Elf | None] = {}
        self._shebangs: dict[str, Shebang | None] = {}
        self._names: dict[str, frozenset[str]] = {}

    def resolve(self, path: str) -> str:
        """Where a path leads inside the image; "" for one that leads nowhere at all."""
        try:
            return self.union.resolve(path)
        except EngineError:
            return ""

    def find(self, path: str) -> str | None:
        """The path of what is at the end of all links, if it is there."""
        target = self.resolve(path)
        return target if target and self.union.get(target) is not None else None

    def is_file(self, path: str) -> bool:
        """Whether a path leads to something that has content."""
        return self.union.content(self.resolve(path)) is not None

    def is_directory(self, path: str) -> bool:
        found = self.union.get(self.resolve(path))
        return found is not None and found.entry.kind is Kind.DIRECTORY

    def names(self, path: str) -> Sequence[str]:
        """What is in the directory that a path leads to."""
        return self.union.children(self.resolve(path))

    def steps(self, path: str) -> list[str]:
        """Every symbolic link on the way to what `path` names, in order, and at the end that
        itself where it is there: what must be kept for the path to work.

        Of a circle of links each is there once, and nothing that it leads to.
        """
        todo = [name for name in path.split("/")[::-1] if name]
        at, followed, found = "", 0, dict[str, None]()
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                at = at.rpartition("/")[0]
                continue
            here = f"{at}/{name}" if at else name
            located = self.union.get(here)
            if located is None:
                return list(found)
            if located.entry.kind is Kind.SYMLINK:
                followed += 1
                found[here] = None
                if followed > _MAX_SYMLINKS:
                    return list(found)
                link = located.entry.link
                if link.startswith("/"):
                    at = ""
                todo.extend(link.split("/")[::-1])
            else:
                at = here
        if at:
            found[at] = None
        return list(found)

    def elf(self, path: str) -> Elf | None:
        """What the file at a path says as a program; None for what is no ELF file."""
        target = self.resolve(path)
        if target not in self._elves:
            self._look(target)
        return self._elves[target]

    def shebang(self, path: str) -> Shebang | None:
        """The first line of the script at a path."""
        target = self.resolve(path)
        if target not in self._shebangs:
            self._look(target)
        return self._shebangs[target]

    def library_names(self, path: str) -> frozenset[str]:
        """The names of libraries among the strings of an ELF file; none for another."""
        target = self.resolve(path)
        if target not in self._names:
            raw = self.read(target) if self.elf(target) is not None else b""
            self._names[target] = frozenset(library_names(raw))
        return self._names[target]

    def read(self, path: str, limit: int = LARGEST) -> bytes:
        """The content that is seen at a path, at most `limit` bytes; empty where there is none."""
        target = self.resolve(path)
        found = self.union.content(target)
        return self._read(target, found, limit) if found is not None else b""

    def text(self, path: str) -> str:
        """The content as text; empty where there is none."""
        return self.read(path, 1 << 24).decode("utf-8", "surrogateescape")

    def _look(self, path: str) -> None:
        self._elves[path] = self._shebangs[path] = None
        found = self.union.content(path)
        if found is None or found.entry.size < 4:
            return
        head = self._read(path, found, LONGEST)
        if head[:2] == b"#!":
            self._shebangs[path] = read_shebang(head)
        elif head[:4] == MAGIC:
            self._elves[path] = read_elf(self._read(path, found, LARGEST))

    def _read(self, path: str, found: Located, limit: int) -> bytes:
        try:
            with self.stack.open(found.layer, found.entry) as file:
                return file.read(limit)
        except (EngineError, OSError) as error:
            self.unreadable[path] = str(error)
            return b""
