"""A repository of a registry, as source and sink (OCI distribution-spec 1.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from lamina.errors import Invalid
from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import document_type
from lamina.oci.reference import DEFAULT_TAG, Reference
from lamina.registry.download import Opener, range_headers
from lamina.registry.errors import (
    NotARegistry,
    RegistryError,
    RepositoryNotFound,
    Subject,
    TagNotFound,
    TooLarge,
    WrongBytes,
    looks_like_html,
)
from lamina.registry.exchange import Exchange, failed, next_page
from lamina.registry.place import Place
from lamina.registry.ranges import Blob, Spread
from lamina.registry.referrers import list_under_tag, referrers_of
from lamina.registry.transport import Response
from lamina.registry.upload import Uploader

T = TypeVar("T")
DOCUMENT_LIMIT = 4 << 20
"""Bytes of a manifest, index or config (distribution-spec, "Pushing Manifests")."""
TAGS_LIMIT = 32 << 20
"""Bytes of one page of tags."""
PAGES_LIMIT = 10_000
FEW_TAGS = 5
"""So many tags are simply listed when the one that was asked for is missing."""
_ACCEPT = ", ".join(mediatype.ACCEPT)
_DOCUMENTS = mediatype.MANIFESTS | mediatype.INDEXES


class _TagList(msgspec.Struct):
    tags: list[str] | None = None


class Repository(msgspec.Struct, frozen=True):
    """One image's home: `Source` and `Sink` over HTTP.  Usable from several threads."""

    reference: Reference
    origin: Place
    exchange: Exchange
    """For what lies elsewhere: the `urls` of foreign layers."""
    mirrors: tuple[Place, ...] = ()
    """Asked before `origin` for what is read, in this order."""
    spread: Spread = msgspec.field(default_factory=Spread)
    """When a blob is fetched over several connections at once."""
    _opened: dict[Digest, str] = msgspec.field(default_factory=dict)
    """Uploads that a refused mount left open, by the blob they are for."""

    def at(self, reference: Reference) -> Repository:
        """The same repository under another tag or digest, sharing login and connections."""
        return msgspec.structs.replace(self, reference=reference)

    def resolve(self) -> Descriptor:
        return self._first(self._resolve)

    def document(self, descriptor: Descriptor) -> bytes:
        if descriptor.size > DOCUMENT_LIMIT:
            raise TooLarge(self._too_large(descriptor.digest, descriptor.size))
        return self._first(lambda place: self._document(place, descriptor))

    @contextmanager
    def blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[Iterator[bytes]]:
        places = [_opener(place, descriptor) for place in (*self.mirrors, self.origin)]
        if mediatype.is_foreign(descriptor.media_type):
            places = [self._foreign(url, descriptor) for url in descriptor.urls] + places
        name = self.reference.name
        blob = Blob(descriptor, places, self.exchange, self.spread, name=name, offset=offset)
        try:
            blob.start()
            yield blob.pieces()
        finally:
            blob.close()

    def has_blob(self, descriptor: Descriptor) -> bool:
        path = f"/blobs/{descriptor.digest}"
        response = self.origin.ask("HEAD", path, ok=(200, 404))
        response.close()
        return response.status == 200

    def mount_blob(self, descriptor: Descriptor, origin: str) -> bool:
        place = self._uploader.mount(descriptor.digest, origin)
        if place is not None:
            self._opened[descriptor.digest] = place
        return place is None

    def put_blob(self, descriptor: Descriptor, open_chunks: Callable[[], Iterable[bytes]]) -> None:
        place = self._opened.pop(descriptor.digest, "")
        self._uploader.whole(descriptor, open_chunks, place)

    def put_stream(self, media_type: str, chunks: Iterable[bytes]) -> Descriptor:
        return self._uploader.unnamed(media_type, chunks)

    def put_document(self, descriptor: Descriptor, raw: bytes, *, tag: str = "") -> None:
        self._put_document(descriptor, raw, tag)

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        return self._first(lambda place: referrers_of(place, subject))

    @property
    def attaches(self) -> bool:
        return True

    def put_referrer(self, descriptor: Descriptor, raw: bytes, subject: Digest) -> None:
        if not self._put_document(descriptor, raw, ""):
            list_under_tag(self.origin, self._uploader, subject, descriptor)

    def _put_document(self, descriptor: Descriptor, raw: bytes, tag: str) -> bool:
        if (Digest.of(raw), len(raw)) != (descriptor.digest, descriptor.size):
            raise WrongBytes(f"manifest {descriptor.digest} has other bytes here: not pushed")
        if len(raw) > DOCUMENT_LIMIT:
            raise TooLarge(self._too_large(descriptor.digest, len(raw)))
        return self._uploader.document(descriptor, raw, tag)

    def tags(self) -> list[str]:
        """Every tag of the repository, in the registry's order.  Raises RepositoryNotFound."""
        return self._first(_tags)

    def delete(self) -> Digest:
        """Delete the manifest that the reference stands for, with all tags on it.

        Raises NotSupported where the registry does not allow it.
        """
        digest = self.reference.digest or self._resolve(self.origin).digest
        self.origin.ask(
            "DELETE", f"/manifests/{digest}", ok=(202, 200), part=f"manifest {digest}"
        ).close()
        return digest

    @property
    def _uploader(self) -> Uploader:
        place = self.origin
        return Uploader(place.session, place.path, place.scopes, place.about())

    def _first(self, ask: Callable[[Place], T]) -> T:
        """What the first place that can answer says; the registry itself decides."""
        for place in self.mirrors:
            try:
                return ask(place)
            except RegistryError:
                continue
        return ask(self.origin)

    def _resolve(self, place: Place) -> Descriptor:
        wanted = self.reference.digest
        which = str(wanted) if wanted else self.reference.tag or DEFAULT_TAG
        part = f"manifest {which}" if wanted else f"tag {which}"
        try:
            found = _head(place, which, part)
        except RegistryError as error:
            if not 400 <= error.status < 500 or error.status == 429:
                raise
            found = None  # a HEAD has no body: ask again for the registry's own words
        if found is None:
            found = self._resolve_whole(place, which, part)
        if wanted and found.digest != wanted:
            raise WrongBytes(f"{self.reference} came as another manifest: {found.digest}")
        return found

    def _resolve_whole(self, place: Place, which: str, part: str) -> Descriptor:
        try:
            response = place.ask(
                "GET", f"/manifests/{which}", part=part, headers={"Accept": _ACCEPT}
            )
        except TagNotFound as error:
            if part.startswith("tag "):
                _explain_missing_tag(place, which, error)
            raise
        raw = self._read(response, which)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        if looks_like_html(media_type, raw):
            raise NotARegistry(
                f"{place.registry} answers with a web page (GET {response.url})",
                hint="is this the address of a registry?",
            )
        media_type = document_type(raw, media_type=media_type, what=f"manifest of {self.reference}")
        return Descriptor(media_type, Digest.of(raw), len(raw))

    def _document(self, place: Place, descriptor: Descriptor) -> bytes:
        digest = descriptor.digest
        kind = "manifest" if descriptor.media_type in _DOCUMENTS else "blob"
        response = place.ask(
            "GET",
            f"/{kind}s/{digest}",
            part=f"{kind} {digest}",
            headers={"Accept": _ACCEPT} if kind == "manifest" else None,
        )
        raw = self._read(response, digest)
        if (Digest.of(raw), len(raw)) != (digest, descriptor.size):
            raise WrongBytes(
                f"{kind} {digest} of {self.reference.name} came as other bytes:"
                f" {Digest.of(raw)}, {len(raw)} bytes where {descriptor.size} were due",
                hint="the registry, or a proxy before it, is damaged",
            )
        return raw

    def _read(self, response: Response, what: object) -> bytes:
        try:
            length = response.headers.get("content-length", "")
            if length.isdigit() and int(length) > DOCUMENT_LIMIT:
                raise TooLarge(self._too_large(what, int(length)))
            raw = response.read(DOCUMENT_LIMIT + 1)
        finally:
            response.close()
        if len(raw) > DOCUMENT_LIMIT:
            raise TooLarge(self._too_large(what, None))
        return raw

    def _too_large(self, what: object, size: int | None) -> str:
        told = f"of {size / 1e6:.1f} MB " if size else ""
        return (
            f"the manifest or config {what} of {self.reference.name} {told}is larger than"
            f" the {DOCUMENT_LIMIT >> 20} MiB that registries agree on"
        )

    def _foreign(self, url: str, descriptor: Descriptor) -> Opener:
        subject = Subject(self.reference.registry, self.reference.name, f"blob {descriptor.digest}")

        def open_(start: int, stop: int | None) -> Response:
            response = self.exchange.send("GET", url, headers=range_headers(start, stop))
            if response.status not in (200, 206):
                raise failed("GET", response, subject)
            return response

        return open_


def _opener(place: Place, descriptor: Descriptor) -> Opener:
    def open_(start: int, stop: int | None) -> Response:
        return place.ask(
            "GET",
            f"/blobs/{descriptor.digest}",
            ok=(200, 206),
            part=f"blob {descriptor.digest}",
            headers=range_headers(start, stop),
        )

    return open_


def _head(place: Place, which: str, part: str) -> Descriptor | None:
    """What a HEAD says of a manifest; None when it says too little.

    Its digest is the registry's word only: `document` checks it against the bytes.
    """
    response = place.ask("HEAD", f"/manifests/{which}", part=part, headers={"Accept": _ACCEPT})
    response.close()
    headers = response.headers
    media_type = headers.get("content-type", "").partition(";")[0].strip()
    length = headers.get("content-length", "")
    if media_type not in _DOCUMENTS or not length.isdigit():
        return None
    try:
        return Descriptor(media_type, Digest(headers.get("docker-content-digest", "")), int(length))
    except Invalid:
        return None


def _explain_missing_tag(place: Place, tag: str, error: TagNotFound) -> None:
    """Raise a better error than `error`: the repository is missing, or has a tag like this."""
    try:
        there = _tags(place)
    except RepositoryNotFound as missing:
        raise missing from None
    except RegistryError:
        return
    import difflib

    near = difflib.get_close_matches(tag, there, 3)
    if near:
        error.hint = f"similar there: {', '.join(near)}"
    elif 0 < len(there) <= FEW_TAGS:
        error.hint = f"it has: {', '.join(there)}"


def _tags(place: Place) -> list[str]:
    found: list[str] = []
    path = "/tags/list"
    for _ in range(PAGES_LIMIT):
        response = place.ask("GET", path, headers={"Accept": "application/json"})
        try:
            raw = response.read(TAGS_LIMIT)
        finally:
            response.close()
        try:
            found += msgspec.json.decode(raw, type=_TagList).tags or []
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise NotARegistry(
                f"{place.registry} answers the question for tags with what is no list of them",
                hint="is this the address of a registry?",
            ) from None
        path = next_page(response)
        if not path:
            return found
    raise NotARegistry(f"{place.registry} lists the tags of {place.repository} without an end")
