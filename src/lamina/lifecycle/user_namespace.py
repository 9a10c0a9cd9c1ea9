"""The user namespace of a container: the ids that it has, and the namespace at each start."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from lamina.errors import Conflict, Unsupported
from lamina.linux import userns
from lamina.linux.id_mapping import Extent, same, subordinate
from lamina.run.settings import IdRange, Settings
from lamina.run.spec import Ids
from lamina.store.atomic import locked
from lamina.store.contract import Store

COUNT = 65536
"""How many users, and how many groups, a container has."""
USER = "lamina"
"""Whose ids in /etc/subuid and /etc/subgid containers of root's get, where there are any."""
_FREE = range(0x70000000, 0x7FFE0000, COUNT)
"""What no list of ids has a use for: shadow gives out those below 600 millions, systemd's
containers those below 0x70000000, and from 0x80000000 on they are negative to some programs."""
_LOCK = "ids.lock"
_READ = os.O_RDONLY | os.O_CLOEXEC


class NoIdsLeft(Conflict):
    """Every range of ids belongs to a container."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"no {COUNT} ids are left for one more container of --userns private",
            hint=f"remove containers, or give more ids to {USER} in {path}",
        )


class NoIdsOfItsOwn(Conflict):
    """An ordinary user made the container, and root would be root in it."""

    def __init__(self) -> None:
        super().__init__(
            "the container was made by an ordinary user and has no ids of its own",
            hint="start it as that user",
        )


class NoUserNamespace(Unsupported):
    """This host makes none."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"no user namespace can be made for the container: {why}",
            hint="sysctl user.max_user_namespaces says how many there may be",
        )


class Opened(msgspec.Struct, frozen=True):
    """A user namespace that a container is to be in."""

    descriptor: int
    """The caller closes it when the container runs."""
    ids: Ids

    @property
    def path(self) -> str:
        """By our own number: a runtime that we start reads it as well."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"


@contextmanager
def with_ids(store: Store, settings: Settings, identity: str) -> Iterator[Settings]:
    """`settings` with a range of ids that no other container of the store has, for the length
    of a block in which its record is made.  Raises NoIdsLeft."""
    with locked(store.root / _LOCK):
        yield msgspec.structs.replace(settings, user_ids=_choose(store, identity))


def foreseen(store: Store, settings: Settings, identity: str) -> Ids:
    """The ids that a container of these settings would have."""
    if settings.user_ids is None:
        settings = msgspec.structs.replace(settings, user_ids=_choose(store, identity))
    return _ids(settings)


def _choose(store: Store, identity: str) -> IdRange | None:
    if not userns.is_initial():
        return None  # nobody in there may map the owners of files: the ids are as they are
    taken = [
        msgspec.convert(kept, IdRange)
        for record in store.containers.records()
        if (kept := record.settings.get("user_ids")) is not None
    ]
    uids = [(each.uid, each.count) for each in taken]
    gids = [(each.gid, each.count) for each in taken]
    uid = free_range(starts("/etc/subuid"), uids, identity)
    gid = free_range(starts("/etc/subgid"), gids, identity)
    if uid is None or gid is None:
        raise NoIdsLeft("/etc/subuid" if uid is None else "/etc/subgid")
    return IdRange(uid, gid, COUNT)


def starts(path: str) -> Sequence[int]:
    """Where ranges may begin, as /etc/subuid or /etc/subgid at `path` has it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            ranges = subordinate(stream.read(), (USER,))
    except OSError:
        ranges = []
    if not ranges:
        return _FREE
    return [at for first, size in ranges for at in range(first, first + size - COUNT + 1, COUNT)]


def free_range(
    places: Sequence[int], taken: Iterable[tuple[int, int]], identity: str
) -> int | None:
    """One of `places` whose ids none of `taken` (first id, how many) has; None if there is none.

    Which one follows from the container's `identity`: so ids that a container left on files of
    the host are not the next one's, and containers of two stores seldom have the same.
    """
    ranges = list(taken)
    first = int(identity[:8], 16)
    for step in range(len(places)):
        start = places[(first + step) % len(places)]
        if all(start + COUNT <= at or at + count <= start for at, count in ranges):
            return start
    return None


def _ids(settings: Settings) -> Ids:
    kept = settings.user_ids
    if kept is None:
        if userns.is_initial():
            raise NoIdsOfItsOwn
        return Ids(same(userns.own_map("uid")), same(userns.own_map("gid")))
    return Ids((Extent(0, kept.uid, kept.count),), (Extent(0, kept.gid, kept.count),))


def opened(settings: Settings, where: str) -> Opened | None:
    """The user namespace for a start of the container, which is `private` or the path of
    another one's (`/proc/PID/ns/user`); None when it is the one around it.

    Raises Conflict when that container has ended, NoUserNamespace.
    """
    if where == "private":
        return _new(_ids(settings))
    try:
        there = os.open(where, _READ)
        pid = where.split("/")[2]
        ids = Ids(userns.map_of(pid, "uid"), userns.map_of(pid, "gid"))
    except OSError:
        name = settings.namespaces.user.partition(":")[2]
        raise Conflict(f"container {name} has just ended", hint=f"lamina start {name}") from None
    if os.path.samestat(os.fstat(there), os.stat("/proc/self/ns/user")):
        os.close(there)
        return None
    return Opened(there, ids)


def _new(ids: Ids) -> Opened:
    try:
        return Opened(userns.new(ids.uids, ids.gids), ids)
    except OSError as error:
        raise NoUserNamespace(error.strerror or "") from None
