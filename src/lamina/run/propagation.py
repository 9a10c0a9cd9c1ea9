"""Whether what the host mounts below a path later may be seen in a container."""

from __future__ import annotations

import os

from lamina.errors import Conflict
from lamina.linux.mountinfo import MountLine, mount_of


class NotShared(Conflict):
    """The mount that the path lies on has not the propagation which is asked for."""

    def __init__(self, path: str, mount: MountLine, wanted: str) -> None:
        super().__init__(
            f"path {path} is mounted on {mount.target} but it is not {wanted} mount",
            hint=f"mount --make-rshared {mount.target}",
        )


def check_propagation(path: str, kind: str) -> None:
    """That `path` lies on a mount that is shared, or for `slave` shared or a slave.

    Raises NotShared.
    """
    mount = mount_of(os.path.realpath(path))
    if kind == "shared" and not mount.shared:
        raise NotShared(path, mount, "a shared")
    if kind == "slave" and not (mount.shared or mount.slave):
        raise NotShared(path, mount, "a shared or slave")
