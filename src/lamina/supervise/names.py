"""Names for the network of one container: what it asks at 127.0.0.11 is answered here.

Names and addresses of containers in its networks are answered at once, from the files of
`networks/members` (read again when that directory has changed); what is nobody's name there
goes on to the servers that the host, or `--dns`, names.  Over UDP and TCP, without threads
and without timers: a server that says nothing is passed over when the container asks again,
as it does by itself.

Written for the standard library's smallest part, since it lives beside every detached
container that is in such a network.
"""

from __future__ import annotations

import _socket
import os
import select
from time import time_ns

from lamina.supervise import members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeAlias

    Address: TypeAlias = tuple[str, int]
    Entry: TypeAlias = dict[int, list[bytes]]

A, PTR, AAAA, OPT = 1, 12, 28, 41
_INTERNET = 1
_SERVER_FAILURE, _NO_SUCH_NAME, _NOT_IMPLEMENTED, _FORMAT_ERROR = 2, 3, 4, 1
_LIVES = 10
"""Seconds that an answer of ours may be kept."""
_PLAIN = 512
_LARGEST = 65535
_MOST_PENDING, _MOST_CLIENTS = 200, 30
_SETTLED = 20_000_000
"""Nanoseconds after which a directory's time tells of another change."""
_RESPONSE, _AUTHORITATIVE, _TRUNCATED = 0x8000, 0x0400, 0x0200
_RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x0100, 0x0080
_OPERATION = 0x7800
_PORT = 53


class BadQuestion(ValueError):
    """The bytes are no question."""


class Question:
    """One question, as it came."""

    def __init__(self, message: bytes) -> None:
        if len(message) < 12:
            raise BadQuestion("too short")
        self.id = message[:2]
        self.flags = int.from_bytes(message[2:4], "big")
        if self.flags & _RESPONSE:
            raise BadQuestion("a response")
        self.whole = message
        self.section = b""
        self.name, self.kind, self.family = "", 0, 0
        self.room = _PLAIN
        """Bytes that its sender takes in a datagram."""
        self.good = self.flags & _OPERATION == 0 and message[4:6] == b"\0\1"
        if self.good:
            self._read()

    def _read(self) -> None:
        labels, place = [], 12
        while True:
            if place >= len(self.whole):
                raise BadQuestion("the name has no end")
            length = self.whole[place]
            if length == 0:
                break
            if length > 63 or place - 12 > 255:
                raise BadQuestion("the name is too long")
            labels.append(self.whole[place + 1 : place + 1 + length])
            place += 1 + length
        if len(self.whole) < place + 5:
            raise BadQuestion("too short")
        self.name = b".".join(labels).decode("latin-1").lower()
        self.kind = int.from_bytes(self.whole[place + 1 : place + 3], "big")
        self.family = int.from_bytes(self.whole[place + 3 : place + 5], "big")
        self.section = self.whole[12 : place + 5]
        extra = self.whole[place + 5 :]
        # An OPT record alone after the question: name 0, type 41, then the size.
        if self.whole[10:12] == b"\0\1" and extra[:3] == b"\0\0\x29" and len(extra) >= 11:
            self.room = max(_PLAIN, int.from_bytes(extra[3:5], "big"))

    def answer(self, records: Iterable[bytes] = (), *, code: int = 0, own: bool = True) -> bytes:
        """A response; `records` are data of the asked type, `own`: we are the authority."""
        flags = _RESPONSE | self.flags & (_OPERATION | _RECURSION_DESIRED) | code
        flags |= _RECURSION_AVAILABLE | (_AUTHORITATIVE if own else 0)
        found = list(records)
        counts = (1 if self.section else 0, len(found), 0, 0)
        body = b"".join(
            b"\xc0\x0c"
            + self.kind.to_bytes(2, "big")
            + _INTERNET.to_bytes(2, "big")
            + _LIVES.to_bytes(4, "big")
            + len(each).to_bytes(2, "big")
            + each
            for each in found
        )
        head = self.id + flags.to_bytes(2, "big")
        return head + b"".join(n.to_bytes(2, "big") for n in counts) + self.section + body

    def fits(self, response: bytes) -> bytes:
        """The response, or what says that it does not fit into a datagram."""
        if len(response) <= self.room:
            return response
        flags = int.from_bytes(response[2:4], "big") | _TRUNCATED
        questions = b"\0\1" if self.section else b"\0\0"
        return response[:2] + flags.to_bytes(2, "big") + questions + bytes(6) + self.section


class Directory:
    """Who is in the networks of a container, by name and by address."""

    def __init__(self, place: str, container: str) -> None:
        self._place = place
        self._container = container
        self._stamp = -1
        self._names: dict[str, Entry] = {}
        self._addresses: dict[str, str] = {}

    def find(self, name: str) -> Entry | None:
        """Packed addresses by type of record; None when it is nobody's name."""
        self._refresh()
        return self._names.get(name)

    def name_of(self, reverse: str) -> str | None:
        """The name of `2.0.17.172.in-addr.arpa`."""
        self._refresh()
        return self._addresses.get(reverse)

    def _refresh(self) -> None:
        try:
            stamp = os.stat(self._place).st_mtime_ns
        except OSError:
            return
        if stamp == self._stamp:
            return
        settled = time_ns() - stamp > _SETTLED
        self._read()
        self._stamp = stamp if settled else -1

    def _read(self) -> None:
        found = members.load_all(self._place)
        mine = [each for each in found if each.get("container") == self._container]
        networks = {end.get("network") for each in mine for end in members.endpoints(each)}
        self._names, self._addresses = {}, {}
        for member in found:
            for endpoint in members.endpoints(member):
                if endpoint.get("network") in networks:
                    self._add(member, endpoint)

    def _add(self, member: dict[str, Any], endpoint: dict[str, Any]) -> None:
        network = endpoint.get("network_name", "").lower()
        own = member.get("name", "").lower()
        names = {
            own,
            member.get("container", "")[:12],
            *map(str.lower, endpoint.get("aliases", [])),
        }
        for kind, family, text in (
            (A, _socket.AF_INET, endpoint.get("ip")),
            (AAAA, _socket.AF_INET6, endpoint.get("ip6")),
        ):
            if not text:
                continue
            packed = _socket.inet_pton(family, text)
            self._addresses[_reverse(packed)] = f"{own}.{network}"
            for name in names - {""}:
                for each in (name, f"{name}.{network}"):
                    found = self._names.setdefault(each, {}).setdefault(kind, [])
                    if packed not in found:
                        found.append(packed)


class _Pending:
    """A question that was passed on."""

    def __init__(self, question: Question, reply: Callable[[bytes], None]) -> None:
        self.question = question
        self.reply = reply
        self.server = 0
        self.tries = 0
        self.id = os.urandom(2)
        self.stream = False
        self.heard = b""

    @property
    def message(self) -> bytes:
        """What is sent, under an id of our own."""
        return self.id + self.question.whole[2:]

    def accepts(self, response: bytes) -> bool:
        """Whether this answers the question."""
        section = self.question.section
        return (
            len(response) >= 12
            and response[:2] == self.id
            and bool(response[2] & 0x80)
            and response[12 : 12 + len(section)].lower() == section.lower()
        )


class _Client:
    """A connection over which the container asks."""

    def __init__(self, socket: _socket.socket) -> None:
        self.socket = socket
        self.heard = b""
        self.unsent = b""


class NameServer:
    """Answers on the sockets `udp` and `tcp` (descriptors, which it then owns).

    The task: these, `directory` and `container` (whose names are told), `servers` (addresses
    that are asked for other names).  Whoever has it polls `filenos()` for reading, and calls
    `handle` when there is something.
    """

    def __init__(self, task: Mapping[str, Any]) -> None:
        self._directory = Directory(task["directory"], task["container"])
        self._servers = list(task["servers"])
        self._poll = select.epoll()
        self._udp = _socket.socket(fileno=task["udp"])
        self._tcp = _socket.socket(fileno=task["tcp"])
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._asked: dict[int, tuple[_socket.socket, _Pending]] = {}
        self._clients: dict[int, _Client] = {}
        self._watch(self._udp, self._question)
        self._watch(self._tcp, self._connection)

    def filenos(self) -> list[int]:
        """What to poll for reading."""
        return [self._poll.fileno()]

    def handle(self, fd: int = -1) -> None:
        """Do what can be done without waiting.  Raises nothing for whatever comes in."""
        for ready, event in self._poll.poll(0):
            handler = self._handlers.get(ready)
            if handler is None:
                continue
            try:
                handler(event)
            except (OSError, ValueError):
                continue  # of one question or connection: the others go on

    def close(self) -> None:
        """Close all that it has open."""
        for socket, _ in self._asked.values():
            socket.close()
        for client in self._clients.values():
            client.socket.close()
        for each in (self._udp, self._tcp, self._poll):
            each.close()

    def _watch(
        self, socket: _socket.socket, handler: Callable[[int], None], event: int = select.EPOLLIN
    ) -> None:
        socket.setblocking(False)
        self._handlers[socket.fileno()] = handler
        self._poll.register(socket.fileno(), event)

    def _forget(self, socket: _socket.socket) -> None:
        if self._handlers.pop(socket.fileno(), None) is not None:
            self._poll.unregister(socket.fileno())
        socket.close()

    # what is asked

    def _question(self, event: int) -> None:
        message, address = self._udp.recvfrom(_LARGEST)
        question = Question(message)

        def reply(response: bytes) -> None:
            self._udp.sendto(question.fits(response), address)

        for _, pending in list(self._asked.values()):
            # Asked again, since nobody answered: the next server is asked.
            if pending.question.whole == message and not pending.stream:
                pending.reply = reply
                self._next(pending)
                return
        self._answer(question, reply, stream=False)

    def _answer(self, question: Question, reply: Callable[[bytes], None], *, stream: bool) -> None:
        if not question.good:
            reply(question.answer(code=_NOT_IMPLEMENTED, own=False))
            return
        response = self._own(question)
        if response is not None:
            reply(response)
        elif not self._servers:
            reply(question.answer(code=_NO_SUCH_NAME))
        else:
            pending = _Pending(question, reply)
            pending.stream = stream
            self._ask(pending)

    def _own(self, question: Question) -> bytes | None:
        """The answer, if it is about one of the containers."""
        if question.family != _INTERNET:
            return None
        if question.kind == PTR:
            name = self._directory.name_of(question.name)
            return None if name is None else question.answer([_encoded(name)])
        found = self._directory.find(question.name)
        if found is None:
            return None
        records = found.get(question.kind, [])
        first = os.urandom(1)[0] % len(records) if records else 0
        return question.answer(records[first:] + records[:first])

    def _connection(self, event: int) -> None:
        number, _ = self._tcp._accept()  # type: ignore[attr-defined]
        socket = _socket.socket(fileno=number)
        if len(self._clients) >= _MOST_CLIENTS:
            self._close_client(next(iter(self._clients.values())))
        client = _Client(socket)
        self._clients[number] = client
        self._watch(socket, lambda event: self._hear(client, event))

    def _hear(self, client: _Client, event: int) -> None:
        try:
            if event & select.EPOLLOUT:
                self._send(client, b"")
            if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                data = client.socket.recv(_LARGEST)
                if not data:
                    raise OSError("it has gone")
                client.heard += data
                self._hear_questions(client)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self._close_client(client)

    def _hear_questions(self, client: _Client) -> None:
        while len(client.heard) >= 2:
            length = int.from_bytes(client.heard[:2], "big")
            if len(client.heard) < 2 + length:
                return
            message, client.heard = client.heard[2 : 2 + length], client.heard[2 + length :]

            def reply(response: bytes) -> None:
                self._send(client, len(response).to_bytes(2, "big") + response)

            self._answer(Question(message), reply, stream=True)

    def _send(self, client: _Client, data: bytes) -> None:
        client.unsent += data
        if client.socket.fileno() < 0:
            return
        try:
            while client.unsent:
                sent = client.socket.send(client.unsent, _socket.MSG_NOSIGNAL)
                client.unsent = client.unsent[sent:]
        except BlockingIOError:
            if len(client.unsent) > 4 * _LARGEST:
                raise OSError("it takes nothing") from None
        waits = select.EPOLLIN | (select.EPOLLOUT if client.unsent else 0)
        self._poll.modify(client.socket.fileno(), waits)

    def _close_client(self, client: _Client) -> None:
        self._clients.pop(client.socket.fileno(), None)
        self._forget(client.socket)

    # what is passed on

    def _ask(self, pending: _Pending) -> None:
        while len(self._asked) >= _MOST_PENDING:
            self._drop(next(iter(self._asked)))
        while pending.tries < max(2, len(self._servers)):
            address = self._servers[pending.server % len(self._servers)]
            pending.tries += 1
            family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
            kind = _socket.SOCK_STREAM if pending.stream else _socket.SOCK_DGRAM
            try:
                socket = _socket.socket(family, kind | _socket.SOCK_CLOEXEC)
            except OSError:
                break  # no more descriptors
            try:
                self._begin(socket, pending, (address, _PORT))
            except OSError:
                self._forget(socket)
                pending.server += 1
                continue
            return
        pending.reply(pending.question.answer(code=_SERVER_FAILURE, own=False))

    def _begin(self, socket: _socket.socket, pending: _Pending, address: Address) -> None:
        fd = socket.fileno()
        socket.setblocking(False)
        if pending.stream:
            pending.heard = b""
            try:
                socket.connect(address)
            except BlockingIOError:
                pass
            self._watch(socket, lambda event: self._connected(fd, event), select.EPOLLOUT)
        else:
            socket.connect(address)
            socket.send(pending.message)
            self._watch(socket, lambda event: self._response(fd))
        self._asked[fd] = (socket, pending)

    def _response(self, fd: int) -> None:
        socket, pending = self._asked[fd]
        try:
            response = socket.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there
            self._next(pending)
            return
        if pending.accepts(response):
            self._deliver(fd, response)

    def _connected(self, fd: int, event: int) -> None:
        socket, pending = self._asked[fd]
        try:
            if event & select.EPOLLOUT:
                message = len(pending.message).to_bytes(2, "big") + pending.message
                if socket.send(message, _socket.MSG_NOSIGNAL) != len(message):
                    raise OSError("it takes too little")
                self._poll.modify(fd, select.EPOLLIN)
                return
            data = socket.recv(_LARGEST)
            if not data:
                raise OSError("it has gone")
        except BlockingIOError:
            return
        except OSError:
            self._next(pending)
            return
        pending.heard += data
        length = 2 + int.from_bytes(pending.heard[:2], "big")
        if len(pending.heard) >= max(length, 14):
            response = pending.heard[2:length]
            if pending.accepts(response):
                self._deliver(fd, response)
            else:
                self._next(pending)

    def _deliver(self, fd: int, response: bytes) -> None:
        _, pending = self._asked[fd]
        self._drop(fd)
        if pending.server % len(self._servers):
            # It answers and those before it do not: the next question goes to it first.
            place = pending.server % len(self._servers)
            self._servers = [*self._servers[place:], *self._servers[:place]]
        pending.reply(pending.question.id + response[2:])

    def _next(self, pending: _Pending) -> None:
        for fd, (_, each) in list(self._asked.items()):
            if each is pending:
                self._drop(fd)
        pending.server += 1
        self._ask(pending)

    def _drop(self, fd: int) -> None:
        socket, _ = self._asked.pop(fd)
        self._forget(socket)


def _reverse(packed: bytes) -> str:
    if len(packed) == 4:
        return ".".join(str(byte) for byte in reversed(packed)) + ".in-addr.arpa"
    return ".".join(reversed(packed.hex())) + ".ip6.arpa"


def _encoded(name: str) -> bytes:
    labels = (label.encode("latin-1", "replace")[:63] for label in name.split("."))
    return b"".join(bytes([len(label)]) + label for label in labels if label) + b"\0"
