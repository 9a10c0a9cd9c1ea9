"""What goes wrong in a store, and how the kernel's refusals are told.

    Corrupt      DigestMismatch  SizeMismatch  LayerDamaged  RecordDamaged
    NotFound     BlobNotFound  LayerNotFound  ImageNotFound  ContainerNotFound
    Exists       NameTaken
    Invalid      AmbiguousName
    Conflict     ImageInUse  LayerInUse
    Unavailable  NoSpace
    Denied       NotPermitted
    Unsupported  NewerFormat  NoImageForm  NoTreeForm  NotMounted  NoLowers

Constructors take the object, so that each says the same everywhere.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lamina.errors import (
    Conflict,
    Corrupt,
    Denied,
    Exists,
    Invalid,
    NotFound,
    Unavailable,
    Unsupported,
)
from lamina.oci.digest import Digest


class DigestMismatch(Corrupt):
    """Bytes whose sha256 is not the one they were named by."""

    def __init__(self, expected: Digest, actual: Digest) -> None:
        super().__init__(f"the bytes of {expected} have the digest {actual}")
        self.expected = expected
        self.actual = actual


class SizeMismatch(Corrupt):
    """More or fewer bytes than announced."""

    def __init__(self, digest: Digest | None, expected: int, actual: int) -> None:
        what = f"blob {digest}" if digest else "a blob"
        super().__init__(f"{what} should have {expected} bytes and has {actual}")
        self.expected = expected
        self.actual = actual


class LayerDamaged(Corrupt):
    """A stored layer is not what its diff_id says; `reason` names the path."""

    def __init__(self, diff_id: Digest, reason: str) -> None:
        super().__init__(
            f"layer {diff_id.short} is damaged: {reason}",
            hint="lamina verify   (shows all that is wrong; pulling the image again mends it)",
        )
        self.diff_id = diff_id
        self.reason = reason


class RecordDamaged(Corrupt):
    """A file of the store's own (index.json, a record, a step) is not what it should be."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} is damaged: {reason}", hint="lamina verify   (shows all that is wrong)"
        )
        self.path = path
        self.reason = reason


class BlobNotFound(NotFound):
    """The blob is not stored."""

    def __init__(self, digest: Digest) -> None:
        super().__init__(f"no blob {digest} in the store")
        self.digest = digest


class LayerNotFound(NotFound):
    """The layer is not stored."""

    def __init__(self, diff_id: Digest) -> None:
        super().__init__(f"no layer {diff_id} in the store")
        self.diff_id = diff_id


class ImageNotFound(NotFound):
    """No image goes by the name; the hint names some that sound like it."""

    def __init__(self, text: str, *, similar: Sequence[str] = (), can_pull: bool = True) -> None:
        near = f"   (similar here: {', '.join(similar)})" if similar else ""
        hint = f"lamina pull {text}{near}" if can_pull else near.strip(" ()")
        super().__init__(f"no image {text} in the store", hint=hint)
        self.text = text
        self.similar = tuple(similar)


class ContainerNotFound(NotFound):
    """No container goes by the name or id."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"no container {text or repr(text)}", hint="lamina ps -a   (lists all of them)"
        )
        self.text = text


class NameTaken(Exists):
    """Another container has the name."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f"the name {name} belongs to container {holder[:12]}",
            hint=f"lamina rm {name}   (or choose another name)",
        )
        self.name = name
        self.holder = holder


class AmbiguousName(Invalid):
    """A prefix that more than one id begins with."""

    def __init__(self, text: str, matches: Sequence[str]) -> None:
        super().__init__(
            f"{text} could be any of {len(matches)}: {', '.join(matches[:5])}",
            hint="write more digits of the id",
        )
        self.text = text
        self.matches = tuple(matches)


class ImageInUse(Conflict):
    """The image is needed by a container, or has more names than the request covers."""

    def __init__(self, image: str, reason: str, *, hint: str) -> None:
        super().__init__(f"image {image} is in use: {reason}", hint=hint)
        self.image = image


class LayerInUse(Conflict):
    """The layer cannot change its form while somebody may be reading it."""

    def __init__(self, diff_id: Digest, who: str) -> None:
        super().__init__(
            f"layer {diff_id.short} is in use by {who}", hint="try again when that has ended"
        )
        self.diff_id = diff_id


class NoImageForm(Unsupported):
    """Layers cannot be kept in image form on this host or in this store."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"layers cannot be kept as images here: {reason}", hint="use --layer-form tree"
        )


class NoTreeForm(Unsupported):
    """Layers cannot be kept as directories on this host or in this store."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"layers cannot be kept as directories here: {reason}",
            hint="put the store on a volume with --root, and run with CAP_SYS_ADMIN",
        )


class NotMounted(Unsupported):
    """A layer that is kept in image form cannot be mounted."""

    def __init__(self, diff_id: Digest, reason: str) -> None:
        super().__init__(
            f"layer {diff_id.short} cannot be mounted: {reason}",
            hint="lamina convert --layer-form tree IMAGE   (keeps its layers as directories)",
        )
        self.diff_id = diff_id
        self.reason = reason


class NoLowers(Unsupported):
    """Layers of this store can neither be mounted nor be directories under an overlay."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"containers cannot run on this store: {reason}",
            hint="give this container more: docker run --privileged, with the store on a volume"
            " (-v /var/lib/lamina); `lamina build` works without",
        )


class NoSpace(Unavailable):
    """The disk, its inodes or the user's quota are used up."""

    def __init__(self, what: Path | str) -> None:
        super().__init__(
            f"no space left to write {what}",
            hint="lamina prune   (removes what nothing uses); lamina system df shows what does",
        )


class NotPermitted(Denied):
    """The kernel does not let this user do it."""

    def __init__(self, what: Path | str, reason: str = "") -> None:
        super().__init__(
            f"not permitted to write {what}" + (f": {reason}" if reason else ""),
            hint="choose another store with --root, or run as the user who owns it",
        )


class NotReadable(Denied):
    """What another user stored, this one may not read."""

    def __init__(self, what: str) -> None:
        super().__init__(f"not permitted to read {what}", hint="run as the user who owns the store")


class NewerFormat(Unsupported):
    """The store was written by a later version of Lamina."""

    def __init__(self, root: Path, found: str, known: int) -> None:
        super().__init__(
            f"the store {root} has format {found}, and this version knows up to {known}",
            hint="use the version of lamina that wrote it, or another store with --root",
        )


_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def writing(what: Path | str) -> Iterator[None]:
    """Around writes to `what`: a full disk raises NoSpace, a refusal NotPermitted."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpace(what) from error
        if error.errno in _REFUSED:
            raise NotPermitted(what, error.strerror or "") from error
        raise
