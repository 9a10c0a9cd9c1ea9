"""What programs are told of images: frozen values.  Layers are numbered from 1, the lowest."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from lamina.explain.compare import Change, PackageChange
from lamina.explain.lookup import Barrier, Step
from lamina.explain.stack import Stack
from lamina.explain.view import Node
from lamina.layer.entry import Kind
from lamina.leaks.leaks import Leak, Place, Source
from lamina.report.words import NOUNS


class Layer(msgspec.Struct, frozen=True):
    """One layer of an image, and what became of what it ships."""

    number: int
    """1 is the lowest."""
    instruction: str
    """What made it, as a line of a Dockerfile."""
    created: str
    """RFC 3339; empty when the image does not tell."""
    size: int
    """Bytes of file content."""
    visible_bytes: int
    hidden_bytes: int
    diff_id: str
    """Empty for a container's own layer, which changes."""


class File(msgspec.Struct, frozen=True):
    """A file, directory, link or device of an image."""

    path: str
    """Absolute.  Bytes that are no UTF-8 are surrogates (PEP 383)."""
    type: str
    """`file`, `directory`, `link`, `character device`, `block device`, `named pipe`."""
    size: int
    """Bytes of content."""
    mode: int
    """Permission bits, set-id and sticky included."""
    uid: int
    gid: int
    mtime: datetime
    layer: int
    """The number of the layer that ships it."""
    link: str = ""
    """Where a symbolic link points."""
    sha256: str = ""
    """Of the content, in hexadecimal; empty for what is no file, or changes."""
    hidden_by: int | None = None
    """The number of the layer that hides it; None when it can be seen."""
    hidden_kind: str = ""
    """How: `deleted`, `overwritten`, `duplicated`, `opaque`, `replaced`, `superseded`."""

    @property
    def visible(self) -> bool:
        """Whether a container of the image sees it."""
        return self.hidden_by is None


class Wasted(msgspec.Struct, frozen=True):
    """A file's content that is shipped and that nobody can see."""

    path: str
    size: int
    """Bytes of content."""
    kind: str
    """`deleted`, `overwritten`, `duplicated`, `opaque`, `replaced`, `superseded`."""
    shipped_by: int
    """A layer's number."""
    hidden_by: int
    instruction: str
    """What hid it."""


class Blame(msgspec.Struct, frozen=True):
    """A file, directory or link that is seen, and who wrote it."""

    path: str
    size: int
    """Bytes of content."""
    layer: int
    """The number of the layer that last wrote it."""
    instruction: str
    """What made that layer."""
    content_layer: int
    """The layer that its content is from; another one if `layer` only changed the mode, the
    owner or the times, or nothing."""
    content_instruction: str


class Found(msgspec.Struct, frozen=True):
    """What one layer has to say of a path."""

    layer: int
    instruction: str
    what: str
    """`file`, `directory`, …, `whiteout` or `opaque` where it hides what is below, empty for
    nothing."""
    size: int
    """Bytes of the file, or of all files that it has in the directory."""
    reached: bool
    """Whether the search from the top comes down to this layer."""
    shown: bool
    """Whether what it has is seen."""


class Difference(msgspec.Struct, frozen=True):
    """A file, directory or link that two images do not have alike."""

    path: str
    verdict: str
    """`added`, `removed`, `changed`."""
    aspects: tuple[str, ...]
    """What changed: `content`, `mode`, `owner`, `type`, …"""
    old_size: int
    """Bytes of content; 0 where it is not."""
    new_size: int
    layer: int | None
    """The number of the layer of the new image that has it."""


class PackageDifference(msgspec.Struct, frozen=True):
    """A package that two images do not have in the same version."""

    kind: str
    """Its manager: `dpkg`, `apk`, `rpm`, `python`, `npm`."""
    name: str
    old_version: str
    """Empty where it is not."""
    new_version: str
    growth: int
    """Bytes of installed size that the new image has more."""


class Secret(msgspec.Struct, frozen=True):
    """One place of a secret.  The secret itself is not told: `Image.read` shows it."""

    kind: str
    """`GitHub token`, `private key`, …"""
    redacted: str
    """How it begins, and how long it is."""
    fingerprint: str
    """The beginning of its sha256, by which the places of one secret know each other."""
    state: str
    """`visible` to any user, `root-only`, or `hidden`: shipped all the same."""
    source: str
    """`file`, `env`, `label`, `command`, `history`, `build-argument`."""
    name: str
    """The file's path, or what the variable, label or build argument is called."""
    line: int
    """Of a file; 0 where all of it is meant."""
    layer: int | None
    """None for what is in the configuration."""
    hidden_by: int | None


def found(step: Step, stack: Stack) -> Found:
    what = ""
    if step.entry is not None:
        what = NOUNS[step.entry.kind]
    elif step.barrier in (Barrier.WHITEOUT, Barrier.OPAQUE):
        what = step.barrier.value
    return Found(
        step.layer + 1,
        stack.origins[step.layer].instruction,
        what,
        step.size,
        step.reached,
        step.shown,
    )


def file(node: Node) -> File:
    inode, hidden = node.inode, node.hidden
    return File(
        "/" + node.path,
        NOUNS[node.entry.kind],
        inode.size,
        inode.mode,
        inode.uid,
        inode.gid,
        datetime.fromtimestamp(inode.mtime / 10**9, UTC),
        node.layer + 1,
        node.entry.link if node.entry.kind is Kind.SYMLINK else "",
        inode.sha256.hex(),
        hidden.hidden_by + 1 if hidden else None,
        hidden.cause.value if hidden else "",
    )


def difference(change: Change) -> Difference:
    """A change of `explain.compare`, for programs."""
    old, new = change.old, change.new
    return Difference(
        "/" + change.path,
        change.verdict,
        tuple(aspect.value for aspect in change.aspects),
        old.inode.size if old else 0,
        new.inode.size if new else 0,
        new.layer + 1 if new else None,
    )


def package_difference(change: PackageChange) -> PackageDifference:
    """A change of `explain.compare`, for programs."""
    old, new = change.old, change.new
    return PackageDifference(
        change.kind,
        change.name,
        old.version if old else "",
        new.version if new else "",
        change.growth,
    )


def secret(leak: Leak, place: Place) -> Secret:
    """A place of a leak, for programs."""
    is_file = place.source is Source.FILE
    return Secret(
        leak.kind,
        leak.secret.redacted,
        leak.secret.fingerprint,
        place.state.value,
        place.source.value,
        "/" + place.name if is_file else place.name,
        place.line,
        None if place.layer is None else place.layer + 1,
        None if place.hidden_by is None else place.hidden_by + 1,
    )
