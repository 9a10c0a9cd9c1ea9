"""The first process of `--init`: as it is kept, compiled again, and for another machine."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

from lamina.errors import Unsupported
from lamina.linux import container_init
from lamina.linux.sealed_program import CODE_ADDRESS, elf

SOURCE = Path(container_init.__file__).with_suffix(".c")
MACHINE = os.uname().machine
QEMU = shutil.which("qemu-aarch64-static")
COMPILERS = {"x86_64": "gcc", "aarch64": "aarch64-linux-gnu-gcc"}


def compiled(machine: str, place: Path) -> bytes:
    compiler = "gcc" if machine == MACHINE else COMPILERS[machine]
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}: apt install {compiler}")
    tools = compiler.removesuffix("gcc")
    extra = ["-fcf-protection=none"] if machine == "x86_64" else []
    out = str(place / "init")
    subprocess.run([compiler, *container_init.COMPILE[1:], *extra, "-o", out, SOURCE], check=True)
    code = place / "code"
    subprocess.run([f"{tools}objcopy", "-O", "binary", "-j", ".text", out, code], check=True)
    symbols = subprocess.run([f"{tools}nm", out], capture_output=True, text=True, check=True)
    entry = next(line for line in symbols.stdout.splitlines() if line.endswith(" _start"))
    return elf(
        container_init.CODE[machine][0],
        code.read_bytes(),
        entry=int(entry.split()[0], 16) - CODE_ADDRESS,
    )


class Init:
    def __init__(self, program: Path, machine: str) -> None:
        self.program = program
        self.prefix = [QEMU] if machine != MACHINE and QEMU else []

    def start(self, *args: str, path: str = "") -> tuple[int, int]:
        """Pid, and the reading end of its status pipe."""
        reader, writer = os.pipe()
        argv = ["lamina-init", "--", *args, path or shutil.which(args[0]) or args[0]]
        if self.prefix:
            argv = [*self.prefix, str(self.program), *argv[1:]]
        pid = os.posix_spawn(
            argv[0] if self.prefix else str(self.program),
            argv,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, writer, 3)],
        )
        os.close(writer)
        return pid, reader

    def run(self, *args: str, path: str = "") -> tuple[int, bytes]:
        pid, reader = self.start(*args, path=path)
        report = b""
        while piece := os.read(reader, 64):
            report += piece
        os.close(reader)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), report


@pytest.fixture(params=["kept", "compiled", "kept for aarch64", "compiled for aarch64"])
def init(request: pytest.FixtureRequest, tmp_path: Path) -> Init:
    how, _, machine = str(request.param).partition(" for ")
    machine = machine or MACHINE
    if machine not in container_init.CODE or (machine != MACHINE and QEMU is None):
        pytest.skip("needs qemu-aarch64-static: apt install qemu-user-static")
    place = tmp_path / "lamina-init"
    kept = container_init.program(machine)
    place.write_bytes(kept if how == "kept" else compiled(machine, tmp_path))
    place.chmod(0o755)
    return Init(place, machine)


def test_it_ends_as_its_child_does(init: Init) -> None:
    assert init.run("sh", "-c", "exit 7") == (7, b"")
    assert init.run("sh", "-c", "kill -9 $$") == (137, b"")
    assert init.run("true") == (0, b"")


def test_arguments_and_variables_reach_the_child(init: Init) -> None:
    script = 'test "$0:$1:$#" = "zero:one two:1" && test -n "$PATH"'
    assert init.run("sh", "-c", script, "zero", "one two") == (0, b"")


def test_it_says_why_the_program_cannot_be_executed(init: Init) -> None:
    status, report = init.run("nope", path="/no/such/program")
    assert (status, struct.unpack("q", report)) == (127, (-2,))
    status, report = init.run("x", path="/etc/passwd")
    assert (status, struct.unpack("q", report)) == (127, (-13,))


def test_signals_are_handed_on(init: Init, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'exit 3' TERM; trap 'exit 4' USR1; : > {ready}; while :; do sleep 0.01; done"
    for number, status in ((signal.SIGTERM, 3), (signal.SIGUSR1, 4)):
        ready.unlink(missing_ok=True)
        pid, reader = init.start("sh", "-c", script)
        deadline = time.monotonic() + 10
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.005)  # a shell gives no other sign that its traps are set
        os.kill(pid, number)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
        os.close(reader)


def test_orphans_are_waited_for(init: Init) -> None:
    if init.prefix:
        pytest.skip("qemu does not hand on PR_SET_CHILD_SUBREAPER")
    # $PPID is the first process: the orphan becomes its child, and is no zombie of it for long.
    script = (
        "me=$PPID; orphan=$(sh -c 'sleep 0.05 >/dev/null & echo $!'); sleep 0.4;"
        " test ! -e /proc/$orphan"
    )
    assert init.run("sh", "-c", script) == (0, b"")


def test_executed_again_from_inside_it_does_nothing(init: Init) -> None:
    argv = [*init.prefix, str(init.program), "--", "true", "/bin/true"]
    done = subprocess.run(argv, capture_output=True, check=False, close_fds=True)
    assert (done.returncode, done.stdout + done.stderr) == (127, b"")


def test_what_is_kept_has_no_data_that_could_be_written() -> None:
    for machine in container_init.CODE:
        program = container_init.program(machine)
        kind, flags = struct.unpack_from("<II", program, 64)
        assert (kind, flags) == (1, 5), "one segment, to be read and executed"
        assert struct.unpack_from("<H", program, 56) == (1,)


def test_other_machines_are_refused() -> None:
    with pytest.raises(Unsupported):
        container_init.program("m68k")
