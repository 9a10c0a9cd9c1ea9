"""Which ids a user has in a user namespace: /etc/subuid and /etc/subgid, and maps.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec


class Extent(msgspec.Struct, frozen=True):
    """A row of /proc/PID/uid_map: `count` ids from `inside` on are those from `outside` on."""

    inside: int
    outside: int
    count: int


Map = tuple[Extent, ...]


def subordinate(text: str, names: Iterable[str]) -> list[tuple[int, int]]:
    """The ranges of somebody in /etc/subuid or /etc/subgid: first id and how many.

    `names` are the user's name and its number in decimal, both of which the file may have.
    Lines that are none of the format (subuid(5)) are passed over, as shadow's tools do.
    """
    wanted = set(names)
    found = []
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) != 3 or fields[0] not in wanted:
            continue
        first, count = fields[1:]
        if first.isdecimal() and count.isdecimal() and int(count):
            found.append((int(first), int(count)))
    return found


def user_map(own: int, ranges: Sequence[tuple[int, int]]) -> Map:
    """Root is the user itself; 1, 2, … are the subordinate ids, one range after the other."""
    extents = [Extent(0, own, 1)]
    at = 1
    for first, count in ranges:
        extents.append(Extent(at, first, count))
        at += count
    return tuple(extents)


def parse_map(text: str) -> Map:
    """What the kernel writes into /proc/PID/uid_map."""
    return tuple(Extent(*map(int, line.split())) for line in text.splitlines())


def arguments(extents: Iterable[Extent]) -> list[str]:
    """A map as newuidmap(1) takes it, after the process's id."""
    return [str(each) for extent in extents for each in msgspec.structs.astuple(extent)]


def text(extents: Iterable[Extent]) -> str:
    """A map as the kernel takes it in /proc/PID/uid_map."""
    return "".join(f"{each.inside} {each.outside} {each.count}\n" for each in extents)


def same(extents: Iterable[Extent]) -> Map:
    """For a namespace inside of the one that has this map: each of its ids stands for itself."""
    return tuple(Extent(each.inside, each.inside, each.count) for each in extents)


def reverse(extents: Iterable[Extent]) -> Map:
    """The map from outside to inside."""
    return tuple(Extent(each.outside, each.inside, each.count) for each in extents)


def outside(extents: Iterable[Extent], number: int) -> int | None:
    """Which id outside one of the namespace stands for; None when it has no such id."""
    for extent in extents:
        if extent.inside <= number < extent.inside + extent.count:
            return extent.outside + number - extent.inside
    return None


def has(extents: Iterable[Extent], number: int) -> bool:
    """Whether an id of the namespace stands for anybody outside."""
    return any(extent.inside <= number < extent.inside + extent.count for extent in extents)


def size(extents: Iterable[Extent]) -> int:
    """How many ids the namespace has."""
    return sum(extent.count for extent in extents)
