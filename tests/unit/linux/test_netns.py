from __future__ import annotations

import os
import subprocess

import pytest

from lamina.linux import syscall
from lamina.linux.netns import ProcessGone, in_network_of
from tests.rights import needs_rights, roots_alone


def own_network() -> str:
    return os.readlink("/proc/thread-self/ns/net")


@needs_rights
def test_work_is_done_there_and_nothing_else_is() -> None:
    here = own_network()
    with subprocess.Popen(
        ["sleep", "60"], preexec_fn=lambda: syscall.unshare(syscall.CLONE_NEWNET)
    ) as other:
        try:
            there = os.readlink(f"/proc/{other.pid}/ns/net")
            assert in_network_of(other.pid, own_network) == there != here
        finally:
            other.kill()
    assert own_network() == here


@needs_rights
@roots_alone("entering the host's network")
def test_what_the_work_raises_comes_out() -> None:
    with pytest.raises(KeyError):
        in_network_of(os.getpid(), lambda: dict[str, int]()["nothing"])


def test_a_process_that_is_gone_is_told() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with pytest.raises(ProcessGone):
        in_network_of(ended.pid, own_network)
