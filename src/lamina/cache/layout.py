"""A cache in a directory, written again and again: what nothing there names any more goes."""

from __future__ import annotations

import os
from pathlib import Path

from lamina.errors import EngineError, Unsupported
from lamina.oci import mediatype
from lamina.oci.manifest import Index, Manifest
from lamina.transfer.layout import INDEX_FILE, blob_name
from lamina.transfer.members import DirectoryMembers, Members, read_document


class NotUnderstood(Unsupported):
    """A layout has something in it that may name blobs in a way that is not known here."""


def remove_unnamed(directory: Path, *, before: float) -> int:
    """Delete the blobs of a layout that its index does not lead to; returns the bytes freed.

    Only those last written before that time (seconds since the epoch): others may belong
    to whoever is writing there now.  A layout that is not understood is left alone.
    """
    try:
        named = _named(DirectoryMembers(directory))
    except EngineError:
        return 0
    freed = 0
    blobs = directory / "blobs" / "sha256"
    for name in os.listdir(blobs):
        status = (blobs / name).stat()
        if len(name) == 64 and name not in named and status.st_mtime < before:
            (blobs / name).unlink(missing_ok=True)
            freed += status.st_size
    return freed


def _named(members: Members) -> set[str]:
    """The hexadecimal digits of every blob that the index leads to."""
    found: set[str] = set()
    waiting = list(Index.parse(read_document(members, INDEX_FILE)).manifests)
    while waiting:
        descriptor = waiting.pop()
        if descriptor.digest.hex in found:
            continue
        found.add(descriptor.digest.hex)
        raw = read_document(members, blob_name(descriptor.digest))
        if descriptor.media_type in mediatype.INDEXES:
            waiting += Index.parse(raw).manifests
        elif descriptor.media_type in mediatype.MANIFESTS:
            manifest = Manifest.parse(raw)
            found |= {each.digest.hex for each in (manifest.config, *manifest.layers)}
        else:
            raise NotUnderstood(f"{members.what} has a {descriptor.media_type}")
    return found
