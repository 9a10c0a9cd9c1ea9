"""A stack as a system that starts programs: its files, its loader, its PATH.  Pure."""

from __future__ import annotations

from lamina.explain.stack import Stack
from lamina.layer.entry import Kind
from lamina.needs.files import Files
from lamina.needs.linker import Linker

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where commands are looked for when the image does not say."""


class System:
    """The merged tree of an image with the environment of its configuration."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.files = Files(stack)
        execution = stack.config.execution if stack.config is not None else None
        self.environment = execution.environment() if execution is not None else {}
        self.linker = Linker(self.files, self.environment)
        self.folders = (self.environment.get("PATH") or DEFAULT_PATH).split(":")
        self.folder = (execution.working_dir if execution is not None else "").strip("/")
        """Where programs start."""

    def command(self, word: str) -> str | None:
        """The path of the program that a word starts, as execvp(3) finds it; None: not there.

        The path is as PATH has it, its links not yet followed.
        """
        if "/" in word:
            path = word if word.startswith("/") else f"{self.folder}/{word}"
            return path.strip("/") if self.is_program(path) else None
        for folder in self.folders if word else ():
            path = f"{folder}/{word}" if folder.startswith("/") else f"{self.folder}/{word}"
            if self.is_program(path):
                return path.strip("/")
        return None

    def is_program(self, path: str) -> bool:
        """Whether a path leads to a file that may be executed."""
        found = self.files.union.get(self.files.resolve(path))
        return (
            found is not None
            and found.entry.kind in (Kind.FILE, Kind.HARDLINK)
            and bool(found.entry.mode & 0o111)
        )
