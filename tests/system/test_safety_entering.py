"""What a container must not gain from a process that enters it: `exec`, and shared processes."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import Lamina, need_containers, unmounted

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("root_only")]

SPY = r"""
# Whatever a new process shows of itself before it is one of ours.
while :; do
  for p in /proc/[0-9]*; do
    [ $p = /proc/$$ ] && continue
    for f in $p/exe $p/cwd $p/root $p/fd/*; do
      t=$(readlink $f 2>/dev/null) || continue
      case $t in
        *python*|*lamina.*|/work*|/home*|/var*|/tmp*|/usr/lib/python*) echo "$f $t" >> /leaks ;;
      esac
    done
    [ -e $p/exe ] && (: >> $p/exe) 2>/dev/null && echo "$p written" >> /leaks
  done
done
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Iterator[Lamina]:
    need_containers()
    command = Lamina(tmp_path_factory.mktemp("entering") / "root")
    command("import", str(busybox_tar), "bb:latest")
    yield command
    unmounted(command.root)


@pytest.fixture
def box(store: Lamina) -> Iterator[str]:
    """A container that sleeps."""
    name = f"c{uuid.uuid4().hex[:8]}"
    store("run", "-d", "--init", "--name", name, "--network", "none", "bb", "sleep", "600")
    yield name
    store("rm", "-f", name)


def test_cve_2016_9962_who_enters_cannot_be_looked_into(store: Lamina, box: str) -> None:
    store("exec", "-d", box, "sh", "-c", SPY)
    before = Path(sys.executable).resolve().stat().st_mtime_ns
    for _ in range(5):
        assert store("exec", box, "echo", "in").stdout == "in\n"
    for _ in range(2):
        store("run", "--rm", "--network", "none", "--pid", f"container:{box}", "bb", "true")
    # It would have noticed: a descriptor like those of the host is seen.
    script = "exec 9< /tmp; until grep -q 'fd/9 /tmp' /leaks; do sleep 0.05; done; cat /leaks"
    leaks = store("exec", box, "sh", "-c", script).stdout.splitlines()
    assert [line for line in leaks if not line.endswith("/fd/9 /tmp")] == []
    assert Path(sys.executable).resolve().stat().st_mtime_ns == before


def test_cve_2019_5736_an_interpreter_that_is_whoever_executes_it(store: Lamina, box: str) -> None:
    script = "printf '#!/proc/self/exe\\n' > /script; chmod 755 /script; ln -s /proc/self/exe /self"
    store("exec", box, "sh", "-c", script)
    for program in ("/script", "/self", "/proc/self/exe"):
        done = store("exec", box, program, check=False)
        assert done.returncode == 127, program
        assert "Python" not in done.stdout + done.stderr


def test_cve_2024_21626_no_working_directory_leads_to_the_host(store: Lamina, box: str) -> None:
    script = "pwd -P; ls -d ../../../../../../work 2>/dev/null; true"
    for number in range(3, 10):
        where = f"/proc/self/fd/{number}"
        done = store("exec", "-w", where, box, "sh", "-c", script, check=False)
        assert done.returncode or done.stdout.split() == [where.replace("self", "1")], where
    for number in (6, 8):
        where = f"/proc/self/fd/{number}"
        done = store("run", "--rm", "--network", "none", "-w", where, "bb", "pwd", check=False)
        # The names of our own descriptors are taken for paths of the container's.
        assert done.returncode == 125 or done.stdout == "/proc/1/fd\n", where


def test_no_descriptor_is_inherited_by_what_enters(store: Lamina, box: str) -> None:
    held = os.open("/etc", os.O_RDONLY)
    os.set_inheritable(held, True)
    try:
        listed = store("exec", box, "ls", "/proc/self/fd").stdout.split()
        first = store("exec", box, "sh", "-c", "ls /proc/1/fd /proc/2/fd").stdout.split()
    finally:
        os.close(held)
    # `ls` has the directory open that it reads.
    assert listed == ["0", "1", "2", "3"]
    assert [word for word in first if word.isdigit()] == ["0", "1", "2"] * 2


def test_what_enters_has_the_containers_restrictions(store: Lamina) -> None:
    name = f"c{uuid.uuid4().hex[:8]}"
    options = ("--cap-drop", "all", "--cap-add", "chown", "--security-opt", "no-new-privileges")
    store("run", "-d", "--name", name, "--network", "none", *options, "bb", "sleep", "600")
    try:
        wanted = ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp")

        def fields(path: str) -> dict[str, str]:
            text = store("exec", name, "cat", path).stdout
            found = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
            return {key: found[key] for key in wanted}

        assert fields("/proc/self/status") == fields("/proc/1/status")
    finally:
        store("rm", "-f", name)
