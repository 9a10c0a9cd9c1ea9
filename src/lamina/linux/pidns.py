"""fork(2) into a new pid namespace."""

from __future__ import annotations

import ctypes
import os
import struct
import warnings

from lamina.linux import syscall
from lamina.linux.userns import is_initial

_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE_PARENT = 0x00008000
_SIGCHLD = 17
_PID = struct.Struct("i")


def fork_first() -> int:
    """fork(2): the child, in which this returns 0, is the first process of a new pid namespace.

    The caller's other children are where they would be without.  Returns the child's pid
    here.  Raises OSError.  The child must not rely on locks that other threads may hold.
    """
    with warnings.catch_warnings():
        # Python warns of forking beside threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _and_back() if is_initial() else _through_another()


def _and_back() -> int:
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    pid = -1
    try:
        syscall.unshare(syscall.CLONE_NEWPID)
        try:
            pid = os.fork()
        finally:
            if pid:  # the child is where it should be, and could not leave
                syscall.setns(own, syscall.CLONE_NEWPID)
    finally:
        os.close(own)
    return pid


def _through_another() -> int:
    """In a user namespace nobody may go back to the machine's pid namespace: a process that
    ends at once goes, and gives its parent another child."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            pid = _clone(syscall.CLONE_NEWPID | _CLONE_PARENT | _SIGCHLD)
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
        (pid,) = _PID.unpack(os.read(reader, _PID.size))
    finally:
        os.close(reader)
        os.waitpid(between, 0)
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
