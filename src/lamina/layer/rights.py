"""What files can be given here: everything by root of the machine, less in a user namespace or
without its capabilities.

A layer's listing and headers keep what its files cannot be given, so the exact tar
comes back all the same.
"""

from __future__ import annotations

from functools import cache

import msgspec

from lamina.errors import Denied
from lamina.linux import userns
from lamina.linux.ability import missing
from lamina.linux.id_mapping import size

_ANYBODYS = ("user.", "security.capability")
_WITH_IDS = ("system.posix_acl_access", "system.posix_acl_default")


class Rights(msgspec.Struct, frozen=True):
    """What a tree has of what its entries say."""

    devices: bool = True
    """False: devices are left out, as nobody could open them."""
    owners: bool = True
    """False: there is one id, which all files belong to."""
    attributes: bool = True
    """False: those are left out that only root of the machine may set."""

    def takes(self, attribute: str) -> bool:
        """Whether files get that extended attribute."""
        if self.attributes or attribute.startswith(_ANYBODYS):
            return True
        return self.owners and attribute in _WITH_IDS


@cache
def rights_here() -> Rights:
    """The rights of this process, which does not enter another user namespace from here on."""
    lacking = missing(("CHOWN", "MKNOD"))
    owners = "CHOWN" not in lacking
    if userns.is_initial():
        return Rights(devices="MKNOD" not in lacking, owners=owners)
    single = size(userns.own_map("uid")) == 1 or size(userns.own_map("gid")) == 1
    return Rights(devices=False, owners=owners and not single, attributes=False)


class NotOurs(Denied):
    """A file cannot be given to its owner."""

    def __init__(self, path: str, uid: int, gid: int) -> None:
        hint = "run as root"
        if not userns.is_initial():
            count = size(userns.own_map("uid"))
            hint = f"this user has ids up to {count - 1}; add more in /etc/subuid and /etc/subgid"
        super().__init__(f"this user may not give {path!r} to {uid}:{gid}", hint=hint)
