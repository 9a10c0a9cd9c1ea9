"""The real explorer on a real terminal: it draws, hears keys, and gives the terminal back."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.conftest import COMMAND, Lamina

pytestmark = pytest.mark.system

DOCKERFILE = """\
FROM busybox
RUN echo token=abc > /root/secret
RUN rm /root/secret && echo changed > /etc/group
"""
ENTER_ALTERNATE, LEAVE_ALTERNATE = b"\x1b[?1049h", b"\x1b[?1049l"
_ESCAPES = re.compile(rb"\x1b\[[0-9;?<>=$]*[ -/]*[@-~]|\x1b[()].|\x1b.")
_PATIENCE = 30


class Terminal:
    """A terminal of 100 × 30 with the explorer in it."""

    def __init__(self, lamina: Lamina, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.written = b""
        self.process = subprocess.Popen(
            [str(COMMAND), "--root", str(lamina.root), "explore", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", **(env or {})},
        )
        os.close(slave)

    def press(self, keys: bytes) -> None:
        """Forget what was written, and send keys."""
        self.written = b""
        os.write(self.master, keys)

    def shows(self, text: str) -> None:
        """Wait until a text has been written since the last key."""
        self._read(lambda: text in self.text)

    def ends(self) -> int:
        """Wait for the end, read what was written last, and return the exit status."""
        self._read(lambda: False)
        return self.process.wait(_PATIENCE)

    @property
    def text(self) -> str:
        """What was written, without the escape sequences."""
        return _ESCAPES.sub(b"", self.written).decode(errors="replace")

    def _read(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not enough():
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, self.text
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # what Linux says when nobody has the other side open
                piece = b""
            if not piece:
                return
            self.written += piece


@contextmanager
def exploring(
    lamina: Lamina, *arguments: str, env: dict[str, str] | None = None
) -> Iterator[Terminal]:
    terminal = Terminal(lamina, *arguments, env=env)
    try:
        yield terminal
    finally:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.master)


@pytest.fixture
def demo(busybox_store: Lamina, tmp_path: Path) -> Lamina:
    """A store with an image `demo` that has something deleted."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    busybox_store("build", "-t", "demo", str(context))
    return busybox_store


def test_it_draws_hears_keys_and_gives_the_terminal_back(demo: Lamina) -> None:
    with exploring(demo, "demo") as terminal:
        terminal.shows("q quit")
        terminal.shows("demo:latest")
        assert ENTER_ALTERNATE in terminal.written
        terminal.press(b"\x1b[B")  # down: the layer that deletes
        terminal.shows("layer 3, its changes")
        terminal.press(b"/secret\r")  # as fast as a terminal can send it
        terminal.shows("only secret")
        terminal.press(b"\x1b[B\r")
        terminal.shows("token=abc")
        terminal.press(b"q")
        terminal.shows("layer 3, its changes")
        terminal.press(b"q")
        assert terminal.ends() == 0
        assert LEAVE_ALTERNATE in terminal.written
        assert termios.tcgetattr(terminal.master) == terminal.before


def test_enter_and_ctrl_m_are_two_keys_where_the_terminal_says_so(demo: Lamina) -> None:
    with exploring(demo, "demo") as terminal:
        terminal.shows("q quit")
        terminal.press(b"\t\x1b[109;5u")  # Ctrl+M in the protocol of kitty
        terminal.shows("without changed")
        terminal.press(b"\x03")
        assert terminal.ends() == 0


def test_a_signal_gives_the_terminal_back_as_well(demo: Lamina) -> None:
    with exploring(demo, "demo") as terminal:
        terminal.shows("q quit")
        terminal.process.send_signal(signal.SIGTERM)
        terminal.ends()
        assert LEAVE_ALTERNATE in terminal.written
        assert termios.tcgetattr(terminal.master) == terminal.before


def test_no_colour_is_no_colour(demo: Lamina) -> None:
    with exploring(demo, "demo", env={"NO_COLOR": "1"}) as terminal:
        terminal.shows("q quit")
        terminal.press(b"\t")
        terminal.shows("bin/")
        assert not re.search(rb"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|38|48)[;m]", terminal.written)
        terminal.press(b"q")
        assert terminal.ends() == 0


def test_a_container_has_its_own_layer_on_top(demo: Lamina) -> None:
    demo("run", "--name", "web", "demo", "sh", "-c", "echo hello > /new")
    with exploring(demo, "web") as terminal:
        terminal.shows("q quit")
        terminal.press(b"\x1b[B")
        terminal.shows("the container")
        terminal.press(b"q")
        assert terminal.ends() == 0


def test_a_terminal_without_a_cursor_is_none(demo: Lamina) -> None:
    with exploring(demo, "demo", env={"TERM": "dumb"}) as terminal:
        assert terminal.ends() == 1
        assert "needs a terminal" in terminal.text


def test_what_fails_draws_nothing(lamina: Lamina) -> None:
    with exploring(lamina, "nope") as terminal:
        assert terminal.ends() == 1
        assert "no image" in terminal.text
        assert ENTER_ALTERNATE not in terminal.written
