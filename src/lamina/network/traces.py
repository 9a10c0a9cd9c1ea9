"""Whether a container has a network of ours, told at a glance: every start and every end asks,
and most containers of a build have none."""

from __future__ import annotations

import os

PLACE, MEMBERS = "networks", "members"
"""The directory of networks in a store, and that of the files of their members in it."""


def is_member(root: str, container: str) -> bool:
    """Whether there is anything for `close_sandbox` to take away."""
    return os.path.exists(f"{root}/{PLACE}/{MEMBERS}/{container}.json")


def has_members(root: str) -> bool:
    """Whether there is anything for `reconcile` to look at."""
    try:
        return bool(os.listdir(f"{root}/{PLACE}/{MEMBERS}"))
    except FileNotFoundError:
        return False
