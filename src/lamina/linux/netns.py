"""Work done in the network of another process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from lamina.errors import Unavailable
from lamina.linux import syscall

T = TypeVar("T")
_NS_GET_USERNS = 0xB701
_MOMENT = 2.0
"""Seconds that an interrupt waits for the work."""


class ProcessGone(Unavailable):
    """The process has ended, and its network with it."""


def in_network_of(pid: int, work: Callable[[], T]) -> T:
    """What `work` returns, or raises, when it is called in the network namespace of `pid`.

    It runs in a thread of its own, which alone changes its namespace; so do the processes
    that it starts.  Raises ProcessGone.
    """
    try:
        there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise ProcessGone(f"process {pid} has ended") from None
    try:
        return within_network(there, work)
    finally:
        os.close(there)


def within_network(namespace: int, work: Callable[[], T]) -> T:
    """What `work` returns, or raises, in a network namespace that is open; in a thread of its
    own."""

    def run() -> T:
        syscall.setns(namespace, syscall.CLONE_NEWNET)
        return work()

    return _in_thread(run)


def owns_network() -> bool:
    """Whether this process's network namespace belongs to its own user namespace: otherwise
    it may change nothing of it, also as root."""
    there = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        owner = fcntl.ioctl(there, _NS_GET_USERNS)
    except OSError:
        return False  # it belongs to one that we are inside of
    finally:
        os.close(there)
    try:
        return os.path.samestat(os.fstat(owner), os.stat("/proc/self/ns/user"))
    finally:
        os.close(owner)


def in_new_network(work: Callable[[int], T], owner: int = -1) -> tuple[int, T]:
    """A new network namespace, open, and what `work` returned in it; `work` gets the descriptor.

    It belongs to the user namespace `owner` (a descriptor), or to ours.  Only the thread in
    which `work` runs is ever in it.  The caller closes the descriptor, and the namespace ends
    with its last holder.  Raises OSError; when `work` raises, nothing stays.
    """

    def run() -> tuple[int, T]:
        if owner >= 0:
            there = _new_of(owner)
            syscall.setns(there, syscall.CLONE_NEWNET)
        else:
            syscall.unshare(syscall.CLONE_NEWNET)
            there = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return there, work(there)
        except BaseException:
            os.close(there)
            raise

    return _in_thread(run)


def _new_of(owner: int) -> int:
    """A new network namespace of another user namespace: only a whole process can enter that."""
    from lamina.linux.namespace import made

    def make() -> None:
        syscall.setns(owner, syscall.CLONE_NEWUSER)
        syscall.unshare(syscall.CLONE_NEWNET)

    return made("net", make)


def _in_thread(work: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            failures.append(error)

    thread = Thread(target=run, name="network", daemon=True)
    try:
        thread.start()
        thread.join()
    except BaseException:
        # What the work starts must be known to whoever is interrupted here.
        thread.join(_MOMENT)
        raise
    if failures:
        raise failures[0]
    return results[0]
