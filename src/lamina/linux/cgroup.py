"""Control groups: which kind this host has."""

from __future__ import annotations

import os
from typing import Literal

Kind = Literal["none", "v1", "v2", "hybrid"]


def detect(root: str = "/sys/fs/cgroup") -> Kind:
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
