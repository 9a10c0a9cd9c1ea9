"""Beside a container until it has ended: its streams, its log, who attaches, its health, its exit.

Written for the standard library's smallest part, since one such process lives
beside every detached container; in the foreground the same loop runs in the
process that made the container.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
from _json import encode_basestring as quoted
from time import monotonic

from lamina.supervise import frames
from lamina.supervise.health import Health
from lamina.supervise.log import Log, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    Task: TypeAlias = Mapping[str, Any]

_DRAIN = 0.05
"""Seconds of silence after which output is over though somebody still holds its other end: a
process that the container left outside of its pid namespace cannot keep us."""
_LONG = 3600.0
"""Seconds after which a poll looks up at the latest: its timeout has an end."""
_RESTART_FIRST, _RESTART_LAST, _RESTART_CALM = 0.1, 60.0, 10.0
"""Seconds before a container is started again: twice as many each time, as Docker does, and
the first again after it had run so long."""


class Client:
    """Somebody attached."""

    def __init__(self, socket: _socket.socket, *, first: bool) -> None:
        self.socket = socket
        self.first = first
        """Whether it is the command line that started the container."""
        self.pending: list[bytes] = []

    def send(self, message: bytes) -> bool:
        """Send, or keep for when there is room.  False when nobody is there any more."""
        self.pending.append(message)
        return self.flush()

    def flush(self) -> bool:
        """Send what is pending, as far as there is room."""
        try:
            while self.pending:
                self.socket.send(self.pending[0], _socket.MSG_NOSIGNAL)
                del self.pending[0]
        except BlockingIOError:
            pass
        except OSError as error:
            return error.errno in {errno.ENOBUFS, errno.EINTR}
        return True


class Watch:
    """`run` returns the exit status when the container has ended and all it printed is read.

    The task: `directory` (the container's), `pid`, `stdout`, `stderr`, `stdin`, `terminal`,
    `socket`, `client` (descriptors, -1 for none), `once` (input ends with the first client),
    `log` (path, bytes, count) or None, `health` (see health.py) or None, `names` (see names.py)
    or None, `relay` (see relay.py) or None, `policy`, `retries`, `restarts`, `started`
    (monotonic seconds).
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[int, int], None]] = {}
        self._outputs: dict[int, tuple[bytes, str]] = {}
        self._clients: dict[int, Client] = {}
        self._stdin: int = task["stdin"]
        self._terminal: int = task["terminal"]
        self._input: list[bytes] = []
        self._log = Log(*task["log"]) if task["log"] else None
        self._health = Health(task) if task["health"] else None
        self._silent: float | None = None
        self.status = -1
        self.restarting = False

    def run(self) -> int:
        """The exit status, 128 + n when signal n ended it; `exit` is written by then."""
        task = self._task
        self._pidfd = os.pidfd_open(task["pid"])
        self._watch(self._pidfd, select.POLLIN, self._ended)
        if self._terminal >= 0:
            self._outputs[self._terminal] = (frames.OUTPUT, "stdout")
            os.set_blocking(self._terminal, False)
        for name, kind in (("stdout", frames.OUTPUT), ("stderr", frames.ERROR)):
            if task[name] >= 0:
                self._outputs[task[name]] = (kind, name)
        for fd in self._outputs:
            self._watch(fd, select.POLLIN, self._pull)
        if self._stdin >= 0:
            os.set_blocking(self._stdin, False)
        if task["client"] >= 0:
            self._attach(_socket.socket(fileno=task["client"]), first=True)
        self._listener = None
        if task["socket"] >= 0:
            self._listener = _socket.socket(fileno=task["socket"])
            self._listener.setblocking(False)
            self._watch(task["socket"], select.POLLIN, self._accept)
        self._answer_names()
        self._carry()
        return self.go_on()

    def go_on(self) -> int:
        """`run` from where an exception left it."""
        while self.status < 0 or self._outputs:
            self._turn()
        if self._log:
            self._log.close()
        return self.status

    def farewell(self) -> None:
        """Tell everybody attached that it is over, with its exit status."""
        for client in self._clients.values():
            client.socket.setblocking(True)
            client.send(frames.EXIT + str(self.status).encode())
        self.close()

    def close(self) -> None:
        """Let everybody attached go, and nobody in any more."""
        for client in self._clients.values():
            client.socket.close()
        self._clients.clear()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _turn(self) -> None:
        now = monotonic()
        times = [self._silent] if self._silent is not None else []
        if self._health and self.status < 0:
            times.append(self._health.due)
        timeout = None if not times else min(_LONG, max(0.0, min(times) - now)) * 1000 + 1
        events = self._poll.poll(timeout)
        for fd, event in events:
            handler = self._handlers.get(fd)
            if handler is not None:
                handler(fd, event)
        now = monotonic()
        if self._health and self.status < 0 and now >= self._health.due:
            self._check(now)
        if self._silent is not None and any(each.pending for each in self._clients.values()):
            self._silent = now + _DRAIN  # it is us who did not listen
        # Only when there was nothing to hear: this turn itself may have taken so long.
        if self._silent is not None and now >= self._silent and not events:
            for fd in list(self._outputs):
                self._over(fd)

    def _watch(self, fd: int, events: int, handler: Callable[[int, int], None]) -> None:
        self._handlers[fd] = handler
        self._poll.register(fd, events)

    def _forget(self, fd: int) -> None:
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    # the container's end

    def _ended(self, fd: int, event: int) -> None:
        _, raw = os.waitpid(self._task["pid"], 0)
        code = os.waitstatus_to_exitcode(raw)
        self.status = code if code >= 0 else 128 - code
        self._forget(fd)
        os.close(fd)
        self._close_input()
        if self._health:
            self._health.end()
        self._silent = monotonic() + _DRAIN
        self.restarting = self._again()
        self._note_end()

    def _again(self) -> bool:
        """Whether its policy starts it again."""
        policy, retries = self._policy()
        if policy == "no" or self.stopping:
            return False
        if policy == "on-failure":
            return self.status != 0 and (not retries or self._task["restarts"] < retries)
        return True

    def _policy(self) -> tuple[str, int]:
        """Its restart policy, as `update` may have changed it meanwhile."""
        try:
            with open(f"{self._task['directory']}/{frames.POLICY}", "rb", 0) as stream:
                policy, retries = stream.read(64).decode().split()
                return policy, int(retries)
        except (OSError, ValueError):
            return self._task["policy"], self._task["retries"]

    @property
    def stopping(self) -> bool:
        """Whether somebody asked for its end."""
        return os.path.exists(f"{self._task['directory']}/{frames.STOPPING}")

    def _note_end(self) -> None:
        path = f"{self._task['directory']}/exit"
        text = (
            f'{{"status":{self.status},"finished":{quoted(timestamp())},'
            f'"out_of_memory":{_word(self._ran_out())},"restarting":{_word(self.restarting)}}}'
        )
        try:
            with open(path + ".new", "wb", 0) as stream:
                stream.write(text.encode())
            os.rename(path + ".new", path)
        except OSError:
            return  # removed by force, or a full disk: the next look says 255

    def _ran_out(self) -> bool:
        for group in self._task["groups"]:
            for name in ("memory.events", "memory.oom_control"):
                try:
                    with open(f"{group}/{name}", "rb", 0) as stream:
                        words = stream.read(4096).split()
                except OSError:
                    continue
                if b"oom_kill" in words:
                    return words[words.index(b"oom_kill") + 1] != b"0"
        return False

    def pause_before_restart(self) -> None:
        """Wait as long as its policy says; `restarting` is over when somebody stops it
        meanwhile."""
        task = self._task
        ran = monotonic() - task["started"]
        tries = 0 if ran > _RESTART_CALM else task["tries"]
        until = monotonic() + min(_RESTART_LAST, _RESTART_FIRST * 2.0**tries)
        while (left := until - monotonic()) > 0:
            if self.stopping:
                self.restarting = False
                self._note_end()
                return
            for fd, event in self._poll.poll(min(left, _DRAIN) * 1000):
                handler = self._handlers.get(fd)
                if handler is not None:
                    handler(fd, event)

    # what it prints

    def _pull(self, fd: int, event: int) -> None:
        kind, name = self._outputs[fd]
        try:
            data = os.read(fd, frames.LONGEST)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EINTR}:
                return
            data = b""  # EIO: nobody holds the other end of the terminal any more
        if not data:
            self._over(fd)
            return
        if self._silent is not None:
            self._silent = monotonic() + _DRAIN
        if self._log:
            self._log.feed(name, data)
        for client in list(self._clients.values()):
            if not client.send(kind + data):
                self._leave(client)
        self._hold_back()

    def _over(self, fd: int) -> None:
        self._outputs.pop(fd, None)
        self._forget(fd)
        if fd != self._terminal:
            os.close(fd)

    def _hold_back(self) -> None:
        """Read no more of what it prints while somebody has not taken the last of it."""
        busy = False
        for fd, client in self._clients.items():
            if client.pending:
                busy = True
                self._poll.modify(fd, select.POLLIN | select.POLLOUT)
        for fd in self._outputs:
            if busy and fd in self._handlers:
                self._forget(fd)
            elif not busy and fd not in self._handlers:
                self._watch(fd, select.POLLIN, self._pull)
                if self._silent is not None:
                    self._silent = monotonic() + _DRAIN

    # who is attached

    def _accept(self, fd: int, event: int) -> None:
        if self._listener is None:
            return
        try:
            number, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        self._attach(_socket.socket(fileno=number), first=False)

    def _attach(self, socket: _socket.socket, *, first: bool) -> None:
        socket.setblocking(False)
        fd = socket.fileno()
        self._clients[fd] = Client(socket, first=first)
        self._watch(fd, select.POLLIN, self._hear)

    def _hear(self, fd: int, event: int) -> None:
        client = self._clients[fd]
        if event & select.POLLOUT:
            if not client.flush():
                self._leave(client)
                return
            if not client.pending:
                self._poll.modify(fd, select.POLLIN)
                self._hold_back()
        if not event & (select.POLLIN | select.POLLHUP | select.POLLERR):
            return
        try:
            message = client.socket.recv(frames.LONGEST + 1)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if message:
            self._obey(client, message[:1], message[1:])
        else:
            self._leave(client)

    def _obey(self, client: Client, kind: bytes, data: bytes) -> None:
        if kind == frames.INPUT:
            self._give(data)
        elif kind == frames.INPUT_END:
            if client.first or self._task["once"]:
                self._end_input()
        elif kind == frames.SIZE:
            self._resize(data)
        elif kind == frames.CLOSE and client.first:
            for fd, (output, _) in list(self._outputs.items()):
                if output == data and fd != self._terminal:
                    self._over(fd)
        elif kind == frames.DETACH:
            client.first = False

    def _leave(self, client: Client) -> None:
        fd = client.socket.fileno()
        self._forget(fd)
        del self._clients[fd]
        client.socket.close()
        if client.first and self._task["once"]:
            self._end_input()
        self._hold_back()

    # its input

    def _give(self, data: bytes) -> None:
        target = self._terminal if self._terminal >= 0 else self._stdin
        if target < 0:
            return
        self._input.append(data)
        self._push(target)

    def _push(self, target: int) -> None:
        try:
            while self._input:
                written = os.write(target, self._input[0])
                self._input[0] = self._input[0][written:]
                if not self._input[0]:
                    del self._input[0]
        except BlockingIOError:
            self._wait_for_room(target)
            return
        except OSError:
            self._input.clear()
            self._close_input()
            return
        self._listen_again(target)

    def _wait_for_room(self, target: int) -> None:
        # Whoever speaks waits, too: what they send stays in their socket.
        for fd, client in self._clients.items():
            self._poll.modify(fd, select.POLLOUT if client.pending else 0)
        if target == self._terminal:
            self._poll.register(target, select.POLLIN | select.POLLOUT)
            self._handlers[target] = self._room_in_terminal
        else:
            self._watch(target, select.POLLOUT, self._room)

    def _room(self, fd: int, event: int) -> None:
        self._forget(fd)
        self._push(fd)

    def _room_in_terminal(self, fd: int, event: int) -> None:
        if event & (select.POLLIN | select.POLLHUP):
            self._pull(fd, event)
        if event & select.POLLOUT and fd in self._outputs:
            self._watch(fd, select.POLLIN, self._pull)
            self._push(fd)

    def _listen_again(self, target: int) -> None:
        for fd, client in self._clients.items():
            self._poll.modify(fd, select.POLLIN | (select.POLLOUT if client.pending else 0))

    def _end_input(self) -> None:
        if self._stdin >= 0 and not self._input:
            self._close_input()
        elif self._stdin >= 0:
            self._handlers[self._stdin] = self._room_then_end

    def _room_then_end(self, fd: int, event: int) -> None:
        self._room(fd, event)
        self._end_input()

    def _close_input(self) -> None:
        if self._stdin >= 0:
            self._forget(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def _resize(self, data: bytes) -> None:
        rows, columns = frames.size(data)
        if self._terminal < 0 or not rows:
            return
        import termios

        try:
            termios.tcsetwinsize(self._terminal, (rows, columns))
        except (OSError, termios.error):
            pass  # it has just gone away

    # its health, its names

    def _check(self, now: float) -> None:
        if self._health is None:
            return
        fd = self._health.turn(now)
        if fd is not None and fd not in self._handlers:
            self._watch(fd, select.POLLIN, self._checked)

    def _checked(self, fd: int, event: int) -> None:
        self._forget(fd)
        if self._health is not None:
            self._health.ended(monotonic())

    def _answer_names(self) -> None:
        task = self._task
        if not task["names"]:
            return
        from lamina.supervise.names import NameServer

        server = NameServer(task["names"])
        for fd in server.filenos():
            self._watch(fd, select.POLLIN, lambda fd, event: server.handle(fd))

    def _carry(self) -> None:
        task = self._task
        if not task["relay"]:
            return
        from lamina.supervise.relay import Relay

        relay = Relay(task["relay"])
        for fd in relay.filenos():
            self._watch(fd, select.POLLIN, lambda fd, event: relay.handle(fd))


def _word(value: bool) -> str:
    return "true" if value else "false"
