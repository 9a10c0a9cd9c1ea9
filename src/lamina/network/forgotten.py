"""What stores have left on this host that are gone themselves: bridges and tables.

Whoever deletes a store's directory deletes all that its commands would go by.  The kernel's
side says whose it is: a bridge by its alias, a table by its comment.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from lamina.errors import EngineError
from lamina.linux import netfilter as nft
from lamina.linux import netlink_route as route
from lamina.linux.ability import missing
from lamina.linux.netlink import ROUTE, Message, Netlink
from lamina.linux.netns import owns_network
from lamina.network.host import TABLE, root_of
from lamina.network.state import State, token


class Forgotten(msgspec.Struct, frozen=True):
    """What was found of stores that are gone."""

    removed: tuple[str, ...] = ()
    """The names of bridges and tables."""
    used: tuple[str, ...] = ()
    """The root directories of those whose containers still run: theirs is left."""


def remove_forgotten() -> Forgotten:
    """Take away the bridges and tables of stores that are gone, of this network namespace.

    A bridge with links in it is used, by containers that have outlived their store: it stays,
    and so does the table of that store.  Who may not change networks takes away nothing.
    """
    if not owns_network() or missing(("NET_ADMIN",)):
        return Forgotten()
    with Netlink(ROUTE) as links, nft.open_netfilter() as netfilter:
        used, removed = _bridges(links)
        for name, root in nft.tables(netfilter):
            if root and root not in used and name.startswith(TABLE) and _is_gone(name, root):
                _try(lambda each: nft.commit(netfilter, [each]), nft.delete_table(name))
                removed.append(name)
    return Forgotten(tuple(removed), tuple(sorted(used)))


def _bridges(netlink: Netlink) -> tuple[set[str], list[str]]:
    """The roots whose bridges are used, and the names of the bridges that were taken away."""
    found = route.links(netlink)
    masters = {each.master for each in found}
    used, removed = set(), []
    for link in found:
        root = root_of(link.alias)
        if not root or _has(root, link.name):
            continue
        if link.index in masters:
            used.add(root)
            continue
        _try(netlink.ask, route.delete_link(link.index))
        removed.append(link.name)
    return used, removed


def _has(root: str, bridge: str) -> bool:
    """Whether there is a store that has a network on the bridge; yes when that cannot be read."""
    try:
        os.stat(root)
        return any(each.bridge == bridge for each in State(Path(root)).networks())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (EngineError, OSError):
        return True


def _is_gone(table: str, root: str) -> bool:
    """Whether a table's store is not at its place any more, or another one is."""
    try:
        return TABLE + token(Path(root)) != table
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _try(ask: Callable[[Message], None], message: Message) -> None:
    try:
        ask(message)
    except OSError as error:
        if error.errno not in {errno.ENODEV, errno.ENOENT}:  # somebody was faster
            raise
