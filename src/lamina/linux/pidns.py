"""fork(2) into another pid namespace, a new one or that of a process."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from lamina.linux import syscall
from lamina.linux.initial import is_initial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE_PARENT = 0x00008000
_SIGCHLD = 17
_PID = struct.Struct("i")
_NEW, _SAME = -1, -2


def fork_first() -> int:
    """fork(2): the child, in which this returns 0, is the first process of a new pid namespace.

    The caller's other children are where they would be without.  Returns the child's pid
    here.  Raises OSError.  The child must not rely on locks that other threads may hold.
    """
    return _fork(_NEW)


def fork_into(process: int) -> int:
    """fork(2): the child, in which this returns 0, is in the pid namespace of the process that
    the descriptor `process` (pidfd_open(2)) is of.  As `fork_first` for the rest."""
    return _fork(process)


def fork_prepared(where: int | None, prepare: Callable[[], None], *, new: bool) -> int:
    """fork(2) by way of a process that ends with it, and in which `prepare` runs before.

    The child, in which this returns 0, is our child nevertheless, and has all that `prepare`
    changed.  It is in the pid namespace `where` (a descriptor), in a `new` one, or in ours.
    When `prepare` ends the process between, that one's pid is returned, to be waited for.
    """
    return _through_another(_NEW if new else _SAME if where is None else where, prepare)


def _fork(process: int) -> int:
    return _and_back(process) if is_initial() else _through_another(process)


def fork_quietly() -> int:
    """fork(2), though there may be other threads: the child must not rely on their locks."""
    if sys.version_info < (3, 12):
        return os.fork()
    import warnings

    with warnings.catch_warnings():
        # Python warns of it.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _and_back(process: int) -> int:
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    pid = -1
    try:
        if process == _NEW:
            syscall.unshare(syscall.CLONE_NEWPID)
        else:
            syscall.setns(process, syscall.CLONE_NEWPID)
        try:
            pid = fork_quietly()
        finally:
            if pid:  # the child is where it should be, and could not leave
                syscall.setns(own, syscall.CLONE_NEWPID)
    finally:
        os.close(own)
    return pid


def _through_another(process: int, prepare: Callable[[], None] = lambda: None) -> int:
    """In a user namespace nobody may go back to the machine's pid namespace: a process that
    ends at once goes, and gives its parent another child."""
    reader, writer = os.pipe()
    between = fork_quietly()
    if between == 0:
        try:
            if process >= 0:
                syscall.setns(process, syscall.CLONE_NEWPID)
            prepare()
            new = syscall.CLONE_NEWPID if process == _NEW else 0
            pid = _clone(new | _CLONE_PARENT | _SIGCHLD)
            if pid == 0:
                os.close(reader)
                os.close(writer)
                return 0
        except OSError as error:
            pid = -(error.errno or 1)
        os.write(writer, _PID.pack(pid))
        os._exit(0)
    os.close(writer)
    try:
        told = os.read(reader, _PID.size)
    finally:
        os.close(reader)
    if not told:
        return between
    os.waitpid(between, 0)
    (pid,) = _PID.unpack(told)
    if pid < 0:
        raise OSError(-pid, f"clone: {os.strerror(-pid)}")
    return int(pid)


def _clone(flags: int) -> int:
    """clone(2) as fork does it, in a process with one thread."""
    # The interpreter stays locked: the child wakes as its owner, as after os.fork.
    call = ctypes.PyDLL(None, use_errno=True).syscall
    number = _CLONE[os.uname().machine]
    pid = call(*map(ctypes.c_long, (number, flags, 0, 0, 0, 0)))
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    return int(pid)
