"""Control groups on the real kernel: made, joined, held, counted, ended, removed.

Each test runs on the host's hierarchies, and on its version 2 alone.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lamina.errors import EngineError
from lamina.linux.cgroup import ROOT, detect, join
from lamina.linux.cgroup_group import Group, GroupTaken, leftovers, make_group, open_group, sweep
from lamina.linux.cgroup_limits import NONE, Limits, Version, settings
from lamina.linux.cgroup_tree import delegate, hierarchies, read, write
from lamina.linux.devices import DEFAULT, EVERYTHING, DeviceRule
from tests.rights import need_root

MB = 1 << 20
_begun: list[int] = []
"""Children that `inside` began and whose end nobody has seen for certain."""
UNIFIED = ROOT if detect() == "v2" else f"{ROOT}/unified"


@pytest.fixture(autouse=True)
def _root() -> None:
    need_root("control groups that nobody delegates")


@pytest.fixture(params=[ROOT, UNIFIED] if UNIFIED != ROOT else [ROOT])
def root(request: pytest.FixtureRequest) -> str:
    if not hierarchies(request.param):
        pytest.skip(f"no control groups may be made in {request.param}")
    return str(request.param)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"test-{os.getpid()}-{abs(hash(request.node.name)) % 10**8}"


@contextmanager
def made(
    name: str, root: str, limits: Limits = NONE, devices: tuple[DeviceRule, ...] = DEFAULT
) -> Iterator[Group]:
    """A group for the length of a block, and nothing left of it."""
    group, _ = make_group(name, limits, devices, root=root)
    try:
        yield group
    finally:
        group.kill()
        while _begun:
            with suppress(ChildProcessError):
                os.waitpid(_begun.pop(), 0)
        group.remove()
        assert not [path for path in group.paths if os.path.exists(path)]


def inside(group: Group, work: Callable[[], object]) -> int:
    """The pid of a child that has joined the group and works; its status is an error's number."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            for path in group.paths:
                join(Path(path))
            os.close(reader)
            os.close(writer)
            work()
            status = 0
        except OSError as error:
            status = error.errno or 255
        finally:
            os._exit(status)
    _begun.append(pid)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    return pid


def status(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def forever() -> None:
    while True:
        time.sleep(1)


def spin() -> None:
    while True:
        pass


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_processes_and_their_end(root: str, name: str) -> None:
    with made(name, root) as group:
        pid = inside(group, forever)
        until(lambda: group.processes() == [pid])
        assert leftovers([name, "none"], root=root)[0].processes() == [pid]
        group.kill()
        assert status(pid) == -signal.SIGKILL
    assert leftovers([name], root=root) == []


def test_held_and_let_go(root: str, name: str) -> None:
    """While a group is held its processes compute nothing."""
    with made(name, root) as group:
        inside(group, spin)
        until(lambda: group.usage().cpu > 0)
        assert not group.frozen()
        group.freeze()
        assert group.frozen()
        before = group.usage().cpu
        time.sleep(0.1)
        assert group.usage().cpu == before
        group.thaw()
        assert not group.frozen()
        until(lambda: group.usage().cpu > before)


def test_what_is_held_can_be_ended(root: str, name: str) -> None:
    with made(name, root) as group:
        pid = inside(group, forever)
        until(lambda: group.processes() == [pid])
        group.freeze()
        group.kill()
        assert status(pid) == -signal.SIGKILL


def test_groups_below_are_of_it(root: str, name: str) -> None:
    """A container that makes groups itself is counted, ended and removed with them."""
    with made(name, root) as group:
        below = Path(group.paths[0], "own")
        below.mkdir()
        pid = inside(Group((str(below),)), forever)
        until(lambda: group.processes() == [pid])


def test_devices(root: str, name: str) -> None:
    def opens(path: str) -> Callable[[], object]:
        return lambda: os.open(path, os.O_RDONLY)

    kmsg = os.stat("/dev/kmsg").st_rdev
    with made(name, root) as group:
        assert status(inside(group, opens("/dev/zero"))) == 0
        assert status(inside(group, opens("/dev/kmsg"))) == errno.EPERM
    rule = DeviceRule("c", os.major(kmsg), os.minor(kmsg), "r")
    with made(name, root, devices=(*DEFAULT, rule)) as group:
        assert status(inside(group, opens("/dev/kmsg"))) == 0
        writes = inside(group, lambda: os.open("/dev/kmsg", os.O_WRONLY))
        assert status(writes) == errno.EPERM
    with made(name, root, devices=EVERYTHING) as group:
        assert status(inside(group, opens("/dev/kmsg"))) == 0


def test_a_node_may_be_made_but_not_opened(root: str, name: str, tmp_path: Path) -> None:
    """What Docker lets: making nodes is harmless when they cannot be opened."""
    node = tmp_path / "kmsg"
    kmsg = os.stat("/dev/kmsg").st_rdev
    with made(name, root) as group:
        assert status(inside(group, lambda: os.mknod(node, 0o20600, kmsg))) == 0
        assert status(inside(group, lambda: node.open())) == errno.EPERM


def test_one_warning_for_each_limit_that_cannot_be_set(name: str) -> None:
    """Version 2 beside version 1 has no controllers: nothing fails."""
    if UNIFIED == ROOT:
        pytest.skip("this host's version 2 has controllers")
    limits = Limits(memory=64 * MB, pids=10, nano_cpus=10**9, blkio_weight=100)
    group, warnings = make_group(name, limits, root=UNIFIED)
    group.remove()
    assert [text.split(" or ")[0] for text in warnings] == [
        "Your kernel does not support memory limit capabilities",
        "Your kernel does not support CPU CFS scheduler",
        "Your kernel does not support PIDs limit capabilities",
        "Your kernel does not support Block I/O weight",
    ]


def test_no_groups_at_all(tmp_path: Path) -> None:
    group, warnings = make_group("x", root=str(tmp_path))
    assert (group.paths, warnings) == ((), ())
    group, warnings = make_group("x", Limits(pids=10), root=str(tmp_path))
    assert len(warnings) == 1
    assert group.processes() == []
    assert not group.frozen()
    with pytest.raises(EngineError, match="cannot be paused here"):
        group.freeze()
    group.kill()
    group.remove()


def test_groups_that_are_read_only(tmp_path: Path) -> None:
    """As in a container with Docker's defaults: a start makes no group, and says so of limits."""
    pid = os.fork()
    if pid == 0:
        os._exit(_in_read_only_hierarchies())
    assert status(pid) == 0


def _in_read_only_hierarchies() -> int:
    from lamina.linux import syscall

    read_only, remount, bind = 1, 32, 4096
    syscall.unshare(syscall.CLONE_NEWNS)
    syscall.mount("", "/", "", syscall.MS_REC | syscall.MS_PRIVATE)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split()[4].startswith("/sys/fs/cgroup"):
            syscall.mount("", line.split()[4], "", read_only | remount | bind)
    group, warnings = make_group("x", Limits(memory=64 * MB, pids=10))
    return 0 if group.paths == () and len(warnings) == 2 else 1


def test_limits_are_what_was_asked_for(name: str) -> None:
    limits = Limits(
        memory=64 * MB, memory_reservation=32 * MB, pids=20, nano_cpus=5 * 10**8, cpu_shares=512
    )
    with made(name, ROOT, limits) as group:
        version: Version = 2 if len(group.paths) == 1 else 1
        for setting in settings(limits, version):
            file, text = setting.ways[0]
            there = [read(f"{path}/{file}").strip() for path in group.paths]
            assert text in there or not any(there), file


def test_limits_change_both_ways(name: str) -> None:
    """Memory grows past what memory and swap together were, and shrinks again."""
    with made(name, ROOT, Limits(memory=32 * MB)) as group:
        inside(group, forever)
        if not group.usage().memory_limit:
            pytest.skip("no memory controller")
        for size in (512 * MB, 16 * MB):
            assert group.update(Limits(memory=size)) == ()
            assert group.usage().memory_limit == size


def test_a_limit_that_a_group_was_made_without(name: str) -> None:
    """Its processes get into the controller that it needs."""
    with made(name, ROOT) as group:
        pid = inside(group, forever)
        until(lambda: group.processes() == [pid])
        paths = group.paths
        if group.update(Limits(cpuset_cpus="0")):
            pytest.skip("no cpuset controller")
        assert os.sched_getaffinity(pid) == {0}
        assert group.paths[: len(paths)] == paths
        assert open_group(group.paths).processes() == [pid]


def test_processors_that_are_not_there(name: str) -> None:
    with pytest.raises(EngineError, match="requested CPUs are not available: 4095, there are: "):
        make_group(name, Limits(cpuset_cpus="4095"))
    assert leftovers([name]) == []


def test_a_name_is_taken_while_it_has_processes(root: str, name: str) -> None:
    with made(name, root) as group:
        pid = inside(group, forever)
        until(lambda: group.processes() == [pid])
        with pytest.raises(GroupTaken):
            make_group(name, root=root)
        assert group.processes() == [pid]
        group.kill()
        status(pid)
        made_anew, _ = make_group(name, root=root)
        assert made_anew.paths == group.paths


def test_what_nobody_remembers(name: str) -> None:
    """Only groups without processes, and none that was made a moment ago."""
    with made(f"{name}-used", ROOT) as used:
        pid = inside(used, forever)
        until(lambda: used.processes() == [pid])
        parent = f"lamina-{name}"
        forgotten, _ = make_group(name, parent=parent)
        assert sweep(Path(forgotten.paths[0]).stat().st_mtime - 1, parent) == 0
        assert sweep(time.time() + 1, parent) == 1
        assert not [path for path in forgotten.paths if os.path.exists(Path(path).parent)]
        assert sweep(0) == 0
        assert used.processes() == [pid]


def test_below_processes(name: str) -> None:
    """In a CI pod all processes are in the group at the top of what can be seen: they go
    to a group of their own, or the kernel lets no group have a controller."""
    top = hierarchies(UNIFIED)[0].base if hierarchies(UNIFIED) else ""
    there = read(f"{top}/cgroup.controllers").split()
    if not there:
        pytest.skip("no controller in version 2")
    controller = there[-1]
    was_on = controller in read(f"{top}/cgroup.subtree_control").split()
    write(f"{top}/cgroup.subtree_control", f"+{controller}")
    base = Path(top, name)
    base.mkdir()
    group = Group((str(base),))
    try:
        pid = inside(group, forever)
        until(lambda: group.processes() == [pid])
        (base / "lamina").mkdir()
        delegate(str(base), ["lamina"], [controller], move=False)
        assert controller not in read(f"{base}/lamina/cgroup.controllers").split()
        delegate(str(base), ["lamina"], [controller], move=True)
        assert controller in read(f"{base}/lamina/cgroup.controllers").split()
        assert controller in read(f"{base}/lamina/cgroup.subtree_control").split()
        assert read(f"{base}/init/cgroup.procs").split() == [str(pid)]
        assert read(f"{base}/cgroup.procs") == ""
    finally:
        group.kill()
        os.waitpid(pid, 0)
        group.remove()
        if not was_on:
            write(f"{top}/cgroup.subtree_control", f"-{controller}")
