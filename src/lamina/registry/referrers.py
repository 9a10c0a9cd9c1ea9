"""What is attached to a manifest (distribution-spec 1.1, "Listing Referrers"), also where the
registry knows nothing of it: then an index under a tag has the list ("Referrers Tag Schema")."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lamina.oci import mediatype
from lamina.oci.artifact import fallback_tag
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument, amend
from lamina.oci.manifest import Index
from lamina.registry.errors import (
    BadRedirect,
    Interrupted,
    NotARegistry,
    RegistryError,
    TooLarge,
)
from lamina.registry.exchange import next_page
from lamina.registry.place import Place
from lamina.registry.transport import Response
from lamina.registry.upload import Uploader

_LIMIT = 4 << 20
"""Bytes of an index, as registries agree (distribution-spec, "Pushing Manifests")."""
_PAGES = 100
_ACCEPT = {"Accept": mediatype.OCI_INDEX}
_TOO_MANY = 429


def referrers_of(place: Place, subject: Digest) -> Sequence[Descriptor]:
    """What the registry, or else the tag, lists; nothing where there is neither.

    Raises RegistryError when the registry fails, or has something else there.
    """
    try:
        return _listed(place, subject)
    except RegistryError as error:
        if not _does_not_offer(error):
            raise
    try:
        index = tagged(place, subject)
    except RegistryError as error:
        if not _does_not_offer(error):
            raise
        return ()
    return index.manifests if index is not None else ()


def _does_not_offer(error: RegistryError) -> bool:
    """Whether it is how a registry says that it does not know what it is asked for: a status
    for that, a web page, or on to somewhere else."""
    if isinstance(error, (NotARegistry, BadRedirect)):
        return True
    return (400 <= error.status < 500 and error.status != _TOO_MANY) or error.status == 501


def _listed(place: Place, subject: Digest) -> Sequence[Descriptor]:
    found: list[Descriptor] = []
    path = f"/referrers/{subject}"
    for _ in range(_PAGES):
        response = _ask_once(place, path)
        found += _index(place, response, subject).manifests
        path = next_page(response)
        if not path:
            return found
    raise NotARegistry(f"{place.registry} lists what is attached to {subject} without an end")


def _ask_once(place: Place, path: str) -> Response:
    """The answer, whatever it is: patience is for what a registry is known to offer."""
    try:
        return place.ask("GET", path, headers=_ACCEPT, repeat=False)
    except Interrupted:  # it may be a connection that was kept for too long
        return place.ask("GET", path, headers=_ACCEPT)


def tagged(place: Place, subject: Digest) -> Index | None:
    """The index that the tag has; None when there is no such tag."""
    tag = fallback_tag(subject)
    response = place.ask(
        "GET", f"/manifests/{tag}", ok=(200, 404), part=f"tag {tag}", headers=_ACCEPT
    )
    if response.status == 404:
        response.close()
        return None
    return _index(place, response, subject)


def list_under_tag(place: Place, uploader: Uploader, subject: Digest, entry: Descriptor) -> None:
    """Put `entry` into the tag's index, beside what others have there.

    Raises NotARegistry, changing nothing, when something else has the tag.
    """
    before = tagged(place, subject)
    if before is None:
        index = Index.build([entry])
    elif any(each.digest == entry.digest for each in before.manifests):
        return
    else:
        there = msgspec.json.decode(before.raw)["manifests"]  # with all that others say in it
        index = Index.parse(amend(before.raw, {"manifests": [*there, entry]}))
    uploader.document(index.descriptor, index.raw, fallback_tag(subject))


def _index(place: Place, response: Response, subject: Digest) -> Index:
    try:
        raw = response.read(_LIMIT + 1)
    finally:
        response.close()
    what = f"the list of what is attached to {subject} in {place.about().name}"
    if len(raw) > _LIMIT:
        raise TooLarge(f"{what} is larger than {_LIMIT >> 20} MiB")
    try:
        return Index.parse(raw, media_type=mediatype.OCI_INDEX, what=what)
    except BadDocument as error:
        raise NotARegistry(str(error)) from None
