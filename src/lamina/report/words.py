"""The words for what became of files: the same in every report.  Pure."""

from __future__ import annotations

from lamina.layer.union import Cause

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
