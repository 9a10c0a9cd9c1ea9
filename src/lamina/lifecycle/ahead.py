"""A watcher forked ahead, before its container is made: it loads its program meanwhile.

For a command line, most of whose time goes by with loading.  What is imported here is little,
so that it can be forked first of all.
"""

from __future__ import annotations

import os

from lamina.lifecycle.apart import be_apart
from lamina.supervise import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_KILL = 9
_END = "\0"
"""Of an order: without it, whoever gave it ended with half of it said."""


class Ahead:
    """A watcher that waits, a child of this process.  It ends with it, if it has no container
    by then."""

    def __init__(self, pid: int, orders: int, ready: int, connection: int) -> None:
        self.ready = ready
        """Where its `Report` is read."""
        self.connection = connection
        """To it, as its first client."""
        self._pid = pid
        self._orders = orders

    def announce(self, *, network: bool) -> None:
        """Say what it is going to need: whether a network is to be made."""
        self._say("network\n" if network else "\n")

    def order(self, root: str, identity: str, *, foreground: bool) -> None:
        """Let it start the container of that id in the store at `root`.  Once only, and after
        `announce`.

        As lifecycle/start.py has it in the `foreground`; else `connection` is closed.
        """
        self._say(f"{'foreground' if foreground else 'detached'} {identity} {root}{_END}")
        os.close(self._orders)
        if not foreground:
            os.close(self.connection)
            self.connection = -1

    def dismiss(self) -> None:
        """There is nothing for it to do."""
        for fd in (self._orders, self.ready, self.connection):
            os.close(fd)
        os.kill(self._pid, _KILL)
        os.waitpid(self._pid, 0)

    def _say(self, text: str) -> None:
        try:
            os.write(self._orders, os.fsencode(text))
        except BrokenPipeError:
            pass  # it was killed: it has nothing to report then


def fork_ahead(load: Callable[[], None]) -> Ahead | None:
    """Fork a watcher, in which `load` is called first; None when there is no room for another
    process, which is said when one is needed.  For a process with one thread."""
    told, orders = os.pipe()
    reader, ready = os.pipe()
    ours, theirs = sockets.pair()
    try:
        pid = os.fork()
    except OSError:
        for fd in (told, orders, reader, ready, ours, theirs):
            os.close(fd)
        return None
    if pid == 0:
        try:
            be_apart({told, ready, theirs})
            load()
            _wait(told, ready, theirs)
        finally:
            os._exit(1)
    for fd in (told, ready, theirs):
        os.close(fd)
    return Ahead(pid, orders, reader, ours)


def _wait(told: int, ready: int, client: int) -> NoReturn:
    from lamina.errors import EngineError
    from lamina.lifecycle.report import Report, tell

    try:
        _obey(told, ready, client)
    except EngineError as error:
        tell(ready, Report(kind=error.kind, message=str(error), hint=error.hint))
    except Exception as error:  # noqa: BLE001 - it must not run on as a copy of the command line
        tell(ready, Report(kind="unsupported", message=f"cannot start a container: {error!r}"))
    os._exit(0)


def _obey(told: int, ready: int, client: int) -> None:
    from pathlib import Path

    from lamina.lifecycle.watcher import load, watch
    from lamina.run.settings import settings_of
    from lamina.store.root import open_store

    with open(told, "rb") as stream:
        load(network=stream.readline().strip() == b"network")
        order = os.fsdecode(stream.read())
    if not order.endswith(_END):
        return
    how, identity, root = order.removesuffix(_END).split(" ", 2)
    if how != "foreground":
        os.close(client)
        client = -1
    store = open_store(Path(root))
    record = store.containers.written(identity)
    settings = settings_of(record.name, record.settings)
    watch(store, record, settings, ready, client=client, foreground=how == "foreground")
