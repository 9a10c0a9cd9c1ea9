"""What every command gets from the command line: the root, the engine, the terminal."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.engine import Engine
    from lamina.errors import EngineError
    from lamina.layer.contract import Form
    from lamina.store.contract import Store

_KEPT = 64 << 20
"""Bytes of freed memory that a command keeps for its next buffers."""


class App:
    """The global options and what follows from them; `ctx.obj` of every command.

    Only the command line reads the environment, the clock and the terminal;
    below it they are arguments.
    """

    def __init__(
        self, root: Path, color: str = "auto", debug: bool = False, *, rootless: bool = False
    ) -> None:
        self.root = root
        self.color = color
        self.debug = debug
        self.rootless = rootless
        """Whether what a command does takes a user namespace, which its store is opened in."""
        self.refused: EngineError | None = None
        """Why there is no user namespace, once the store was opened without it."""
        self.layer_form: Form | None = None
        """How new layers are kept; None leaves it to the store."""

    @cached_property
    def engine(self) -> Engine:
        """The engine at `root`, opened when a command first needs it."""
        from lamina.engine import open_engine
        from lamina.linux.allocator import keep_freed

        if self.rootless:
            from lamina.cli.rootless import NoUserNamespace, enter

            try:
                enter(self.root)
            except NoUserNamespace as error:
                # Layers can be kept and read without, as images; containers cannot run.
                self.refused = error
        keep_freed(_KEPT)
        return open_engine(self.root, layer_form=self.layer_form)

    @cached_property
    def containers(self) -> Store:
        """The store, for commands about containers: what killed watchers left behind, and
        what a machine that went down did, has been put in order."""
        from lamina.lifecycle.finish import put_in_order

        store = self.engine.store
        if self.refused is None:  # else none ever ran here
            put_in_order(store, timestamp)
        return store

    def require_containers(self) -> None:
        """Open the engine; raises NoUserNamespace when this user cannot run containers for
        want of one."""
        self.engine  # noqa: B018 - kept
        if self.refused is not None:
            raise self.refused

    @cached_property
    def colored(self) -> bool:
        """Whether standard output takes colour (`--color`, NO_COLOR, a terminal)."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        return sys.stdout.isatty()


def timestamp() -> str:
    """The time now, as RFC 3339 in UTC with nanoseconds' width, as Docker writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
