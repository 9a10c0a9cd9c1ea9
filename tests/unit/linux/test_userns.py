"""User namespaces of a process, each made in a child that ends with it."""

from __future__ import annotations

import fcntl
import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.linux import mounts, syscall, userns
from lamina.linux.id_mapping import Extent
from lamina.linux.netns import in_new_network
from lamina.linux.pidns import fork_first


def in_child(work: Callable[[], object]) -> None:
    """Run `work` in a process of its own; what it raises fails the test."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - it is told to our parent
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writer)
    said = b""
    while piece := os.read(reader, 65536):
        said += piece
    os.close(reader)
    os.waitpid(pid, 0)
    assert said == b"", said.decode()


def alone() -> None:
    """Be root of a namespace of one id."""
    own = (Extent(0, os.geteuid(), 1),)
    userns.make(own, own, None)


def _may_make_them() -> bool:
    try:
        in_child(alone)
    except AssertionError:
        return False
    return True


pytestmark = pytest.mark.skipif(not _may_make_them(), reason="no user namespaces here")


def test_one_id() -> None:
    uid = os.geteuid()

    def work() -> None:
        before = os.getpid(), os.getcwd()
        alone()
        assert (os.getpid(), os.getcwd()) == before
        assert os.geteuid() == 0
        assert not userns.is_initial()
        assert userns.own_map() == (Extent(0, uid, 1),)
        assert userns.has_ids(0, 0)
        assert not userns.has_ids(1, 0)
        assert not userns.may_set_groups()

    in_child(work)


def test_the_first_process_of_a_pid_namespace_is_a_child_of_ours() -> None:
    def work() -> None:
        alone()
        pid = fork_first()
        if pid == 0:
            os._exit(40 + os.getpid())
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 41
        other = os.fork()
        if other == 0:
            os._exit(os.getpid() == 1)
        assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, 0)

    in_child(work)


def test_who_has_been_mapped_can_be_joined() -> None:
    def work() -> None:
        ready, tell = os.pipe()
        done, end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(end)
            alone()
            os.write(tell, b"!")
            os.read(done, 1)
            os._exit(0)
        os.read(ready, 1)
        userns.join(pid)
        same = [os.stat(f"/proc/{each}/ns/mnt").st_ino for each in ("self", pid)]
        assert same[0] == same[1]
        assert not userns.is_initial()
        os.close(end)
        os.waitpid(pid, 0)

    in_child(work)


def test_the_programs_words_are_told_when_they_refuse() -> None:
    own = (Extent(0, os.geteuid(), 1), Extent(1, 100000, 10))

    def work() -> None:
        with pytest.raises(userns.MapRefused, match="nonesuch"):
            userns.make(own, own, userns.Programs("/nonesuch", "/nonesuch"))

    in_child(work)


def test_a_program_that_fails_without_a_word_is_an_error() -> None:
    own = (Extent(0, os.geteuid(), 1), Extent(1, 100000, 10))

    def work() -> None:
        with pytest.raises(userns.MapRefused, match="failed"):
            userns.make(own, own, userns.Programs("/bin/false", "/bin/true"))

    in_child(work)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: ids of others")


@needs_root
def test_a_new_one_with_ids_of_ours() -> None:
    map_ = (Extent(0, 3_000_000_000, 10),)

    def work() -> None:
        namespace = userns.new(map_, map_)
        userns.become_root(namespace)
        assert (os.geteuid(), os.getegid()) == (0, 0)
        assert userns.own_map("uid")[0].count == 10
        assert not userns.has_ids(10, 0)

    in_child(work)


@needs_root
def test_a_new_one_whose_map_the_kernel_does_not_take() -> None:
    before = os.listdir("/proc/self/fd")
    twice = (Extent(0, 3_000_000_000, 10), Extent(5, 3_100_000_000, 10))
    with pytest.raises(userns.MapRefused):
        userns.new(twice, twice)
    assert os.listdir("/proc/self/fd") == before


@needs_root
def test_files_that_belong_to_others(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    held = syscall.capget()
    with userns.files_of(12, 13):
        (closed / "file").touch()  # nobody's directory keeps it from writing there
    (tmp_path / "ours").touch()
    status = (closed / "file").stat()
    assert (status.st_uid, status.st_gid) == (12, 13)
    assert (tmp_path / "ours").stat().st_uid == 0
    assert syscall.capget() == held


@needs_root
def test_the_owners_of_a_file_system_that_maps_none() -> None:
    map_ = (Extent(0, 3_000_000_000, 10),)
    namespace = userns.new(map_, map_)
    mount = mounts.clone(syscall.AT_FDCWD, "/proc", recursive=False)
    try:
        with pytest.raises(mounts.OwnersNotMapped, match="the files of /proc cannot be given"):
            mounts.map_owners(mount, namespace, "/proc")
    finally:
        os.close(mount)
        os.close(namespace)


@needs_root
def test_a_network_that_belongs_to_another() -> None:
    map_ = (Extent(0, 3_000_000_000, 10),)
    namespace = userns.new(map_, map_)
    network, _ = in_new_network(lambda fd: None, namespace)
    try:
        owner = fcntl.ioctl(network, 0xB701)  # NS_GET_USERNS
        assert os.path.samestat(os.fstat(owner), os.fstat(namespace))
        os.close(owner)
    finally:
        os.close(network)
        os.close(namespace)
