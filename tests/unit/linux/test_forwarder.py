"""A socket whose connections go on to another one."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from lamina.linux.forwarder import forwarded

OWN = {"uid": os.getuid(), "gid": os.getgid()}


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Path]:
    """A server that sends back what it gets, in capitals."""
    place = tmp_path / "echo"
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(place))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    while piece := connection.recv(4096):
                        connection.sendall(piece.upper())

        thread = Thread(target=serve)
        thread.start()
        yield place
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def asked(place: Path, *pieces: bytes) -> bytes:
    """What comes back for each piece."""
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.connect(str(place))
        connection.settimeout(10)
        found = b""
        for piece in pieces:
            connection.sendall(piece)
            found += connection.recv(4096)
        return found


def test_bytes_go_there_and_back(echo: Path, tmp_path: Path) -> None:
    with forwarded(tmp_path / "s", echo, **OWN):
        assert asked(tmp_path / "s", b"one", b"two") == b"ONETWO"
        assert asked(tmp_path / "s", b"three") == b"THREE"
    assert not (tmp_path / "s").exists()


def test_mode_and_owner(echo: Path, tmp_path: Path) -> None:
    with forwarded(tmp_path / "s", echo, mode=0o660, **OWN):
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o660


def test_a_long_path(echo: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    (tmp_path / "short").symlink_to(deep)
    with forwarded(deep / "s", echo, **OWN):
        assert asked(tmp_path / "short" / "s", b"x") == b"X"


def test_nobody_at_the_other_end(tmp_path: Path) -> None:
    with (
        forwarded(tmp_path / "s", tmp_path / "gone", **OWN),
        closing(socket.socket(socket.AF_UNIX)) as connection,
    ):
        connection.connect(str(tmp_path / "s"))
        connection.settimeout(10)
        assert connection.recv(1) == b""


def test_a_connection_that_is_open_at_the_end(echo: Path, tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        with forwarded(tmp_path / "s", echo, **OWN):
            connection.connect(str(tmp_path / "s"))
            connection.sendall(b"x")
            assert connection.recv(1) == b"X"
        connection.settimeout(10)
        assert connection.recv(1) == b""
