"""The words for what entries are and what became of them: the same in every report.  Pure."""

from __future__ import annotations

from lamina.layer.entry import Kind
from lamina.layer.union import Cause

NOUNS = {
    Kind.FILE: "file",
    Kind.HARDLINK: "file",
    Kind.SYMLINK: "link",
    Kind.CHAR: "character device",
    Kind.BLOCK: "block device",
    Kind.DIRECTORY: "directory",
    Kind.FIFO: "named pipe",
}
"""What an entry is; a hard link is a file by another name."""

DONE = {
    Cause.OVERWRITTEN: "overwritten",
    Cause.DUPLICATED: "duplicated",
    Cause.DELETED: "deleted",
    Cause.OPAQUE: "deleted",
    Cause.REPLACED: "replaced",
    Cause.SUPERSEDED: "superseded",
    Cause.MERGED: "merged",
}
"""What was done to a file, as a sentence has it: `deleted by layer 4`."""
