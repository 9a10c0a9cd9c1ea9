"""User namespaces: made with a map of ids, joined, and what is known of the one we are in.

Making and joining one wants a process with a single thread, and brings a mount namespace
along: without that root in there could mount nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import msgspec

from lamina.linux import syscall
from lamina.linux.id_mapping import Map, arguments, has, parse_map
from lamina.linux.id_mapping import text as map_text
from lamina.linux.initial import is_initial as is_initial
from lamina.linux.namespace import made

_KINDS = (("user", syscall.CLONE_NEWUSER), ("mnt", syscall.CLONE_NEWNS))
_READ = os.O_RDONLY | os.O_CLOEXEC
_SIGNALS = (2, 3, 13)
"""SIGINT, SIGQUIT and SIGPIPE: Python ignores one, and whoever started us perhaps the others."""


class MapRefused(OSError):
    """The kernel, or newuidmap, did not give the namespace its ids; the text says why."""


class Programs(msgspec.Struct, frozen=True):
    """Where newuidmap(1) and newgidmap(1) are; they may hand out subordinate ids."""

    newuidmap: str
    newgidmap: str


def own_map(kind: str = "uid") -> Map:
    """The ids of the namespace that this process is in: of users (`uid`) or groups (`gid`)."""
    return map_of("self", kind)


def map_of(pid: int | str, kind: str = "uid") -> Map:
    """The same of another process, as ids of ours.  Raises OSError when it has ended."""
    return parse_map(_text(f"/proc/{pid}/{kind}_map"))


def has_ids(uid: int, gid: int) -> bool:
    """Whether that user and group are somebody here."""
    if is_initial():
        return True
    return has(own_map("uid"), uid) and has(own_map("gid"), gid)


def may_set_groups() -> bool:
    """Whether setgroups(2) works: not in a namespace that maps a single id."""
    try:
        return _text("/proc/self/setgroups").strip() != "deny"
    except FileNotFoundError:
        return True  # before Linux 3.19, or without user namespaces


def make(uids: Map, gids: Map, programs: Programs | None) -> None:
    """Have this process in a new user namespace and mount namespace, root of both.

    Without `programs` the maps are of one id each, this process's own.  Raises OSError
    when the kernel makes no namespaces for this user, MapRefused when it gives no ids; then
    the process is of no more use.
    """
    if programs is None:
        ids = os.geteuid(), os.getegid()
        syscall.unshare(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS)
        _map_own(*ids)
        return
    with_maps = [
        [programs.newuidmap, str(os.getpid()), *arguments(uids)],
        [programs.newgidmap, str(os.getpid()), *arguments(gids)],
    ]
    begin, go = os.pipe()
    listen, say = os.pipe()
    # Who maps has to be outside, and there is no way back: it is started before.
    child = os.fork()
    if child == 0:
        os.close(go)
        _map_other(with_maps, begin, say)
    os.close(begin)
    os.close(say)
    try:
        syscall.unshare(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS)
        os.write(go, b"!")
    finally:
        os.close(go)
        said = _all_of(listen)
        _, status = os.waitpid(child, 0)
    if status:
        raise MapRefused(said.decode(errors="replace").strip() or "newuidmap failed")


def new(uids: Map, gids: Map) -> int:
    """A new user namespace with these ids of ours, open; nobody is in it.

    Wants root of our own one.  Raises OSError, MapRefused.
    """

    def furnish(pid: int) -> None:
        try:
            _write(f"/proc/{pid}/uid_map", map_text(uids))
            _write(f"/proc/{pid}/gid_map", map_text(gids))
        except OSError as error:
            raise MapRefused(error.errno, error.strerror, error.filename) from None

    return made("user", lambda: syscall.unshare(syscall.CLONE_NEWUSER), furnish)


def become_root(namespace: int) -> None:
    """Have this process, of a single thread, in an open user namespace, and root of it."""
    syscall.setns(namespace, syscall.CLONE_NEWUSER)
    # Until now it is nobody in there, and could make no file.
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


@contextmanager
def files_of(uid: int, gid: int) -> Iterator[None]:
    """Files that this thread makes belong to them, for the length of a block; it may do all
    that it may do otherwise."""
    held = syscall.capget()
    try:
        syscall.setfsids(uid, gid)
        syscall.capset(held)
        yield
    finally:
        syscall.setfsids(os.geteuid(), os.getegid())
        syscall.capset(held)


def join(pid: int) -> None:
    """Have this process in the user and mount namespace of another one of this user.

    Raises OSError, and then nothing has changed unless the second of the two was refused.
    The working directory is the root of that mount namespace.
    """
    namespaces = open_namespaces(pid)
    try:
        enter(namespaces)
    finally:
        for fd in namespaces:
            os.close(fd)


def open_namespaces(pid: int) -> list[int]:
    """The user and mount namespace of a process, open: they stay while they are."""
    return [os.open(f"/proc/{pid}/ns/{name}", _READ) for name, _ in _KINDS]


def enter(namespaces: Sequence[int]) -> None:
    """Enter what `open_namespaces` has opened."""
    for fd, (_, flag) in zip(namespaces, _KINDS, strict=True):
        syscall.setns(fd, flag)


def _map_own(uid: int, gid: int) -> None:
    try:
        # Who could leave a group could get at what that group may not.
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1\n")
        _write("/proc/self/gid_map", f"0 {gid} 1\n")
    except OSError as error:
        raise MapRefused(error.errno, error.strerror, error.filename) from None


def _map_other(commands: Sequence[Sequence[str]], begin: int, say: int) -> NoReturn:
    """In a process of its own: run `commands` when told to."""
    status = 1
    try:
        if os.read(begin, 1):
            os.dup2(say, 2)
            pids = [
                os.posix_spawn(each[0], list(each), {}, setsigdef=_SIGNALS) for each in commands
            ]
            status = max([os.waitpid(pid, 0)[1] for pid in pids])
    except OSError as error:
        os.write(say, f"{commands[0][0]}: {error.strerror}".encode())
    finally:
        os._exit(status != 0)


def _all_of(fd: int) -> bytes:
    found = b""
    while piece := os.read(fd, 4096):
        found += piece
    os.close(fd)
    return found


def _text(path: str) -> str:
    fd = os.open(path, _READ)
    try:
        return os.read(fd, 1 << 16).decode()
    finally:
        os.close(fd)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
