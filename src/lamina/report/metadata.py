"""What changed of a file beside its content, in words.  Pure."""

from __future__ import annotations

from lamina.explain.owners import Owners
from lamina.layer.entry import Entry, Kind


def changes_text(old: Entry, new: Entry, before: Owners, after: Owners) -> str:
    """`mode 0644 → 0600, owner root → www-data`; empty when nothing of that changed.

    `before` and `after` have the names of their owners.
    """
    changes = []
    if old.mode != new.mode and new.kind is not Kind.SYMLINK:
        changes.append(f"mode {old.mode:04o} → {new.mode:04o}")
    if old.uid != new.uid:
        changes.append(f"owner {before.user(old.uid)} → {after.user(new.uid)}")
    if old.gid != new.gid:
        changes.append(f"group {before.group(old.gid)} → {after.group(new.gid)}")
    if old.xattrs != new.xattrs:
        names = sorted({name for name, _ in set(old.xattrs) ^ set(new.xattrs)})
        changes.append(f"attributes {', '.join(names)}")
    return ", ".join(changes)
