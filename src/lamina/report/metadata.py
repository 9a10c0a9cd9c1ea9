"""What changed of a file beside its content, in words.  Pure."""

from __future__ import annotations

from lamina.explain.owners import Owners
from lamina.layer.entry import Entry, Kind


def changes_text(old: Entry, new: Entry, owners: Owners, before: Owners | None = None) -> str:
    """`mode 0644 → 0600, owner root → www-data`; empty when nothing of that changed.

    `before` has the names of the old owners, when they are of another image.
    """
    before = before or owners
    changes = []
    if old.mode != new.mode and new.kind is not Kind.SYMLINK:
        changes.append(f"mode {old.mode:04o} → {new.mode:04o}")
    if old.uid != new.uid:
        changes.append(f"owner {before.user(old.uid)} → {owners.user(new.uid)}")
    if old.gid != new.gid:
        changes.append(f"group {before.group(old.gid)} → {owners.group(new.gid)}")
    if old.xattrs != new.xattrs:
        names = sorted({name for name, _ in set(old.xattrs) ^ set(new.xattrs)})
        changes.append(f"attributes {', '.join(names)}")
    return ", ".join(changes)
