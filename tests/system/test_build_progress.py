"""How `lamina build` looks while it goes: a real terminal, pipes, and what interrupts it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.text import width
from tests.fakes.screen import Screen
from tests.system.conftest import COMMAND, Lamina, Registry
from tests.system.test_build import sleepers

pytestmark = pytest.mark.system

_PATIENCE = 30
PARALLEL = """\
FROM busybox AS one
RUN echo from one
FROM busybox AS a-stage-with-quite-a-long-name-indeed
RUN printf '10%%\\r20%%\\r'; printf '\\033[2J\\033]0;t\\007\\033[31mred\\033[0m\\n'
RUN dd if=/dev/zero of=/f count=4
RUN rm /f
FROM busybox
COPY --from=one /etc/passwd /one
COPY --from=a-stage-with-quite-a-long-name-indeed /etc/passwd /two
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """An empty context."""
    place = tmp_path / "context"
    place.mkdir()
    return place


class Terminal:
    """A build on a terminal; what it wrote is drawn on a screen."""

    def __init__(self, lamina: Lamina, context: Path, columns: int, *args: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.screen = Screen(columns)
        self.written = ""
        self.process = subprocess.Popen(
            [COMMAND, "--root", lamina.root, "build", *args, context],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(slave)

    def until(self, enough: Callable[[str], bool]) -> None:
        """Read until the screen is as wanted, or the build has ended."""
        deadline = time.monotonic() + _PATIENCE
        while not enough(self.screen.text):
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, self.screen.text
            try:
                piece = os.read(self.master, 65536).decode()
            except OSError:  # what Linux says when nobody has the other side open
                return
            # A terminal line ends in "\r\n" where the program wrote "\n".
            self.written += piece
            self.screen.write(piece)

    def ends(self) -> int:
        """Read all, and return the exit status."""
        self.until(lambda _: False)
        os.close(self.master)
        return self.process.wait(_PATIENCE)


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_a_build_on_a_terminal(busybox_store: Lamina, context: Path, columns: int) -> None:
    (context / "Dockerfile").write_text(PARALLEL)
    terminal = Terminal(busybox_store, context, columns, "-t", "t")
    assert terminal.ends() == 0, terminal.screen.text
    lines = terminal.screen.text.splitlines()
    assert lines[0].split() == ["base", "busybox", "+2.0", "MB", "cached"]
    heads = [line.split()[0] for line in lines if re.match(r" \d/6 ", line)]
    assert sorted(heads) == [f"{n}/6" for n in range(1, 7)]
    assert "hides 2.0 kB of step" in terminal.screen.text
    assert lines[-1].startswith(" built t:latest")
    assert all(width(line) < columns for line in lines)
    assert not [line for line in lines if "│" in line], "a finished step's output stayed"


def test_what_runs_is_shown_with_the_end_of_its_output(
    busybox_store: Lamina, context: Path
) -> None:
    (context / "Dockerfile").write_text(
        "FROM busybox\nRUN for i in 1 2 3 4 5 6 7 8; do echo line $i; done; printf '1%%\\r2%%\\r';"
        " sleep 60\n"
    )
    terminal = Terminal(busybox_store, context, 80)
    terminal.until(lambda text: "│ 2%" in text)
    shown = [line.strip() for line in terminal.screen.text.splitlines() if "│" in line]
    assert shown == [*(f"│ line {n}" for n in (4, 5, 6, 7, 8)), "│ 2%"]
    # Time goes on though nothing is printed.
    terminal.until(lambda text: re.search(r" [1-9]\d*\.\d s", text) is not None)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.ends() == 130
    assert "canceled" in terminal.screen.text
    assert "│" not in terminal.screen.text
    assert list((busybox_store.root / "builds").iterdir()) == []


def test_no_mode_of_the_terminal_is_changed_and_colours_are_ended(
    busybox_store: Lamina, context: Path
) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN sleep 60\n")
    terminal = Terminal(busybox_store, context, 80)
    terminal.until(lambda text: re.search(r"sleep 60 .* \d+\.[1-9] s", text) is not None)
    terminal.process.send_signal(signal.SIGKILL)
    terminal.until(lambda _: False)
    assert "\x1b[?" not in terminal.written
    inks = re.findall(r"\x1b\[\d*m", terminal.written)
    assert inks.count("\x1b[0m") * 2 == len(inks)
    os.close(terminal.master)
    terminal.process.wait()
    assert sleepers(busybox_store) == []


def test_a_failed_step_on_a_terminal(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo oh; echo no; exit 7\n")
    terminal = Terminal(busybox_store, context, 80)
    assert terminal.ends() == 1
    text = terminal.screen.text
    assert re.search(r"1/1 RUN echo oh; echo no; exit 7 +failed", text)
    assert text.endswith(
        "     │ oh\n     │ no\n"
        "Dockerfile:2: the command ended with exit status 7\n"
        "    2 │ RUN echo oh; echo no; exit 7\n"
        "      │ ^^^"
    )


def test_the_pull_of_a_base_is_a_row(
    busybox_store: Lamina, context: Path, registry: Registry, tmp_path: Path
) -> None:
    name = f"{registry.host}/progress/base:1"
    busybox_store("tag", "busybox", name)
    busybox_store("push", name)
    (context / "Dockerfile").write_text(f"FROM {name}\nRUN true\n")
    terminal = Terminal(Lamina(tmp_path / "other"), context, 100)
    assert terminal.ends() == 0, terminal.screen.text
    lines = terminal.screen.text.splitlines()
    assert lines[0].startswith(f" pull {name}")
    assert lines[1].startswith(f" base {name}")
    (context / "Dockerfile").write_text(f"FROM {name}\nRUN true\n")
    plain = Lamina(tmp_path / "third")("build", str(context)).stderr
    assert re.search(rf"#0 pull {name}\n#0 [0-9a-f]{{12}} Pull complete \d", plain)


def test_a_hundred_steps(busybox_store: Lamina, context: Path) -> None:
    steps = "".join(f"WORKDIR /d{n}\n" for n in range(100))
    (context / "Dockerfile").write_text("FROM busybox\n" + steps)
    terminal = Terminal(busybox_store, context, 80)
    assert terminal.ends() == 0
    rows = re.findall(r"^ (\d+)/100 WORKDIR", terminal.screen.text, re.MULTILINE)
    assert rows == [str(n) for n in range(1, 101)]


def test_plain_lines_tell_steps_apart(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text(PARALLEL)
    said = busybox_store("build", str(context)).stderr
    assert re.search(r"^#1 \[one 1/1\] RUN echo from one", said, re.MULTILINE)
    assert re.search(r"^#1 \d+\.\d{3} from one$", said, re.MULTILINE)
    assert re.search(r"^#\d 0\.\d{3} red$", said, re.MULTILINE)
    assert re.search(r"^#1 DONE \d+\.\ds", said, re.MULTILINE)
    assert re.search(r"^#6 \[stage-2 2/2\] COPY", said, re.MULTILINE)
    assert "\x1b" not in said


@pytest.mark.parametrize("way", ["auto", "quiet"])
def test_the_output_of_a_failed_step_stands_with_its_error(
    busybox_store: Lamina, context: Path, way: str
) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo oh no; exit 7\n")
    done = busybox_store("build", "--progress", way, str(context), check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.endswith(
        "------\n > [1/1] RUN echo oh no; exit 7:\noh no\n------\n"
        "Dockerfile:2: the command ended with exit status 7\n"
        "    2 │ RUN echo oh no; exit 7\n      │ ^^^\n"
    )


def test_raw_json(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo hi; exit 3\n")
    done = busybox_store("build", str(context), check=False, env={"BUILDKIT_PROGRESS": "rawjson"})
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    logs = [b64decode(log["data"]) for each in told for log in each.get("logs", ())]
    assert b"".join(logs) == b"hi\n"
    vertexes = [vertex for each in told for vertex in each.get("vertexes", ())]
    assert vertexes[-1]["error"] == "the command ended with exit status 3"
    assert vertexes[-1]["name"] == "[1/1] RUN echo hi; exit 3"


def test_warnings_of_the_checks_stand_at_the_end(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nMAINTAINER me\nCMD true\n")
    said = busybox_store("build", str(context)).stderr
    assert said.splitlines()[-3].startswith(" 2 warnings found: `lamina build --check`")
    assert "MaintainerDeprecated" in said.splitlines()[-2]
    assert "(line 3)" in said.splitlines()[-1]
    assert busybox_store("build", "-q", str(context)).stderr == ""


def test_checks_can_forbid_a_build(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("# check=error=true\nFROM busybox\nCMD true\n")
    done = busybox_store("build", "-q", str(context), check=False)
    assert done.returncode == 3
    assert "JSONArgsRecommended (line 3)" in done.stderr
    found = busybox_store("build", "--check", "--format", "json", str(context), check=False)
    assert found.returncode == 3
    assert [each["ruleName"] for each in json.loads(found.stdout)["warnings"]] == [
        "JSONArgsRecommended"
    ]
