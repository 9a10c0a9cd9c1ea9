"""System calls that Python's `os` does not have, each under the kernel's own name.

Every function raises OSError and decides nothing.
"""

from __future__ import annotations

import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)

# Numbers from 424 on are the same on every architecture.
_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 428, 429, 430, 431, 432
_CLOSE_RANGE, _OPENAT2, _MOUNT_SETATTR = 436, 437, 442
_BY_MACHINE = {"x86_64": (155, 250, 13), "aarch64": (41, 219, 134)}
_PIVOT_ROOT, _KEYCTL, _RT_SIGACTION = _BY_MACHINE.get(os.uname().machine, (-1, -1, -1))

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

RENAME_EXCHANGE = 2
SYNC_FILE_RANGE_WRITE = 2
RWF_DONTCACHE = 0x80

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40
FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 0, 1, 6

MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4
MOUNT_ATTR_NOEXEC = 8
MOUNT_ATTR_IDMAP = 0x100000

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_TIOCSCTTY = 0x540E
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITY_VERSION_3 = 0x20080522


def _check(result: int, call: str, path: str = "") -> int:
    """Turn a failed libc call into an OSError naming the call and the path."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}", path or None)
    return result


def _call(number: int, name: str, *arguments: object, path: str = "") -> int:
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _check(libc.syscall(ctypes.c_long(number), *words), name, path)


def default_signal(number: int) -> None:
    """rt_sigaction(2) to SIG_DFL, also for the two signals that the C library keeps for
    itself and that a parent (GNU make is one) may have left ignored."""
    action = ctypes.create_string_buffer(32)  # struct sigaction of the kernel, all zero
    _call(_RT_SIGACTION, "rt_sigaction", number, action, None, 8)


def syncfs(fd: int) -> None:
    """syncfs(2): write everything of the file system that `fd` is on to disk."""
    _check(libc.syncfs(fd), "syncfs")


def sync_file_range(fd: int, offset: int, size: int) -> None:
    """sync_file_range(2): start writing these bytes of a file to disk, and do not wait."""
    words = (ctypes.c_int64(offset), ctypes.c_int64(size), ctypes.c_uint(SYNC_FILE_RANGE_WRITE))
    _check(libc.sync_file_range(fd, *words), "sync_file_range")


def exchange(one: str, other: str) -> None:
    """renameat2(2) with RENAME_EXCHANGE: each name stands for what the other stood for."""
    names = (AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other))
    _check(libc.renameat2(*names, RENAME_EXCHANGE), "renameat2", one)


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """setns(2)."""
    _check(libc.setns(fd, kind), "setns")


def mount(source: str, target: str, fstype: str, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    names = (os.fsencode(source), os.fsencode(target), os.fsencode(fstype))
    _check(libc.mount(*names, ctypes.c_ulong(flags), os.fsencode(data)), "mount", target)


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _check(libc.umount2(os.fsencode(target), flags), "umount2", target)


def pivot_root(new: str, put_old: str) -> None:
    """pivot_root(2)."""
    _call(_PIVOT_ROOT, "pivot_root", os.fsencode(new), os.fsencode(put_old), path=new)


def open_tree(directory: int, path: str, flags: int) -> int:
    """open_tree(2): a descriptor of a mount, or of a clone of it."""
    return _call(_OPEN_TREE, "open_tree", directory, os.fsencode(path), flags, path=path)


def move_mount(mount_fd: int, target_fd: int) -> None:
    """move_mount(2) of the mount `mount_fd` onto the place that `target_fd` (O_PATH) is."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    _call(_MOVE_MOUNT, "move_mount", mount_fd, b"", target_fd, b"", flags)


def mount_setattr(
    fd: int, *, set_flags: int = 0, propagation: int = 0, recursive: bool = False, userns: int = 0
) -> None:
    """mount_setattr(2): add attributes to the mount `fd` (and those below it), and give it
    another propagation (an MS_ flag), or leave that (0).  `userns` is the descriptor of a user
    namespace, for MOUNT_ATTR_IDMAP."""
    attributes = struct.pack("QQQQ", set_flags, 0, propagation, userns)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _call(_MOUNT_SETATTR, "mount_setattr", fd, b"", flags, attributes, len(attributes))


def fsopen(fstype: str) -> int:
    """fsopen(2)."""
    return _call(_FSOPEN, "fsopen", fstype.encode(), 1, path=fstype)


def fsconfig(fd: int, command: int, key: str | None = None, value: str | None = None) -> None:
    """fsconfig(2).  The error carries what the kernel wrote to the descriptor, if it did."""
    name = None if key is None else key.encode()
    text = None if value is None else os.fsencode(value)
    try:
        _call(_FSCONFIG, "fsconfig", fd, command, name, text, 0, path=value or "")
    except OSError as error:
        raise OSError(error.errno, _kernel_says(fd) or error.strerror, error.filename) from None


def _kernel_says(fd: int) -> str:
    try:
        return os.read(fd, 4096).decode(errors="replace").strip()
    except OSError:
        return ""


def fsmount(fd: int, attributes: int) -> int:
    """fsmount(2): a descriptor of a mount that is attached nowhere yet."""
    return _call(_FSMOUNT, "fsmount", fd, 1, attributes)


def openat2(directory: int, path: str, flags: int, resolve: int) -> int:
    """openat2(2), close-on-exec."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, resolve)
    return _call(_OPENAT2, "openat2", directory, os.fsencode(path), how, len(how), path=path)


def close_range(first: int) -> None:
    """close_range(2): close every descriptor from `first` on."""
    _call(_CLOSE_RANGE, "close_range", first, 0x7FFFFFFF, 0)


def prctl(option: int, value: int = 0, second: int = 0) -> None:
    """prctl(2)."""
    words = [ctypes.c_ulong(each) for each in (value, second, 0, 0)]
    _check(libc.prctl(option, *words), "prctl")


def set_seccomp_filter(program: bytes) -> None:
    """prctl(PR_SET_SECCOMP): `program` is an array of `struct sock_filter`."""
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _check(
        libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), header, 0, 0), "seccomp"
    )


def capget() -> int:
    """capget(2): the permitted set of this process as a bit mask."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    data = ctypes.create_string_buffer(24)
    _check(libc.capget(header, data), "capget")
    _, low, _, _, high, _ = struct.unpack("6I", data.raw)
    return int(low) | int(high) << 32


def capset(mask: int) -> None:
    """capset(2): `mask` as effective and permitted set, nothing inheritable."""
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _check(libc.capset(header, struct.pack("6I", low, low, 0, high, high, 0)), "capset")


def setfsids(uid: int, gid: int) -> None:
    """setfsuid(2) and setfsgid(2) of this thread.  Neither says whether it was refused; who is
    not root for files any more has lost the capabilities for them, until `capset`."""
    libc.setfsgid(ctypes.c_uint(gid))
    libc.setfsuid(ctypes.c_uint(uid))


def prlimit(resource: int, limits: tuple[int, int] | None = None) -> tuple[int, int]:
    """prlimit(2) of this process: the soft and hard limit before, and new ones; -1 is none."""
    old = ctypes.create_string_buffer(16)
    new = None if limits is None else struct.pack("qq", *limits)
    _check(libc.prlimit(0, resource, new, old), "prlimit")
    soft, hard = struct.unpack("qq", old.raw)
    return soft, hard


def sethostname(name: str) -> None:
    """sethostname(2)."""
    raw = os.fsencode(name)
    _check(libc.sethostname(raw, ctypes.c_size_t(len(raw))), "sethostname", name)


def setdomainname(name: str) -> None:
    """setdomainname(2)."""
    raw = os.fsencode(name)
    _check(libc.setdomainname(raw, ctypes.c_size_t(len(raw))), "setdomainname", name)


def join_session_keyring(name: str) -> None:
    """keyctl(KEYCTL_JOIN_SESSION_KEYRING): a new session keyring."""
    _call(_KEYCTL, "keyctl", _KEYCTL_JOIN_SESSION_KEYRING, name.encode())


def set_controlling_terminal(fd: int) -> None:
    """ioctl(TIOCSCTTY)."""
    _check(libc.ioctl(fd, ctypes.c_ulong(_TIOCSCTTY), 0), "ioctl TIOCSCTTY")


def unlock_terminal(master: int) -> None:
    """ioctl(TIOCSPTLCK): let the other end of a pseudo-terminal be opened."""
    _check(libc.ioctl(master, ctypes.c_ulong(_TIOCSPTLCK), struct.pack("i", 0)), "ioctl TIOCSPTLCK")


def open_terminal_peer(master: int, flags: int) -> int:
    """ioctl(TIOCGPTPEER): the other end of a pseudo-terminal, opened by no name."""
    words = (ctypes.c_ulong(_TIOCGPTPEER), ctypes.c_int(flags))
    return _check(libc.ioctl(master, *words), "ioctl TIOCGPTPEER")


def raise_interface(name: str) -> None:
    """ioctl(SIOCSIFFLAGS): set a network interface up."""
    af_inet, sock_dgram, siocsifflags, iff_up = 2, 2, 0x8914, 1
    fd = _check(libc.socket(af_inet, sock_dgram | os.O_CLOEXEC, 0), "socket")
    try:
        request = struct.pack("16sh22x", name.encode(), iff_up)
        _check(libc.ioctl(fd, ctypes.c_ulong(siocsifflags), request), "ioctl SIOCSIFFLAGS", name)
    finally:
        os.close(fd)
