"""The mount table of this process (/proc/self/mountinfo)."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

_ESCAPE = r"\\([0-7]{3})"


class MountLine(msgspec.Struct, frozen=True):
    """One mount."""

    root: str
    """Which directory of its file system it shows."""
    target: str
    shared: bool
    slave: bool


def parse_mountinfo(text: str) -> list[MountLine]:
    """The mounts, in the kernel's order: a later one hides an earlier one of the same target."""
    found = []
    for line in text.splitlines():
        words = line.split(" ")
        tags = words[6 : words.index("-")]
        found.append(
            MountLine(
                _plain(words[3]),
                _plain(words[4]),
                any(tag.startswith("shared:") for tag in tags),
                any(tag.startswith("master:") for tag in tags),
            )
        )
    return found


def _plain(text: str) -> str:
    return re.sub(_ESCAPE, lambda found: chr(int(found[1], 8)), text)


def mount_of(path: str, table: Path = Path("/proc/self/mountinfo")) -> MountLine:
    """The mount that an absolute `path` without links lies on."""
    mounts = parse_mountinfo(table.read_text(encoding="utf-8", errors="surrogateescape"))
    below = f"{path}/"
    above = [each for each in mounts if below.startswith(f"{each.target.rstrip('/')}/")]
    return max(enumerate(above), key=lambda pair: (len(pair[1].target), pair[0]))[1]
