"""The root directory of a store: made once, opened with a single read."""

from __future__ import annotations

import os
from pathlib import Path

from lamina.errors import Conflict
from lamina.layer.contract import Form
from lamina.oci.platform import Platform
from lamina.store.atomic import locked, replace_file
from lamina.store.blobs import DirBlobs
from lamina.store.containers import DirContainers
from lamina.store.contract import Store
from lamina.store.errors import NewerFormat, writing
from lamina.store.events import Journal
from lamina.store.images import Images
from lamina.store.layers import DirLayers
from lamina.store.leases import DirLeases
from lamina.store.place import FORMAT
from lamina.store.refs import IndexRefs, empty_index
from lamina.store.steps import DirSteps

OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_DIRECTORIES = ("blobs", "blobs/sha256", "layers", "objects", "steps", "containers", "leases")
_LOCK = "init.lock"
_ROOTLESS = {"userns", "run"}
"""What an ordinary user's command line makes before it opens a store."""


class NotAStore(Conflict):
    """The directory holds something else."""

    def __init__(self, root: Path, reason: str) -> None:
        super().__init__(
            f"{root} is no store and cannot become one: {reason}",
            hint="choose another directory with --root or LAMINA_ROOT",
        )


def open_store(root: Path, *, layer_form: Form | None = None) -> Store:
    """Open the store at `root`, making it (mode 0700) if it is not there.

    `layer_form` is how new layers are kept; None: as images where that works, else as
    trees.  Costs one read when the store is there.  Raises NewerFormat, NotAStore,
    NotPermitted, NoSpace.
    """
    try:
        found = (root / "format").read_text()
    except (FileNotFoundError, NotADirectoryError):
        _make(root)
    except PermissionError as error:
        with writing(root):
            raise error
    else:
        _check_format(root, found)
    blobs = DirBlobs(root / "blobs" / "sha256")
    refs = IndexRefs(root)
    layers = DirLayers(root, form=layer_form)
    leases = DirLeases(root)
    host = Platform.of_machine(os.uname().machine)
    return Store(
        root=root,
        blobs=blobs,
        refs=refs,
        layers=layers,
        steps=DirSteps(root / "steps", layers),
        containers=DirContainers(root / "containers"),
        images=Images(refs, blobs, layers, leases, host),
        leases=leases,
        events=Journal(root / "events"),
    )


def _check_format(root: Path, found: str) -> None:
    text = found.strip()
    if not text.isdecimal() or int(text) > FORMAT:
        raise NewerFormat(root, text[:20] or "nothing", FORMAT)
    if int(text) < FORMAT:
        # All that format 1 has, format 2 has as well; who knows only 1 must not look any more.
        with writing(root):
            replace_file(root / "format", b"%d\n" % FORMAT)


def _make(root: Path) -> None:
    """Make what is missing; `format` comes last, and says that all the rest is there."""
    with writing(root):
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            root.mkdir(mode=0o700, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise NotAStore(root, "it is not a directory") from None
        ours = {"format", "oci-layout", "index.json", _LOCK, *_ROOTLESS, *_DIRECTORIES}
        foreign = [
            name for name in os.listdir(root) if name not in ours and not name.startswith(".tmp-")
        ]
        if foreign:
            raise NotAStore(root, f"it holds {min(foreign)}")
        root.chmod(0o700)
        with locked(root / _LOCK):
            if (root / "format").exists():
                return
            for name in _DIRECTORIES:
                (root / name).mkdir(mode=0o700, exist_ok=True)
            replace_file(root / "oci-layout", OCI_LAYOUT)
            if not (root / "index.json").exists():
                replace_file(root / "index.json", empty_index())
            replace_file(root / "format", b"%d\n" % FORMAT)
