"""The verbs that give an image a name and take it away, as Docker's `tag` and `rmi` do."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lamina.errors import Invalid
from lamina.oci.digest import Digest
from lamina.oci.reference import BadReference, Reference
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import LIVELY
from lamina.store.contract import NamedImage, Store
from lamina.store.errors import ImageInUse, ImageNotFound
from lamina.store.gc import collect
from lamina.store.images import find_image, name_of
from lamina.store.reach import image_needs
from lamina.store.refs import find_row


class TagWithDigest(Invalid):
    """A new name may not carry a digest: the digest is what it is, not what it is called."""

    def __init__(self, text: str) -> None:
        super().__init__(f"a new name cannot carry a digest: {text}")


def tag(store: Store, source: str, target: str) -> NamedImage:
    """Let `target` stand for the image that `source` means; returns its row.

    Raises ImageNotFound, AmbiguousName, BadReference, TagWithDigest.
    """
    reference = Reference.parse(target)
    if reference.digest is not None:
        raise TagWithDigest(target)
    row = find_image(store.refs.rows(), source)
    with store.leases.hold() as lease:
        needs = image_needs(store.blobs, row, store.refs.attached())
        lease.protect(*needs.blobs, *needs.layers)
        if not any(each.image_id == row.image_id for each in store.refs.rows()):
            raise ImageNotFound(source)  # removed between the two looks
        same = tuple(
            each
            for each in row.repo_digests
            if Reference.parse(each, default_tag="").name == reference.name
        )
        named = msgspec.structs.replace(row, reference=reference, repo_digests=same)
        store.refs.set(named)
    return named


def remove_image(store: Store, text: str, *, force: bool = False) -> list[str]:
    """Take a name from an image, and the image away with its last name; then collect.

    By id, all names of one repository go at once; several repositories, or a
    stopped container that was made from the image, need `force`.  A running
    container's image keeps its data under any name.  Returns what Docker
    prints: `Untagged: …` and `Deleted: sha256:…` lines.

    Raises ImageNotFound, AmbiguousName, ImageInUse.
    """
    rows = store.refs.rows()
    row = find_image(rows, text)
    same = [each for each in rows if each.image_id == row.image_id]
    users = [each for each in store.containers if each.image_id == row.image_id]
    if not _is_name(rows, text):
        return _remove_by_id(store, text, same, users, force=force)
    assert row.reference is not None
    if len(same) > 1:
        store.refs.remove(row.reference)
        return [_untagged(row)]
    if users and not force:
        raise _used(text, users[0])
    gone = [store.refs.remove(row.reference)]
    if users:
        # As Docker leaves it: the container's image can still be listed, and removed later.
        store.refs.set(msgspec.structs.replace(row, reference=None))
        return [_untagged(row)]
    return _deleted(store, gone, row.image_id)


def _is_name(rows: Sequence[NamedImage], text: str) -> bool:
    try:
        found = find_row(rows, Reference.parse(text))
    except BadReference:
        return False
    return found is not None and found.reference is not None


def _remove_by_id(
    store: Store,
    text: str,
    same: Sequence[NamedImage],
    users: Sequence[ContainerRecord],
    *,
    force: bool,
) -> list[str]:
    image_id = same[0].image_id
    names = [each.reference.familiar for each in same if each.reference is not None]
    repositories = {each.reference.name for each in same if each.reference is not None}
    running = [each for each in users if each.status in LIVELY]
    if running or (users and not force):
        raise _used(text, (running or list(users))[0])
    if len(repositories) > 1 and not force:
        raise ImageInUse(
            text,
            f"it has names in {len(repositories)} repositories: {', '.join(names)}",
            hint=f"lamina rmi -f {text}   (or remove the names one by one)",
        )
    gone = store.refs.remove_image(image_id)
    if users:
        return [_untagged(each) for each in gone if each.reference is not None]
    return _deleted(store, gone, image_id)


def _deleted(store: Store, gone: Sequence[NamedImage], image_id: Digest) -> list[str]:
    lines = [_untagged(each) for each in gone if each.reference is not None]
    digests = dict.fromkeys(digest for each in gone for digest in each.repo_digests)
    lines += [f"Untagged: {Reference.parse(each, default_tag='').familiar}" for each in digests]
    layers = collect(store).layers
    return [*lines, f"Deleted: {image_id}", *(f"Deleted: {each}" for each in layers)]


def _untagged(row: NamedImage) -> str:
    return f"Untagged: {name_of(row)}"


def _used(text: str, record: ContainerRecord) -> ImageInUse:
    if record.status in LIVELY:
        return ImageInUse(
            text,
            f"container {record.name} ({record.id[:12]}) runs it",
            hint=f"stop it and remove it first: lamina rm -f {record.name}",
        )
    return ImageInUse(
        text,
        f"container {record.name} ({record.id[:12]}) was made from it",
        hint=f"lamina rm {record.name}   (or lamina rmi -f {text}, which leaves the container)",
    )
