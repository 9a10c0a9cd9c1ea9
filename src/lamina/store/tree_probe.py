"""Whether layers can be kept as directories: tried, with one that is gone again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from lamina.layer.whiteout import Whiteouts
from lamina.store.trash import delete_tree


def why_no_trees(directory: Path, whiteouts: Whiteouts) -> str:
    """Why a tree in `directory` cannot have whiteouts, opaque directories, or files of other
    owners; empty when it can."""
    place = directory / f".tmp-{os.urandom(8).hex()}"
    try:
        place.mkdir(mode=0o700)
    except OSError:
        return ""  # whoever writes there is told why not
    try:
        return _tried(os.fsencode(place), whiteouts)
    finally:
        delete_tree(place)


def _tried(place: bytes, whiteouts: Whiteouts) -> str:
    try:
        os.mkdir(place + b"/d")
        whiteouts.hide_lower(place + b"/d")
    except OSError as error:
        return f"this process may not set {whiteouts.prefix}* attributes ({_words(error)})"
    try:
        whiteouts.delete(place + b"/d/gone")
    except OSError as error:
        return f"its file system takes no whiteouts, as no overlay does ({_words(error)})"
    if os.geteuid() != 0:
        try:
            os.chown(place + b"/d", 0, 0)
        except OSError as error:
            return f"files cannot be given to root ({_words(error)})"
    return ""


def _words(error: OSError) -> str:
    return os.strerror(error.errno or errno.EPERM).lower()
