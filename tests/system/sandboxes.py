"""Containers' networks without containers: namespaces in which the test's own sockets are."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import asdict

from lamina.linux import syscall
from lamina.network.request import NetworkRequest
from lamina.network.sandbox import Sandbox, close_sandbox, open_sandbox
from lamina.supervise.names import NameServer
from lamina.supervise.relay import Relay

T = TypeVar("T")
NOW = "2026-01-02T03:04:05.000000000Z"


def within(namespace: int, work: Callable[[], T]) -> T:
    """What `work` returns, or raises, in a network namespace."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            syscall.setns(namespace, syscall.CLONE_NEWNET)
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the test
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


class Box:
    """A container's network, and servers in it that say its name and who asked."""

    def __init__(self, root: Path, name: str, request: NetworkRequest, exposed: tuple[str, ...]):
        self.root, self.name = root, name
        self.id = os.urandom(32).hex()
        self.sandbox: Sandbox = open_sandbox(
            *(root, request),
            container=self.id,
            name=name,
            hostname=self.id[:12],
            exposed=exposed,
            now=NOW,
        )
        self._sockets: list[socket.socket] = []
        self._stop, self._stopped = os.pipe()
        self._threads: list[threading.Thread] = []
        if self.sandbox.names:
            self._start(self._drive, NameServer(asdict(self.sandbox.names)))
        if self.sandbox.relay:
            self._start(self._drive, Relay(asdict(self.sandbox.relay)))

    @property
    def ip(self) -> str:
        assert self.sandbox.member
        return self.sandbox.member.endpoints[0].ip

    @property
    def ip6(self) -> str:
        assert self.sandbox.member
        return self.sandbox.member.endpoints[0].ip6

    def ports(self) -> list[tuple[str, int]]:
        assert self.sandbox.member
        return [(each.host_ip, each.host_port) for each in self.sandbox.member.ports]

    def do(self, work: Callable[[], T]) -> T:
        return within(self.sandbox.namespace, work)

    def serve(self, port: int = 80, *, kind: int = socket.SOCK_STREAM) -> None:
        """Answer every connection or datagram with our name and the address of who sent it."""

        def listener() -> socket.socket:
            made = socket.socket(socket.AF_INET6, kind)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("::", port))
            return made

        bound = self.do(listener)
        self._sockets.append(bound)
        if kind == socket.SOCK_STREAM:
            bound.listen(16)
        self._start(self._serve, bound)

    def fetch(self, address: str, port: int = 80, *, kind: int = socket.SOCK_STREAM) -> str:
        return self.do(lambda: fetch(address, port, kind=kind))

    def close(self) -> None:
        os.close(self._stopped)
        for thread in self._threads:
            thread.join()
        os.close(self._stop)
        for each in self._sockets:
            each.close()
        close_sandbox(self.root, self.id)
        self.sandbox_close()

    def sandbox_close(self) -> None:
        names = self.sandbox.names
        # The name server closed its own.
        for fd in (self.sandbox.namespace, *self.sandbox.holders):
            os.close(fd)
        assert names is None or names.udp > 15

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        thread.start()
        self._threads.append(thread)

    def _drive(self, server: NameServer | Relay) -> None:
        poll = select.poll()
        for fd in (*server.filenos(), self._stop):
            poll.register(fd, select.POLLIN)
        while all(fd != self._stop for fd, _ in poll.poll()):
            server.handle()
        server.close()

    def _serve(self, bound: socket.socket) -> None:
        while True:
            ready: list[object] = select.select([bound, self._stop], [], [])[0]  # type: ignore[type-var]
            if self._stop in ready:
                return
            if bound.type == socket.SOCK_DGRAM:
                _, address = bound.recvfrom(100)
                bound.sendto(self._says(address[0]), address)
            else:
                connection, address = bound.accept()
                with connection:
                    connection.sendall(self._says(address[0]))

    def _says(self, address: str) -> bytes:
        return f"{self.name} {address.removeprefix('::ffff:')}".encode()


def fetch(address: str, port: int, *, kind: int = socket.SOCK_STREAM, wait: float = 2) -> str:
    """What a server says; `nothing` when it does not answer."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as asking:
        asking.settimeout(wait)
        try:
            asking.connect((address, port))
            if kind == socket.SOCK_DGRAM:
                asking.send(b"?")
            return asking.recv(100).decode()
        except (TimeoutError, ConnectionRefusedError):
            return "nothing"
        except OSError as error:
            return f"nothing ({error.strerror})"


class Boxes:
    """The boxes of one store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.open: list[Box] = []

    def __call__(
        self,
        name: str = "box",
        request: NetworkRequest | None = None,
        exposed: tuple[str, ...] = (),
        **fields: object,
    ) -> Box:
        asked = request or msgspec.convert(fields, NetworkRequest)
        self.open.append(Box(self.root, name, asked, exposed))
        return self.open[-1]


@contextmanager
def boxes_of(root: Path) -> Iterator[Boxes]:
    """Boxes, closed at the end."""
    boxes = Boxes(root)
    try:
        yield boxes
    finally:
        for box in boxes.open:
            box.close()
