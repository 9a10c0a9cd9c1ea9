"""What a container may do and see, tried in Docker's and in ours: ours is as strict or stricter."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import Lamina, Tool, unmounted

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("root_only")]

PROBE = Path(__file__).parent / "probes" / "syscalls.c"
LATER = "Docker allows it since its version 23 or later, and the one that is compared with is older"
FURTHER = {
    **dict.fromkeys((303, 310, 311, 329, 330, 331), LATER),
    **dict.fromkeys(range(450, 471), "newer than the one that is compared with: see NEWER_ALLOWED"),
}
"""Calls of x86-64 that we may let pass where an old Docker does not, and why: name_to_handle_at,
process_vm_readv, process_vm_writev, pkey_mprotect, pkey_alloc, pkey_free."""
REFUSED = ("error 1", "error 38")
STATUS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")


class Both:
    """The same command line in both."""

    def __init__(self, docker: Tool, lamina: Lamina) -> None:
        self.docker = docker
        self.lamina = lamina

    def run(self, *args: str) -> tuple[str, str]:
        """What each printed: Docker's first."""
        both = ("run", "--rm", "--network", "host", *args)
        return self.docker(*both), self.lamina(*both).stdout


@pytest.fixture(scope="module")
def both(
    docker: Tool, tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path
) -> Iterator[Both]:
    lamina = Lamina(tmp_path_factory.mktemp("beside") / "root")
    lamina("import", str(busybox_tar), "bb:latest")
    docker("import", str(busybox_tar), "bb:latest")
    yield Both(docker, lamina)
    unmounted(lamina.root)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None or os.uname().machine != "x86_64":
        pytest.skip("needs gcc, on x86-64: apt install gcc libc6-dev")
    place = tmp_path_factory.mktemp("probe") / "syscalls"
    subprocess.run(["gcc", "-O1", "-static", "-o", place, PROBE], check=True)
    return place


def refused(printed: str) -> tuple[set[int], set[int]]:
    """The calls that were tried, and those that are refused whatever the arguments."""
    rows = [line.split(" ", 2) for line in printed.splitlines()]
    tried = {int(number) for number, _, _ in rows}
    return tried, tried - {int(number) for number, _, said in rows if said not in REFUSED}


@pytest.mark.parametrize("capability", ["", "SYS_ADMIN", "SYS_PTRACE", "SYS_NICE", "SYSLOG"])
def test_every_system_call_that_docker_refuses_is_refused(
    both: Both, probe: Path, capability: str
) -> None:
    options = ("--cap-add", capability) if capability else ()
    (tried, theirs), (also, ours) = map(
        refused, both.run(*options, "-v", f"{probe}:/p", "bb", "/p")
    )
    assert tried == also
    assert len(tried) > 450
    assert theirs - ours <= FURTHER.keys()
    assert ours - theirs == {425, 426, 427}, "io_uring passes by every filter"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-u", "1000"),
        ("-u", "1000:7", "--cap-add", "NET_ADMIN", "--group-add", "9"),
        ("--cap-drop", "all", "--cap-add", "chown"),
        ("--cap-add", "SYS_ADMIN", "--security-opt", "no-new-privileges"),
    ],
    ids=" ".join,
)
def test_capabilities_and_ids_are_dockers(both: Both, options: tuple[str, ...]) -> None:
    def fields(printed: str) -> dict[str, str]:
        found = dict(line.split(":\t", 1) for line in printed.splitlines() if ":\t" in line)
        return {name: found[name].strip() for name in (*STATUS, "Seccomp")}

    theirs, ours = map(fields, both.run(*options, "bb", "cat", "/proc/self/status"))
    assert ours == theirs


def test_what_is_hidden_and_read_only_in_docker_is_so_here(both: Both) -> None:
    """Every path of /proc and /sys that Docker mounts something over."""
    theirs, ours = (
        {line.split()[1]: line.split()[3].split(",") for line in printed.splitlines()}
        for printed in both.run("bb", "cat", "/proc/mounts")
    )
    covered = {path for path in theirs if path.startswith(("/proc", "/sys"))}
    assert len(covered) > 8
    assert covered <= ours.keys()
    for path in covered:
        assert {"nosuid", "nodev", "noexec", "ro"} & set(theirs[path]) <= set(ours[path]), path


def test_no_more_of_the_host_is_told_than_docker_tells(both: Both, tmp_path: Path) -> None:
    """Which mounts show a path of the host as their root."""
    options = ("-v", f"{tmp_path}:/data", "bb", "cat", "/proc/self/mountinfo")

    def shown(printed: str) -> dict[str, str]:
        rows = [line.split() for line in printed.splitlines()]
        return {row[4]: row[3] for row in rows if len(row[3].split("/")) > 2}

    theirs, ours = map(shown, both.run(*options))
    ours = {path: root for path, root in ours.items() if not path.startswith("/sys/fs/cgroup")}
    assert ours.keys() <= theirs.keys(), ours.keys() - theirs.keys()
    assert ours["/data"] == theirs["/data"]
