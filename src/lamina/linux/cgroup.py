"""Control groups: which kind this host has, and how a process joins one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from lamina.linux import joining

Kind = Literal["none", "v1", "v2", "hybrid"]
ROOT = "/sys/fs/cgroup"


def detect(root: str = ROOT) -> Kind:
    """`v2` (one hierarchy), `v1` (one each controller), `hybrid` (v1, and v2 without
    controllers beside it), or `none`."""
    if os.path.exists(f"{root}/cgroup.controllers"):
        return "v2"
    try:
        names = os.listdir(root)
    except OSError:
        return "none"
    if not names:
        return "none"
    return "hybrid" if os.path.exists(f"{root}/unified/cgroup.controllers") else "v1"


def join(group: Path) -> None:
    """Move this process, which has one thread, into a group.  Raises OSError."""
    joining.join(str(group))
